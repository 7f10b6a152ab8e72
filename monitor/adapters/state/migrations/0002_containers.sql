-- Every container that bgmon made, by id. What an earlier version recorded of its releases is taken over.
CREATE TABLE containers (
    token TEXT PRIMARY KEY,          -- random, written before the container is made and put on it as a label
    role TEXT NOT NULL,              -- app | proxy | proxy-previous | proxy-check
    service TEXT NOT NULL DEFAULT '',
    deploy TEXT NOT NULL DEFAULT '',
    at REAL NOT NULL,
    id TEXT UNIQUE                   -- NULL until the engine has said it
);
CREATE INDEX containers_by_deploy ON containers (deploy);
INSERT INTO containers (token, role, service, deploy, at, id)
    SELECT 'release:' || container, 'app', service, deploy, max(at), container FROM releases
    WHERE container != '' GROUP BY container;

-- A row as soon as a proxy was put on record: from then on none is taken over by its name.
CREATE TABLE proxy_recorded (at REAL NOT NULL);
