-- Certificates that were asked for: Let's Encrypt gives only so many.
CREATE TABLE orders (
    intent  INTEGER PRIMARY KEY,
    -- Of the certificate: its NPM and its names.
    address TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    -- `issued`, `failed`: a validation did not succeed; `nothing`: Let's Encrypt was not asked. NULL while that is not known.
    outcome TEXT
) STRICT;
CREATE INDEX orders_at ON orders (at_ms);
