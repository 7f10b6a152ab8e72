-- Until when the planned runs of each job have been dealt with.
CREATE TABLE job_cursors (
    job TEXT PRIMARY KEY,
    handled REAL NOT NULL                -- unix seconds
) WITHOUT ROWID;
