-- What was refused stands in the audit too: one row for what is the same in an hour, with how often it was and when last.
ALTER TABLE audit ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
-- null: once.
ALTER TABLE audit ADD COLUMN until_ms INTEGER;
CREATE INDEX audit_refused ON audit (refused, id);
