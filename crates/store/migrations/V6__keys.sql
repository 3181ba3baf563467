-- Keys that backoffices have changed (ChangeConfiguration of AuthorizationKey).

-- What the proxy proves to a backoffice in a charger's name, in the place of what proxy.toml says. Has to be
-- sent, so that it is encrypted and not hashed: with a key made of the secret in the file beside this one.
CREATE TABLE link_keys (
    charger    TEXT    NOT NULL COLLATE NOCASE,
    backoffice TEXT    NOT NULL,
    trace      TEXT    NOT NULL, -- the call that brought it
    key        BLOB    NOT NULL,
    form       TEXT,             -- in which the backoffice takes it; NULL: it has not been taken yet
    is_first   INTEGER NOT NULL, -- tried before what proxy.toml says; otherwise after it
    unix_ms    INTEGER NOT NULL,
    PRIMARY KEY (charger, backoffice, trace)
) WITHOUT ROWID;

-- What a charger may prove itself with since its leader has given it another key. Kept as in admissions.
CREATE TABLE charger_keys (
    charger TEXT    NOT NULL COLLATE NOCASE,
    trace   TEXT    NOT NULL, -- the call that brought it
    key     BLOB    NOT NULL,
    stage   TEXT    NOT NULL, -- 'offered', 'accepted', 'used'
    unix_ms INTEGER NOT NULL,
    PRIMARY KEY (charger, trace)
) WITHOUT ROWID;

-- Keys that proxy.toml or an operator gave a charger, and that do not count since it has used a later one.
CREATE TABLE replaced_keys (
    charger TEXT NOT NULL COLLATE NOCASE,
    key     BLOB NOT NULL,
    PRIMARY KEY (charger, key)
) WITHOUT ROWID;

-- Of which backoffice, where an order is about one.
ALTER TABLE admission_history ADD COLUMN backoffice TEXT;
