-- What was ours and was given out of hand: its mark is taken off, and nothing of it is touched from then on.
CREATE TABLE released (
    address   TEXT PRIMARY KEY,
    vendor_id TEXT NOT NULL,
    by_whom   TEXT NOT NULL,
    at_ms     INTEGER NOT NULL
) STRICT;
