-- Which key is newer the clock does not say: it may be set back or forward meanwhile.
ALTER TABLE link_keys ADD COLUMN place INTEGER NOT NULL DEFAULT 0; -- the newest is 0
UPDATE link_keys SET place =
    (SELECT count(*) FROM link_keys AS other
     WHERE other.charger = link_keys.charger AND other.backoffice = link_keys.backoffice AND other.trace > link_keys.trace);
ALTER TABLE charger_keys ADD COLUMN place INTEGER NOT NULL DEFAULT 0; -- the newest is 0
UPDATE charger_keys SET place =
    (SELECT count(*) FROM charger_keys AS other
     WHERE other.charger = charger_keys.charger AND other.trace > charger_keys.trace);
-- For how long the program has run with it, while it was neither accepted nor used.
ALTER TABLE charger_keys ADD COLUMN hours INTEGER NOT NULL DEFAULT 0;
