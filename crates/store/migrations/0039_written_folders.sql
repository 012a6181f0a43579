-- Folders of hosts that a container of ours could ever write to: below them a link may have been put anywhere.
CREATE TABLE written_folders (
    provider TEXT NOT NULL,
    path     TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (provider, path)
) STRICT;
