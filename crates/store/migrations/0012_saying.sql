-- What is kept for people of the generation of a container that failed last, one for each container.
-- log: a JSON list of lines, secrets already hidden; log_note: why there is none.
CREATE TABLE last_failures (
    container  TEXT PRIMARY KEY,
    service    TEXT NOT NULL,
    generation TEXT NOT NULL,
    vendor_id  TEXT NOT NULL,
    image      TEXT NOT NULL,
    why        TEXT NOT NULL,
    exit_code  INTEGER,
    restarts   INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    first_ms   INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    log        TEXT NOT NULL,
    log_note   TEXT NOT NULL
) STRICT;

-- The manifests with which all containers of a service were well, by the generations that they made.
CREATE TABLE good_manifests (
    service     TEXT NOT NULL,
    generations TEXT NOT NULL,
    file        TEXT NOT NULL,
    text        TEXT NOT NULL,
    revision    TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (service, generations)
) STRICT;
CREATE TABLE good_assets (
    service     TEXT NOT NULL,
    generations TEXT NOT NULL,
    path        TEXT NOT NULL,
    content     TEXT NOT NULL,
    executable  INTEGER NOT NULL,
    PRIMARY KEY (service, generations, path)
) STRICT;

-- Services whose containers were put back: to which of the above, and from which manifest (a digest). done: they are there.
CREATE TABLE rollbacks (
    service     TEXT PRIMARY KEY,
    generations TEXT NOT NULL,
    manifest    TEXT NOT NULL,
    done        INTEGER NOT NULL
) STRICT;
