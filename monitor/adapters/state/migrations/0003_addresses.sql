-- Where a slot's or a release's container is reached: its own address, or loopback, where its port is published; and the
-- address of this host's own on the container's network.
ALTER TABLE slots ADD COLUMN address TEXT NOT NULL DEFAULT '127.0.0.1';
ALTER TABLE slots ADD COLUMN via TEXT NOT NULL DEFAULT '';
ALTER TABLE releases ADD COLUMN address TEXT NOT NULL DEFAULT '127.0.0.1';
