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
