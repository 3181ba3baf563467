-- Every charger that anything is known of, for lists. Told by boots, by coming and going, and by calls.
CREATE TABLE chargers (
    charger           TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    vendor            TEXT, -- of the last BootNotification, as are the next two
    model             TEXT,
    firmware          TEXT,
    last_seen_unix_ms INTEGER -- when it last came or went
) WITHOUT ROWID;
INSERT OR IGNORE INTO chargers (charger) SELECT charger FROM facts ORDER BY rowid;
INSERT OR IGNORE INTO chargers (charger) SELECT charger FROM transactions ORDER BY rowid;
INSERT OR IGNORE INTO chargers (charger) SELECT charger FROM calls ORDER BY seq;
INSERT OR IGNORE INTO chargers (charger) SELECT charger FROM occurrences ORDER BY seq;
UPDATE chargers SET last_seen_unix_ms = (SELECT max(unix_ms) FROM occurrences
    WHERE occurrences.charger = chargers.charger AND kind IN ('charger_arrived', 'charger_left'));
WITH boots(charger, request) AS MATERIALIZED (
    SELECT charger, CASE WHEN json_valid(body) THEN json_extract(body, '$.request') END
    FROM facts WHERE key = 'boot')
UPDATE chargers SET vendor   = substr(json_extract(request, '$.chargePointVendor'), 1, 100),
                    model    = substr(json_extract(request, '$.chargePointModel'), 1, 100),
                    firmware = substr(json_extract(request, '$.firmwareVersion'), 1, 100)
    FROM boots WHERE boots.charger = chargers.charger AND json_valid(request);

-- A call on which a follower decided differently than the leader.
ALTER TABLE calls ADD COLUMN differs INTEGER NOT NULL DEFAULT 0;
UPDATE calls SET differs = 1 WHERE trace IN (SELECT trace FROM answers
    WHERE verdict IN ('conflict', 'weak_conflict', 'follower_error') AND differences IS NOT NULL);
CREATE INDEX calls_differing      ON calls (charger, received_unix_ms) WHERE differs = 1;
CREATE INDEX calls_differing_time ON calls (received_unix_ms)          WHERE differs = 1;

-- Cards and numbers are looked for in one charger and in all; capitals and small letters of a card are equal.
DROP INDEX calls_id_tag;
CREATE INDEX calls_id_tag ON calls (id_tag COLLATE NOCASE, received_unix_ms) WHERE id_tag IS NOT NULL;
DROP INDEX calls_transaction;
CREATE INDEX calls_transaction ON calls (transaction_number, charger) WHERE transaction_number IS NOT NULL;
DROP INDEX transaction_numbers_number;
CREATE INDEX transaction_numbers_number ON transaction_numbers (number, charger);
CREATE INDEX transactions_time    ON transactions (received_unix_ms);
CREATE INDEX transactions_charger ON transactions (charger, received_unix_ms);
CREATE INDEX transactions_id_tag  ON transactions (id_tag COLLATE NOCASE, received_unix_ms);
CREATE INDEX transactions_running ON transactions (received_unix_ms) WHERE state <> 'closed';

-- Who leads by the word of an operator, and every such word.
CREATE TABLE leader_overrides (
    charger TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE,
    leader  TEXT    NOT NULL,
    said_by TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    unix_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE lead_history (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    charger      TEXT    NOT NULL COLLATE NOCASE,
    unix_ms      INTEGER NOT NULL,
    leader       TEXT, -- NULL: whom the configuration names
    said_by      TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    from_outside INTEGER NOT NULL -- by another program than the proxy that holds the store
);
CREATE INDEX lead_history_charger ON lead_history (charger, id);
