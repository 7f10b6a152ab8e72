-- Deploys, their write-ahead journal, the releases they made, and the proxy's two slots per service.
CREATE TABLE deploys (
    id TEXT PRIMARY KEY,
    service TEXT NOT NULL,
    kind TEXT NOT NULL,              -- deploy | rollback | recreate
    image TEXT NOT NULL,
    version TEXT NOT NULL,
    who TEXT NOT NULL,
    started_at REAL NOT NULL,
    finished_at REAL,
    result TEXT,                     -- NULL while under way; deployed | failed | aborted | switched-back
    reason TEXT NOT NULL DEFAULT '',
    timings TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX deploys_by_service ON deploys (service, started_at);

CREATE TABLE journal (
    deploy TEXT NOT NULL REFERENCES deploys (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    step TEXT NOT NULL,
    data TEXT NOT NULL DEFAULT '{}',
    at REAL NOT NULL,
    PRIMARY KEY (deploy, seq)
);

CREATE TABLE releases (
    deploy TEXT PRIMARY KEY REFERENCES deploys (id),
    service TEXT NOT NULL,
    color TEXT NOT NULL,
    version TEXT NOT NULL,
    image TEXT NOT NULL,             -- as asked for
    digest TEXT NOT NULL,            -- what runs: repository@sha256:..., or an image id
    image_id TEXT NOT NULL,
    port INTEGER,
    container TEXT NOT NULL,
    spec TEXT NOT NULL,
    at REAL NOT NULL,
    active INTEGER NOT NULL
);
CREATE UNIQUE INDEX one_active_release ON releases (service) WHERE active = 1;
CREATE INDEX releases_by_service ON releases (service, at);

CREATE TABLE slots (
    service TEXT NOT NULL,
    color TEXT NOT NULL,
    port INTEGER NOT NULL,
    version TEXT NOT NULL,
    state TEXT NOT NULL,
    weight INTEGER NOT NULL,
    PRIMARY KEY (service, color)
);

CREATE TABLE service_flags (
    service TEXT PRIMARY KEY,
    maintenance INTEGER NOT NULL DEFAULT 0,
    stopped_by TEXT NOT NULL DEFAULT '',   -- who asked for a stop; empty while it is to run
    stopped_at REAL
);
