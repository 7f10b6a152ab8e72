-- Open alerts, notes that wait for their message, silences, the outbox, and totals that never fall.
CREATE TABLE alerts (
    kind TEXT NOT NULL,
    service TEXT NOT NULL,               -- empty for the host's own
    condition TEXT NOT NULL,             -- JSON
    state TEXT NOT NULL,                 -- waiting | firing | hidden | ending
    since REAL NOT NULL,
    moved_at REAL NOT NULL,
    told_at REAL,
    hidden_by TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (kind, service)
);

CREATE TABLE alert_notes (
    id INTEGER PRIMARY KEY,
    condition TEXT NOT NULL,
    at REAL NOT NULL
);

CREATE TABLE alerts_ended (
    id INTEGER PRIMARY KEY,
    condition TEXT NOT NULL,
    since REAL NOT NULL,
    told_at REAL NOT NULL,
    ended_at REAL NOT NULL,
    note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX alerts_ended_by_time ON alerts_ended (ended_at);

CREATE TABLE silences (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pattern TEXT NOT NULL,
    until REAL NOT NULL,
    reason TEXT NOT NULL,
    by TEXT NOT NULL,
    created_at REAL NOT NULL
);

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,               -- scheme:hash; the URL is a secret and stands nowhere here
    key TEXT NOT NULL,
    message TEXT NOT NULL,               -- JSON
    created_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, -- tries begun
    next_at REAL NOT NULL,
    under_way INTEGER NOT NULL DEFAULT 0,
    unsure INTEGER NOT NULL DEFAULT 0,   -- an earlier try may have arrived
    done_at REAL,
    result TEXT,                         -- delivered | dropped
    error TEXT NOT NULL DEFAULT '',
    UNIQUE (channel, key)
);
CREATE INDEX outbox_waiting ON outbox (channel, id) WHERE done_at IS NULL;

CREATE TABLE totals (
    metric TEXT NOT NULL,
    labels TEXT NOT NULL,                -- JSON array of label values, in the metric's order
    value REAL NOT NULL,
    PRIMARY KEY (metric, labels)
);
