-- A lane that is full gives way a few rows at a time. How far its samples have been thinned in the present
-- pass, and how many went in it.
ALTER TABLE lanes ADD COLUMN thinned_trace  TEXT    NOT NULL DEFAULT '';
ALTER TABLE lanes ADD COLUMN thinned_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN thinned        INTEGER NOT NULL DEFAULT 0;

-- Who goes next: traces begin with the time, so that the oldest transaction comes first.
CREATE INDEX deliveries_giving_way
    ON deliveries (charger, backoffice, kind, coalesce(transaction_trace, ''), number) WHERE parked IS NULL;
