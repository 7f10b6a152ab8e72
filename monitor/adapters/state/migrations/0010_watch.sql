-- What the watchdog remembers: its picture of each service, incidents, its own restarts, and probe results by slices.
CREATE TABLE watches (
    service TEXT PRIMARY KEY,
    data TEXT NOT NULL
);

CREATE TABLE incidents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    service TEXT NOT NULL,
    kind TEXT NOT NULL,
    cause TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    started_at REAL NOT NULL,
    ended_at REAL
);
CREATE UNIQUE INDEX one_open_incident ON incidents (service) WHERE ended_at IS NULL;
CREATE INDEX incidents_by_time ON incidents (started_at);

CREATE TABLE incident_acts (
    incident INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    at REAL NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (incident, seq)
);

CREATE TABLE restarts (
    service TEXT NOT NULL,
    reason TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE INDEX restarts_by_time ON restarts (at);

CREATE TABLE watch_cursors (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
);

CREATE TABLE probe_buckets (
    service TEXT NOT NULL,
    at REAL NOT NULL,
    probes INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    seconds REAL NOT NULL,          -- sum over the probes that were answered
    PRIMARY KEY (service, at)
) WITHOUT ROWID;
CREATE INDEX probe_buckets_by_time ON probe_buckets (at);
