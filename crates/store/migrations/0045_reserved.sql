-- What NPM's and Amarre's own containers had when they were observed last, by engine: no manifest gets it while they are
-- away.
CREATE TABLE reserved (
    provider TEXT PRIMARY KEY,
    content  TEXT NOT NULL
) STRICT;
