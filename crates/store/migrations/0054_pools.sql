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
