-- By what it is seen that keys in this file were sealed with another secret than the one that lies beside it.
CREATE TABLE seal (
    mac          BLOB    NOT NULL, -- of nothing in particular, made with the secret
    lost_unix_ms INTEGER           -- since when another secret lies there; NULL: it is the same
);
