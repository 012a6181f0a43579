-- The ledger: what is ours, what was last applied, what is under way. Losing it costs a retry, never a thing.

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

-- What we wrote last, and so own. fields: JSON, secrets as marks.
CREATE TABLE applied (
    address   TEXT PRIMARY KEY,
    service   TEXT NOT NULL,
    vendor_id TEXT NOT NULL,
    fields    TEXT NOT NULL,
    run       INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL
) STRICT;

CREATE TABLE leases (network TEXT PRIMARY KEY, subnet TEXT NOT NULL) STRICT;
CREATE TABLE refused_subnets (subnet TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;

-- Calls that left. outcome: NULL while unknown, else ok or the error's text.
CREATE TABLE intents (
    id      INTEGER PRIMARY KEY,
    run     INTEGER NOT NULL,
    address TEXT NOT NULL,
    service TEXT NOT NULL,
    action  TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    done_ms INTEGER,
    outcome TEXT
) STRICT;
CREATE INDEX intents_open ON intents (address) WHERE done_ms IS NULL;

-- Generations that failed (inputs: digest with marks) and the last good ones.
CREATE TABLE failed (address TEXT PRIMARY KEY, inputs TEXT NOT NULL, why TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE last_good (base TEXT PRIMARY KEY, generation TEXT NOT NULL, fields TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;

-- The last good text of each manifest.
CREATE TABLE manifests (service TEXT PRIMARY KEY, file TEXT NOT NULL, text TEXT NOT NULL) STRICT;

-- Services that were in sync once: what changes later is a change, not something new.
CREATE TABLE converged (service TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;

CREATE TABLE suspensions (
    service TEXT PRIMARY KEY,
    by_whom TEXT NOT NULL,
    why     TEXT NOT NULL,
    destroy INTEGER NOT NULL,
    purge   INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL
) STRICT;

-- Scopes (zones) with changes that nobody sees before they are published.
CREATE TABLE unpublished (provider TEXT NOT NULL, scope TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (provider, scope)) STRICT;

CREATE TABLE runs (
    id         INTEGER PRIMARY KEY,
    started_ms INTEGER NOT NULL,
    ended_ms   INTEGER,
    revision   TEXT NOT NULL,
    result     TEXT,
    writes     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE events (
    id      INTEGER PRIMARY KEY,
    at_ms   INTEGER NOT NULL,
    run     INTEGER NOT NULL,
    service TEXT NOT NULL,
    address TEXT,
    kind    TEXT NOT NULL,
    text    TEXT NOT NULL
) STRICT;
CREATE INDEX events_service ON events (service, id);
