-- Services whose manifest is gone. Once their containers are gone too (`is_over`), one with such a name is another service:
-- it gets nothing of what the first one has left unless its manifest says so.
CREATE TABLE retired (
    service TEXT PRIMARY KEY,
    at_ms   INTEGER NOT NULL,
    is_over INTEGER NOT NULL
) STRICT;
