-- Since when nothing leads to an old generation of a container any more. Lost: it drains once more.
CREATE TABLE repointed (address TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;

-- How long a container was away in an update that stopped the old one first; newest last.
CREATE TABLE downtimes (
    id         INTEGER PRIMARY KEY,
    base       TEXT NOT NULL,
    stopped_ms INTEGER NOT NULL,
    -- NULL while the new one is not ready yet.
    ready_ms   INTEGER
) STRICT;
CREATE INDEX downtimes_base ON downtimes (base, id);
