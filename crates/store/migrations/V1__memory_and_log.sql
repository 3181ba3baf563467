-- Whatever a charger's identity is compared with, capitals and small letters are equal: two spellings are
-- one charger with one history.

-- What must survive a crash. The body is the record as JSON; the columns beside it are what queries need.
CREATE TABLE transactions (
    charger          TEXT    NOT NULL COLLATE NOCASE,
    trace            TEXT    NOT NULL, -- of the StartTransaction that opened it
    state            TEXT    NOT NULL,
    charger_number   INTEGER,
    id_tag           TEXT    NOT NULL,
    connector_id     INTEGER NOT NULL,
    received_unix_ms INTEGER NOT NULL,
    closed_unix_ms   INTEGER,
    body             TEXT    NOT NULL,
    PRIMARY KEY (charger, trace)
);
CREATE INDEX transactions_open ON transactions (charger) WHERE state <> 'closed';
CREATE INDEX transactions_closed ON transactions (charger, closed_unix_ms) WHERE state = 'closed';
CREATE INDEX transactions_expiry ON transactions (closed_unix_ms) WHERE state = 'closed';

-- Every party's number of a transaction. The party '' is the charger, any other is a backoffice.
CREATE TABLE transaction_numbers (
    charger TEXT    NOT NULL COLLATE NOCASE,
    trace   TEXT    NOT NULL,
    party   TEXT    NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (charger, trace, party)
) WITHOUT ROWID;
CREATE INDEX transaction_numbers_number ON transaction_numbers (charger, number);

CREATE TABLE facts (
    charger TEXT NOT NULL COLLATE NOCASE,
    key     TEXT NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (charger, key)
);

-- The message log. One sequence numbers the rows of all three tables in the order they were committed:
-- whoever has seen number N has seen every number below it.
CREATE TABLE sequence (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    last INTEGER NOT NULL
);
INSERT INTO sequence (id, last) VALUES (1, 0);

CREATE TABLE calls (
    seq                INTEGER PRIMARY KEY,
    trace              TEXT    NOT NULL,
    charger            TEXT    NOT NULL COLLATE NOCASE,
    caller             TEXT    NOT NULL, -- '' is the charger, any other is a backoffice
    action             TEXT    NOT NULL COLLATE NOCASE,
    received_unix_ms   INTEGER NOT NULL,
    payload            TEXT    NOT NULL,
    outcome            TEXT    NOT NULL, -- 'result', 'error', or why there is no answer
    answer             TEXT,             -- the payload of the result
    error_code         TEXT,
    error_description  TEXT,
    decider            TEXT    NOT NULL, -- 'leader', 'charger', 'proxy' or 'nobody'
    decided_by         TEXT,             -- the backoffice, or the rule
    latency_us         INTEGER NOT NULL,
    leader             TEXT    NOT NULL,
    flags              TEXT    NOT NULL, -- separated by spaces
    redacted           INTEGER NOT NULL,
    id_tag             TEXT,
    transaction_number INTEGER,          -- as the caller uses it
    connector_id       INTEGER,
    status             TEXT
);
CREATE INDEX calls_trace ON calls (trace);
CREATE INDEX calls_age ON calls (received_unix_ms);
CREATE INDEX calls_time ON calls (charger, received_unix_ms);
CREATE INDEX calls_action ON calls (charger, action, received_unix_ms);
CREATE INDEX calls_id_tag ON calls (id_tag, received_unix_ms) WHERE id_tag IS NOT NULL;
CREATE INDEX calls_transaction ON calls (charger, transaction_number) WHERE transaction_number IS NOT NULL;

CREATE TABLE answers (
    seq                INTEGER PRIMARY KEY,
    trace              TEXT    NOT NULL,
    backoffice         TEXT    NOT NULL,
    led                INTEGER NOT NULL,
    outcome            TEXT    NOT NULL,
    same               INTEGER NOT NULL, -- the payload is the leader's and not repeated here
    answer             TEXT,
    error_code         TEXT,
    error_description  TEXT,
    latency_us         INTEGER NOT NULL,
    verdict            TEXT    NOT NULL,
    differences        TEXT,             -- JSON
    redacted           INTEGER NOT NULL,
    transaction_number INTEGER,
    status             TEXT
);
CREATE INDEX answers_trace ON answers (trace);

CREATE TABLE occurrences (
    seq     INTEGER PRIMARY KEY,
    charger TEXT    NOT NULL COLLATE NOCASE,
    unix_ms INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    who     TEXT    NOT NULL,
    detail  TEXT    NOT NULL
);
CREATE INDEX occurrences_age ON occurrences (unix_ms);
CREATE INDEX occurrences_time ON occurrences (charger, unix_ms);
