-- A suspension may have an end: NULL = until somebody resumes it.
ALTER TABLE suspensions ADD COLUMN until_ms INTEGER;
