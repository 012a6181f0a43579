-- Files of the source beside the manifests: what the last good ones read, and what containers had copied in.

-- By content: 64 hex digits of SHA-256.
CREATE TABLE contents (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;

-- What the last good text of a manifest reads: Compose files, .env files, what is delivered.
CREATE TABLE assets (
    service    TEXT NOT NULL,
    path       TEXT NOT NULL,
    content    TEXT NOT NULL,
    executable INTEGER NOT NULL,
    PRIMARY KEY (service, path)
) STRICT;

-- What generations name by digest; the path of a single file is empty.
CREATE TABLE bundles (
    digest     TEXT NOT NULL,
    path       TEXT NOT NULL,
    content    TEXT NOT NULL,
    executable INTEGER NOT NULL,
    PRIMARY KEY (digest, path)
) STRICT;
