-- Chargers that an operator let in, besides those that proxy.toml names. Keys are never here in plain: of
-- each form in which a charger may send its key there is one byte that names the form and the 32 bytes of
-- an HMAC, made with the secret in the file beside this one.
CREATE TABLE admissions (
    charger TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE,
    key     BLOB, -- NULL: it has none, and is asked for none
    said_by TEXT    NOT NULL,
    unix_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Every word of an operator about who is let in.
CREATE TABLE admission_history (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    charger      TEXT    NOT NULL COLLATE NOCASE,
    unix_ms      INTEGER NOT NULL,
    what         TEXT    NOT NULL, -- 'admitted', 'removed', 'plain_allowed', 'forgotten'
    key          BLOB,
    said_by      TEXT    NOT NULL,
    from_outside INTEGER NOT NULL -- by another program than the proxy that holds the store
);

-- How a charger proved who it is when it last did; written when that changes.
CREATE TABLE logins (
    charger  TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE,
    form     TEXT,             -- in which form it sends its key; NULL: it sends none
    over_tls INTEGER NOT NULL, -- it came with TLS once, and is not accepted without any more
    unix_ms  INTEGER NOT NULL
) WITHOUT ROWID;

-- Chargers that asked to be let in and were not, because nobody has admitted them.
CREATE TABLE knocks (
    charger          TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE,
    address          TEXT    NOT NULL, -- the last
    first_unix_ms    INTEGER NOT NULL,
    last_unix_ms     INTEGER NOT NULL,
    times            INTEGER NOT NULL,
    sent_credentials INTEGER NOT NULL
) WITHOUT ROWID;
