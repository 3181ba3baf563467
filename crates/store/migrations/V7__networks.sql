-- From which network each charger last proved who it is: whoever guesses cannot keep it out there.
ALTER TABLE logins ADD COLUMN network TEXT;
