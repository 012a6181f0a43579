-- What was sent to a vendor about an instance and what it answered (kind: request), and how its status changed (kind: status).
CREATE TABLE instance_log (
    id      INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    text    TEXT NOT NULL
) STRICT;
CREATE INDEX instance_log_address ON instance_log (address, id);
