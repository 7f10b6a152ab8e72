-- Counters out of logs, and how far each source has been read: written in one transaction.
CREATE TABLE log_totals (
    service TEXT PRIMARY KEY,
    counts TEXT NOT NULL                 -- JSON
);

CREATE TABLE log_sources (
    source TEXT PRIMARY KEY,
    until REAL NOT NULL,
    warnings INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE log_cursors (
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (source, key)
) WITHOUT ROWID;
