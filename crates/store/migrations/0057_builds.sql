-- What builds of images did and printed, those of apps and of services with `build`: by service and image, the newest of each.
CREATE TABLE builds (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    service  TEXT NOT NULL,
    image    TEXT NOT NULL,
    run      INTEGER NOT NULL,
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    document TEXT
) STRICT;
CREATE INDEX builds_by_service ON builds (service, id);
INSERT INTO builds (service, image, run, began_ms, ended_ms, document)
    SELECT app, json_extract(document, '$.image'), 0, coalesce(json_extract(document, '$.build_began'), 0),
           coalesce(json_extract(document, '$.build_ended'), 0),
           json_object('steps', json_array(json_object('name', '', 'lines', json_array(log), 'ended', 0)))
    FROM deployments WHERE log IS NOT NULL AND json_extract(document, '$.image') IS NOT NULL ORDER BY id;
ALTER TABLE deployments DROP COLUMN log;

-- The digests of the images that services are built from: those of the first build, or those that a person has moved on to.
CREATE TABLE fixed_bases (
    service TEXT NOT NULL,
    image   TEXT NOT NULL,
    digest  TEXT NOT NULL,
    moved   INTEGER NOT NULL,
    PRIMARY KEY (service, image)
) STRICT;

-- What registries said that they have under the names of such images: a digest, or why that is not known.
CREATE TABLE base_answers (
    provider TEXT NOT NULL,
    image    TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    digest   TEXT,
    error    TEXT,
    PRIMARY KEY (provider, image)
) STRICT;
