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
    at_ms   INTEGER NOT NULL,
    -- NULL: until a person resumes it.
    until_ms INTEGER,
    -- The reason in parts, as of events. NULL: a person's own words.
    template TEXT,
    args     TEXT
) STRICT;

-- Scopes (zones) whose changes are invisible until they are published.
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
    text    TEXT NOT NULL,
    -- Why a change was made, as plans say it: `drift`, `manifest_changed`, …; NULL for what is no change.
    reason  TEXT,
    -- The sentence in parts, so that it can be said in another language: its English template, and its arguments as JSON. `text`
    -- is the whole English sentence. NULL: the words of a vendor or a person.
    template TEXT,
    args     TEXT
) STRICT;
CREATE INDEX events_at ON events (at_ms);
CREATE INDEX events_service ON events (service, id);

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

-- Images that were not on an engine before we pulled them: ours to clean up when nothing uses them.
CREATE TABLE pulled (
    provider  TEXT NOT NULL,
    id        TEXT NOT NULL,
    reference TEXT NOT NULL,
    service   TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    -- Whether a container of ours was ever ready with it: 1 it was, 0 all that were tried failed, NULL not known yet.
    ready     INTEGER,
    PRIMARY KEY (provider, id, reference)
) STRICT;

-- Ports of a host that are published for an NPM elsewhere, by container without its generation.
CREATE TABLE port_leases (container TEXT NOT NULL, port INTEGER NOT NULL, PRIMARY KEY (container, port)) STRICT;
-- Ports on which another program listens; provider: the host's engine.
CREATE TABLE refused_ports (provider TEXT NOT NULL, port INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (provider, port)) STRICT;

-- Since when nothing leads to an old generation of a container any more. Lost: it drains once more.
CREATE TABLE repointed (address TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;


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

-- What was written and whether it stayed: one row for each field that was changed in place; an empty field stands for
-- the thing itself, made or removed. writes: times of the latest writes, JSON. since: left alone since then.
CREATE TABLE flaps (
    address  TEXT NOT NULL,
    field    TEXT NOT NULL,
    service  TEXT NOT NULL,
    wanted   TEXT NOT NULL,
    revision TEXT NOT NULL,
    writes   TEXT NOT NULL,
    unseen   INTEGER NOT NULL,
    since_ms INTEGER,
    calm_ms  INTEGER,
    PRIMARY KEY (address, field)
) STRICT;

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

-- Certificates that were asked for: Let's Encrypt gives only so many.
CREATE TABLE orders (
    intent  INTEGER PRIMARY KEY,
    -- Of the certificate: its NPM and its names.
    address TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    -- `issued`, `failed`: a validation did not succeed; `nothing`: Let's Encrypt was not asked. NULL while that is not known.
    outcome TEXT,
    -- Until when Let's Encrypt said that it issues none, and whether a person has asked for another try since.
    until_ms INTEGER,
    forgiven INTEGER NOT NULL DEFAULT 0,
    -- With which code an order ended that did not get as far as Let's Encrypt.
    code     TEXT
) STRICT;
CREATE INDEX orders_at ON orders (at_ms);

-- What was ours and was given out of hand: its mark is taken off, and nothing of it is touched from then on.
CREATE TABLE released (
    address   TEXT PRIMARY KEY,
    vendor_id TEXT NOT NULL,
    by_whom   TEXT NOT NULL,
    at_ms     INTEGER NOT NULL
) STRICT;

-- Who may do what by HTTP. Of passwords and of what opens a session only digests are kept.
CREATE TABLE users (
    email      TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    password   TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    digest     TEXT PRIMARY KEY,
    email      TEXT NOT NULL REFERENCES users (email) ON DELETE CASCADE,
    csrf       TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    seen_ms    INTEGER NOT NULL,
    flash      TEXT
) STRICT;
CREATE INDEX sessions_email ON sessions (email);

-- What people did by HTTP, and who tried to sign in.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at_ms   INTEGER NOT NULL,
    who     TEXT NOT NULL,
    address TEXT NOT NULL,
    action  TEXT NOT NULL,
    target  TEXT NOT NULL,
    result  TEXT NOT NULL,
    -- Whether it was refused: one row for what is the same in an hour, with how often it was and when last (NULL: once).
    refused  INTEGER NOT NULL DEFAULT 0,
    count    INTEGER NOT NULL DEFAULT 1,
    until_ms INTEGER
) STRICT;
CREATE INDEX audit_at ON audit (at_ms);
CREATE INDEX audit_refused ON audit (refused, id);

-- What machines ask by HTTP with. Of the token itself only a digest is kept.
CREATE TABLE tokens (
    name       TEXT PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL,
    -- Names of services, with commas between them; null: not limited to some.
    services   TEXT,
    -- The account of a personal token: it has no more rights than that account, and is deleted with it; null: of no account.
    email      TEXT REFERENCES users (email) ON DELETE CASCADE,
    created_ms INTEGER NOT NULL,
    -- null: does not end by itself.
    expires_ms INTEGER,
    used_ms    INTEGER
) STRICT;
CREATE INDEX tokens_email ON tokens (email);

-- What was told to whom, so that it is told once, and told again when it is over.
CREATE TABLE told (
    channel TEXT NOT NULL,
    trouble TEXT NOT NULL,
    code    TEXT NOT NULL,
    text    TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (channel, trouble)
) STRICT, WITHOUT ROWID;

-- Wrong passwords: kept, so that a restart forgives none.
CREATE TABLE guesses (
    -- A digest of what was typed as the e-mail address: it may be something else, such as a password. Empty: of an
    -- address, whichever accounts were tried.
    account TEXT NOT NULL,
    -- From where: an address, a device that is known; empty: from wherever.
    source  TEXT NOT NULL,
    count   INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (account, source)
) STRICT;
CREATE INDEX guesses_last ON guesses (last_ms);

-- Browsers in which a user has signed in: they open nothing, their wrong passwords are counted on their own.
CREATE TABLE devices (
    digest  TEXT PRIMARY KEY,
    email   TEXT NOT NULL REFERENCES users (email) ON DELETE CASCADE,
    used_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX devices_email ON devices (email, used_ms);

-- Services whose manifest is gone. Once their containers are gone too (`is_over`), one with such a name is another service:
-- it gets nothing of what the first one has left unless its manifest says so.
CREATE TABLE retired (
    service TEXT PRIMARY KEY,
    at_ms   INTEGER NOT NULL,
    is_over INTEGER NOT NULL
) STRICT;

-- Folders of hosts that a container of ours could ever write to: below them a link may have been put anywhere.
CREATE TABLE written_folders (
    provider TEXT NOT NULL,
    path     TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    -- Whether anything was ever seen in it: one that is empty now has lost it.
    is_filled INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (provider, path)
) STRICT;

-- What NPM's and Amarre's own containers had when they were observed last, by engine: no manifest gets it while they are
-- away.
CREATE TABLE reserved (
    provider TEXT PRIMARY KEY,
    content  TEXT NOT NULL
) STRICT;

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

-- What is known of the power of servers that manifests manage, by address: facts is JSON.
CREATE TABLE power (
    address TEXT PRIMARY KEY,
    facts   TEXT NOT NULL
) STRICT;

-- What was sent to a vendor about an instance and what it answered (kind: request), and how its status changed (kind: status).
CREATE TABLE instance_log (
    id      INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    text    TEXT NOT NULL
) STRICT;
CREATE INDEX instance_log_address ON instance_log (address, id);

-- What timetables saved, by server and day (UTC, counted from 1 January 1970): amount in 10⁻⁸ of the currency, and how long the
-- server was off or shelved. A server whose timetable was in force has a row for that day, also with 0.
CREATE TABLE savings (
    address  TEXT NOT NULL,
    day      INTEGER NOT NULL,
    currency TEXT NOT NULL,
    amount   INTEGER NOT NULL,
    off_ms   INTEGER NOT NULL,
    PRIMARY KEY (day, address, currency)
) STRICT, WITHOUT ROWID;

-- Who has which machines of a pool until when. Numbers are never used again, for accounts on machines go by them.
CREATE TABLE reservations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pool TEXT NOT NULL,
    user TEXT NOT NULL,
    document TEXT NOT NULL,
    -- How the user signs in: a crypt hash and a public key, a line each. Empty once it is over.
    sign_in TEXT NOT NULL,
    -- NULL: it is not over.
    ended_ms INTEGER
);
CREATE INDEX reservations_by_end ON reservations (ended_ms);

-- What is known of machines: trusted host keys, who took one out of service, how one was reached that is in no manifest any more.
CREATE TABLE pool_machines (
    pool TEXT NOT NULL,
    name TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (pool, name)
);

-- What was deployed of each app: a row for each image that a commit, or a rollback, led to.
CREATE TABLE deployments (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    app      TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX deployments_by_app ON deployments (app, id);

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

-- The name under which this ledger's resources are marked. A ledger without a row takes the one of its first start.
CREATE TABLE instance (name TEXT NOT NULL);
