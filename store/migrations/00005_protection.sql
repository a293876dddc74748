-- +goose Up
-- Guards of the internet side: switches that take one away, and numbers of
-- which 0 is the usual one.
CREATE TABLE protection (
    id             INTEGER PRIMARY KEY,
    position       INTEGER NOT NULL CHECK (position = 0),
    bogons_off     INTEGER NOT NULL DEFAULT 0,
    ping4          INTEGER NOT NULL DEFAULT 0,
    ping6_off      INTEGER NOT NULL DEFAULT 0,
    limits_off     INTEGER NOT NULL DEFAULT 0,
    new_per_second INTEGER NOT NULL DEFAULT 0,
    new_burst      INTEGER NOT NULL DEFAULT 0,
    open           INTEGER NOT NULL DEFAULT 0,
    syn_proxy_off  INTEGER NOT NULL DEFAULT 0,
    bans_off       INTEGER NOT NULL DEFAULT 0,
    ban_after      INTEGER NOT NULL DEFAULT 0,
    ban_minutes    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE protection_values (
    owner    INTEGER NOT NULL REFERENCES protection (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('bogon_exceptions', 'never_banned')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
INSERT INTO protection (id, position) VALUES (1, 0);

ALTER TABLE interfaces ADD COLUMN reverse_path TEXT NOT NULL DEFAULT '';

-- Sources that are refused for a while, also those whose time is over: the next
-- ban of one of them is longer.
CREATE TABLE bans (
    source TEXT PRIMARY KEY, -- a network
    reason TEXT NOT NULL,
    since  INTEGER NOT NULL, -- Unix milliseconds
    until  INTEGER NOT NULL,
    times  INTEGER NOT NULL  -- how often it was banned by itself
) STRICT, WITHOUT ROWID;
