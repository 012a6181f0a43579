-- What was deployed of each app: a row for each image that a commit, or a rollback, led to. `log` is what its build printed.
CREATE TABLE deployments (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    app      TEXT NOT NULL,
    document TEXT NOT NULL,
    log      TEXT
) STRICT;
CREATE INDEX deployments_by_app ON deployments (app, id);
