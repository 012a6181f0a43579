-- Why a service is suspended, in parts, as with events (0049). NULL: a person's own words, or a version before this one.
ALTER TABLE suspensions ADD COLUMN template TEXT;
ALTER TABLE suspensions ADD COLUMN args TEXT;
