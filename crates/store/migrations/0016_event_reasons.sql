-- Why a change was made, as plans say it: `drift`, `manifest_changed`, …; NULL for what is no change.
ALTER TABLE events ADD COLUMN reason TEXT;
CREATE INDEX events_at ON events (at_ms);
