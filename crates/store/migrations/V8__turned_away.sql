-- Chargers that are expected and failed to prove who they are stand beside those that nobody has admitted.
ALTER TABLE knocks ADD COLUMN why TEXT NOT NULL DEFAULT 'unknown'; -- what was wrong the last time
ALTER TABLE knocks ADD COLUMN locked_out INTEGER NOT NULL DEFAULT 0; -- by then it had failed too often to be looked at
