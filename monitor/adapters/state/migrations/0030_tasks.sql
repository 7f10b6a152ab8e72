-- Commands that ran in a container of their own: release commands, jobs, and what a person ran once.
CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    service TEXT NOT NULL,
    version TEXT NOT NULL,
    command TEXT NOT NULL,               -- JSON
    who TEXT NOT NULL,
    started_at REAL NOT NULL,
    deploy TEXT NOT NULL DEFAULT '',
    finished_at REAL,
    result TEXT,
    exit_code INTEGER,
    output TEXT NOT NULL DEFAULT ''      -- the last lines, secrets masked
);
CREATE INDEX tasks_by_name ON tasks (service, name, started_at);
