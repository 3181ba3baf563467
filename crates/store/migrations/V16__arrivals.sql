-- When many deliveries come at once they stand one behind another here first, and are sorted into their lanes together: a
-- page of a lane is then written once for several of them.
CREATE TABLE arrivals (
    place INTEGER PRIMARY KEY,
    body  TEXT NOT NULL -- JSON: what became of which lane, in order
);

-- A lane is written once for all that come to it together, with what they add to its counts.
DROP TRIGGER deliveries_added;
