-- What is known of a charger stands together, in one tree instead of two: facts are what is written most.
CREATE TABLE facts_together (
    charger TEXT NOT NULL COLLATE NOCASE,
    key     TEXT NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (charger, key)
) WITHOUT ROWID;
INSERT INTO facts_together (charger, key, body) SELECT charger, key, body FROM facts;
DROP TABLE facts;
ALTER TABLE facts_together RENAME TO facts;
