-- The sentence of an event in parts, so that it can be said in another language: its English template, and its arguments as
-- JSON. `text` stays the whole English sentence. NULL: somebody else's words, or an event of a version before this one.
ALTER TABLE events ADD COLUMN template TEXT;
ALTER TABLE events ADD COLUMN args TEXT;
