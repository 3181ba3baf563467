-- What a backoffice was told last is remembered with its lane, of which a row is written with each delivery anyway, and not
-- as a fact of its own for each message: eight bytes for each, the newest last. What stood in facts is let go: of it
-- only matters what a charger says again because the answer to it was lost while the program was brought up to date.
ALTER TABLE lanes ADD COLUMN told BLOB NOT NULL DEFAULT x'';
DELETE FROM facts WHERE key GLOB 'told/*';

-- A delivery stands in the table, where those of all lanes follow each other, and in one index for each lane. Samples are
-- most of what waits: the index that says who gives way does without them. They are found in the order of the lane, whose
-- index has all that is asked of them.
CREATE TABLE deliveries_leaner (
    place             INTEGER PRIMARY KEY, -- in the table
    charger           TEXT    NOT NULL COLLATE NOCASE,
    backoffice        TEXT    NOT NULL,
    number            INTEGER NOT NULL, -- its turn in the lane of this charger and backoffice
    kind              TEXT    NOT NULL, -- 'start', 'stop', 'sampled', 'aligned' or 'other': who gives way first
    trace             TEXT    NOT NULL,
    transaction_trace TEXT,
    queued_unix_ms    INTEGER NOT NULL,
    attempts          INTEGER NOT NULL,
    parked            TEXT,             -- why it is not tried by itself, if so
    bytes             INTEGER NOT NULL,
    action            TEXT    NOT NULL,
    payload           TEXT    NOT NULL
);
INSERT INTO deliveries_leaner (charger, backoffice, number, kind, trace, transaction_trace, queued_unix_ms, attempts, parked,
        bytes, action, payload)
    SELECT charger, backoffice, number, kind, trace, transaction_trace, queued_unix_ms, attempts, parked, bytes, action, payload
    FROM deliveries ORDER BY rowid;
DROP TABLE deliveries;
ALTER TABLE deliveries_leaner RENAME TO deliveries;
CREATE INDEX deliveries_in_order
    ON deliveries (charger, backoffice, number, kind, transaction_trace, parked);
CREATE INDEX deliveries_giving_way
    ON deliveries (charger, backoffice, kind, coalesce(transaction_trace, ''), number)
    WHERE parked IS NULL AND kind <> 'sampled';
CREATE INDEX deliveries_parked ON deliveries (charger, backoffice, number) WHERE parked IS NOT NULL;
CREATE INDEX deliveries_parked_of_transaction ON deliveries (charger, transaction_trace, backoffice)
    WHERE parked IS NOT NULL AND transaction_trace IS NOT NULL;
CREATE INDEX deliveries_age ON deliveries (backoffice, queued_unix_ms) WHERE parked IS NULL;

-- How many of those that wait are samples; and thinning goes on by their numbers alone.
ALTER TABLE lanes ADD COLUMN samples INTEGER NOT NULL DEFAULT 0;
UPDATE lanes SET samples = (SELECT count(*) FROM deliveries WHERE deliveries.charger = lanes.charger
    AND deliveries.backoffice = lanes.backoffice AND kind = 'sampled' AND parked IS NULL), thinned_number = 0, thinned = 0;
ALTER TABLE lanes DROP COLUMN thinned_trace;

CREATE TRIGGER deliveries_added AFTER INSERT ON deliveries BEGIN
    UPDATE lanes SET waiting       = waiting       + (NEW.parked IS NULL),
                     waiting_bytes = waiting_bytes + (NEW.parked IS NULL) * NEW.bytes,
                     samples       = samples       + (NEW.parked IS NULL) * (NEW.kind = 'sampled'),
                     parked        = parked        + (NEW.parked IS NOT NULL),
                     parked_bytes  = parked_bytes  + (NEW.parked IS NOT NULL) * NEW.bytes
    WHERE charger = NEW.charger AND backoffice = NEW.backoffice;
END;
CREATE TRIGGER deliveries_removed AFTER DELETE ON deliveries BEGIN
    UPDATE lanes SET waiting       = waiting       - (OLD.parked IS NULL),
                     waiting_bytes = waiting_bytes - (OLD.parked IS NULL) * OLD.bytes,
                     samples       = samples       - (OLD.parked IS NULL) * (OLD.kind = 'sampled'),
                     parked        = parked        - (OLD.parked IS NOT NULL),
                     parked_bytes  = parked_bytes  - (OLD.parked IS NOT NULL) * OLD.bytes
    WHERE charger = OLD.charger AND backoffice = OLD.backoffice;
END;
CREATE TRIGGER deliveries_parked_or_tried_again AFTER UPDATE OF parked ON deliveries
WHEN (OLD.parked IS NULL) <> (NEW.parked IS NULL) BEGIN
    UPDATE lanes SET waiting       = waiting       + (NEW.parked IS NULL) - (OLD.parked IS NULL),
                     waiting_bytes = waiting_bytes + ((NEW.parked IS NULL) - (OLD.parked IS NULL)) * NEW.bytes,
                     samples       = samples       + ((NEW.parked IS NULL) - (OLD.parked IS NULL)) * (NEW.kind = 'sampled'),
                     parked        = parked        - (NEW.parked IS NULL) + (OLD.parked IS NULL),
                     parked_bytes  = parked_bytes  - ((NEW.parked IS NULL) - (OLD.parked IS NULL)) * NEW.bytes
    WHERE charger = NEW.charger AND backoffice = NEW.backoffice;
END;
