-- What is known of the power of servers that manifests manage, by address: facts is JSON.
CREATE TABLE power (
    address TEXT PRIMARY KEY,
    facts   TEXT NOT NULL
) STRICT;
