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
