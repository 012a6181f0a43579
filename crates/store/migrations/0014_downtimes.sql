-- Nothing was ever written to the table of before; whose container it was, and which one went, were not in it.
DROP TABLE downtimes;

-- How long a container was away in an update that stopped the old one first; the newest last.
CREATE TABLE downtimes (
    id         INTEGER PRIMARY KEY,
    base       TEXT NOT NULL,
    service    TEXT NOT NULL,
    -- The engine's id of the one that went: while it is there and runs, nothing has gone.
    vendor_id  TEXT NOT NULL,
    stopped_ms INTEGER NOT NULL,
    -- NULL while the new one is not ready yet.
    ready_ms   INTEGER
) STRICT;
CREATE INDEX downtimes_base ON downtimes (base, id);
-- A container is away once at a time.
CREATE UNIQUE INDEX downtimes_open ON downtimes (base) WHERE ready_ms IS NULL;
