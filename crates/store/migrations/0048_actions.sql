-- What people asked of resources, and what changes none of their fields. before: a value that is another one once it has
-- happened. outcome: NULL while unknown, else ok, unknown or the error's text.
CREATE TABLE actions (
    id        INTEGER PRIMARY KEY,
    run       INTEGER NOT NULL,
    address   TEXT NOT NULL,
    service   TEXT NOT NULL,
    word      TEXT NOT NULL,
    vendor_id TEXT NOT NULL,
    before    TEXT NOT NULL,
    by_whom   TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    limit_ms  INTEGER NOT NULL,
    done_ms   INTEGER,
    outcome   TEXT
) STRICT;
CREATE INDEX actions_open ON actions (address) WHERE done_ms IS NULL;
