-- What backoffices must still be told. The payload stands last, so that the columns before it are read without it.
CREATE TABLE deliveries (
    charger           TEXT    NOT NULL COLLATE NOCASE,
    backoffice        TEXT    NOT NULL,
    number            INTEGER NOT NULL, -- its place in the lane of this charger and backoffice
    kind              TEXT    NOT NULL, -- 'start', 'stop', 'sampled', 'aligned' or 'other': who gives way first
    trace             TEXT    NOT NULL,
    transaction_trace TEXT,
    queued_unix_ms    INTEGER NOT NULL,
    attempts          INTEGER NOT NULL,
    parked            TEXT,             -- why it is not tried by itself, if so
    bytes             INTEGER NOT NULL,
    action            TEXT    NOT NULL,
    payload           TEXT    NOT NULL,
    PRIMARY KEY (charger, backoffice, number)
);
CREATE INDEX deliveries_parked ON deliveries (charger, backoffice, number) WHERE parked IS NOT NULL;
CREATE INDEX deliveries_age ON deliveries (backoffice, queued_unix_ms) WHERE parked IS NULL;
CREATE INDEX deliveries_transaction ON deliveries (charger, transaction_trace, backoffice)
    WHERE transaction_trace IS NOT NULL;

-- A row for every lane that ever had a delivery. No number is used twice, so the last one outlives its
-- delivery. The counters are kept by the triggers below and by nobody else.
CREATE TABLE lanes (
    charger       TEXT    NOT NULL COLLATE NOCASE,
    backoffice    TEXT    NOT NULL,
    last_number   INTEGER NOT NULL,
    waiting       INTEGER NOT NULL DEFAULT 0,
    waiting_bytes INTEGER NOT NULL DEFAULT 0,
    parked        INTEGER NOT NULL DEFAULT 0,
    parked_bytes  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (charger, backoffice)
) WITHOUT ROWID;

CREATE TRIGGER deliveries_added AFTER INSERT ON deliveries BEGIN
    UPDATE lanes SET waiting       = waiting       + (NEW.parked IS NULL),
                     waiting_bytes = waiting_bytes + (NEW.parked IS NULL) * NEW.bytes,
                     parked        = parked        + (NEW.parked IS NOT NULL),
                     parked_bytes  = parked_bytes  + (NEW.parked IS NOT NULL) * NEW.bytes
    WHERE charger = NEW.charger AND backoffice = NEW.backoffice;
END;
CREATE TRIGGER deliveries_removed AFTER DELETE ON deliveries BEGIN
    UPDATE lanes SET waiting       = waiting       - (OLD.parked IS NULL),
                     waiting_bytes = waiting_bytes - (OLD.parked IS NULL) * OLD.bytes,
                     parked        = parked        - (OLD.parked IS NOT NULL),
                     parked_bytes  = parked_bytes  - (OLD.parked IS NOT NULL) * OLD.bytes
    WHERE charger = OLD.charger AND backoffice = OLD.backoffice;
END;
CREATE TRIGGER deliveries_parked_or_tried_again AFTER UPDATE OF parked ON deliveries
WHEN (OLD.parked IS NULL) <> (NEW.parked IS NULL) BEGIN
    UPDATE lanes SET waiting       = waiting       + (NEW.parked IS NULL) - (OLD.parked IS NULL),
                     waiting_bytes = waiting_bytes + ((NEW.parked IS NULL) - (OLD.parked IS NULL)) * NEW.bytes,
                     parked        = parked        - (NEW.parked IS NULL) + (OLD.parked IS NULL),
                     parked_bytes  = parked_bytes  - ((NEW.parked IS NULL) - (OLD.parked IS NULL)) * NEW.bytes
    WHERE charger = NEW.charger AND backoffice = NEW.backoffice;
END;

-- What an operator wants done while a proxy holds the store: written by another program, carried out and
-- answered by the proxy.
CREATE TABLE delivery_orders (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    what          TEXT    NOT NULL, -- 'retry' or 'drop'
    charger       TEXT    NOT NULL COLLATE NOCASE,
    backoffice    TEXT    NOT NULL,
    number        INTEGER,          -- NULL: all
    asked_unix_ms INTEGER NOT NULL,
    affected      INTEGER           -- how many deliveries it concerned, once carried out
);
