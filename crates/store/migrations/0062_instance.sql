-- The name under which this ledger's resources are marked. A ledger without a row takes the one of its first start.
CREATE TABLE instance (name TEXT NOT NULL);
