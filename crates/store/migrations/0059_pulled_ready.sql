-- Whether a container of ours was ever ready with a pulled image: 1 it was, 0 all that were tried failed, NULL not known
-- yet. Of those from before it is not known, and they count as versions to go back to.
ALTER TABLE pulled ADD COLUMN ready INTEGER;
UPDATE pulled SET ready = 1;
