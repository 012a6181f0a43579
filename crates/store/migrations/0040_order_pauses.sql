-- Until when Let's Encrypt said that it issues none, and whether a person has asked for another try since.
ALTER TABLE orders ADD COLUMN until_ms INTEGER;
ALTER TABLE orders ADD COLUMN forgiven INTEGER NOT NULL DEFAULT 0;
