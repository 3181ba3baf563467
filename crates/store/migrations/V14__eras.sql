-- What a charger has said is indexed era by era (2^24 ms, not quite five hours): what is written now falls into a part of
-- each index that stays small however long the log is. How old the newest call of a charger is, its row says from here on.
UPDATE chargers SET last_seen_unix_ms = (SELECT max(received_unix_ms) FROM calls WHERE calls.charger = chargers.charger)
    WHERE (SELECT max(received_unix_ms) FROM calls WHERE calls.charger = chargers.charger) > coalesce(last_seen_unix_ms, 0);
DROP INDEX calls_time;
CREATE INDEX calls_time ON calls (received_unix_ms >> 24, charger, received_unix_ms);
DROP INDEX calls_action;
CREATE INDEX calls_action ON calls (received_unix_ms >> 24, charger, action, received_unix_ms);
