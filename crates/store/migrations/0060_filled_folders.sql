-- Whether anything was ever seen in a folder: one that is empty now has lost it.
ALTER TABLE written_folders ADD COLUMN is_filled INTEGER NOT NULL DEFAULT 0;
