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
