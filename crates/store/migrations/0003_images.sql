-- Images that were not on an engine before we pulled them: ours to clean up when nothing uses them.
CREATE TABLE pulled (
    provider  TEXT NOT NULL,
    id        TEXT NOT NULL,
    reference TEXT NOT NULL,
    service   TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    PRIMARY KEY (provider, id, reference)
) STRICT;
