-- What was told to whom, so that it is told once, and told again when it is over.
CREATE TABLE told (
    channel TEXT NOT NULL,
    trouble TEXT NOT NULL,
    code    TEXT NOT NULL,
    text    TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (channel, trouble)
) STRICT, WITHOUT ROWID;
