-- What machines ask by HTTP with. Of the token itself only a digest is kept.
CREATE TABLE tokens (
    name       TEXT PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL,
    -- Names of services, with commas between them; null: not limited to some.
    services   TEXT,
    -- Whose it is: it may no more than that one, and goes with that account; null: nobody's.
    email      TEXT REFERENCES users (email) ON DELETE CASCADE,
    created_ms INTEGER NOT NULL,
    -- null: does not end by itself.
    expires_ms INTEGER,
    used_ms    INTEGER
) STRICT;
CREATE INDEX tokens_email ON tokens (email);
