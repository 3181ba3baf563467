-- Whether a transaction is over is in an index, not how far it is: each step would write the index again.
DROP INDEX transactions_open;
CREATE INDEX transactions_open ON transactions (charger) WHERE closed_unix_ms IS NULL;
DROP INDEX transactions_running;
CREATE INDEX transactions_running ON transactions (received_unix_ms) WHERE closed_unix_ms IS NULL;
DROP INDEX transactions_closed;
CREATE INDEX transactions_closed ON transactions (charger, closed_unix_ms) WHERE closed_unix_ms IS NOT NULL;
DROP INDEX transactions_expiry;
CREATE INDEX transactions_expiry ON transactions (closed_unix_ms) WHERE closed_unix_ms IS NOT NULL;
