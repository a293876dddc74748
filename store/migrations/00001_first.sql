-- +goose Up
CREATE TABLE system (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL
) STRICT;
INSERT INTO system (id, name) VALUES (1, 'gatehouse');

CREATE TABLE firewall (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    masquerade INTEGER NOT NULL
) STRICT;
INSERT INTO firewall (id, masquerade) VALUES (1, 0);

CREATE TABLE interfaces (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    device   TEXT NOT NULL UNIQUE,
    zone     TEXT NOT NULL,
    mtu      INTEGER NOT NULL
) STRICT;
CREATE TABLE interface_addresses (
    interface_id INTEGER NOT NULL REFERENCES interfaces (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL CHECK (kind IN ('address', 'gateway')),
    position     INTEGER NOT NULL,
    value        TEXT NOT NULL,
    PRIMARY KEY (interface_id, kind, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE routes (
    position    INTEGER PRIMARY KEY,
    destination TEXT NOT NULL,
    via         TEXT NOT NULL
) STRICT;

CREATE TABLE zone_defaults (
    position  INTEGER PRIMARY KEY,
    from_zone TEXT NOT NULL,
    to_zone   TEXT NOT NULL,
    action    TEXT NOT NULL,
    UNIQUE (from_zone, to_zone)
) STRICT;

CREATE TABLE rules (
    id        INTEGER PRIMARY KEY,
    position  INTEGER NOT NULL,
    name      TEXT NOT NULL UNIQUE,
    from_zone TEXT NOT NULL,
    to_zone   TEXT NOT NULL,
    protocol  TEXT NOT NULL,
    action    TEXT NOT NULL,
    log       INTEGER NOT NULL,
    note      TEXT NOT NULL
) STRICT;
CREATE TABLE rule_values (
    rule_id  INTEGER NOT NULL REFERENCES rules (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('source', 'destination', 'ports')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (rule_id, kind, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE branches (
    id            INTEGER PRIMARY KEY,
    position      INTEGER NOT NULL,
    name          TEXT NOT NULL UNIQUE,
    enabled       INTEGER NOT NULL,
    peer          TEXT NOT NULL,
    start         TEXT NOT NULL,
    local_id      TEXT NOT NULL,
    remote_id     TEXT NOT NULL,
    psk           BLOB NOT NULL, -- sealed
    rekey_seconds INTEGER NOT NULL,
    dpd_seconds   INTEGER NOT NULL,
    note          TEXT NOT NULL
) STRICT;
CREATE TABLE branch_values (
    branch_id INTEGER NOT NULL REFERENCES branches (id) ON DELETE CASCADE,
    kind      TEXT NOT NULL CHECK (kind IN ('local', 'remote', 'ike', 'esp')),
    position  INTEGER NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (branch_id, kind, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE revisions (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    state    TEXT NOT NULL CHECK (state IN ('applied', 'confirmed', 'reverted', 'superseded')),
    author   TEXT NOT NULL,
    message  TEXT NOT NULL,
    created  INTEGER NOT NULL, -- Unix milliseconds
    document TEXT NOT NULL,    -- JSON without secrets
    secrets  BLOB NOT NULL     -- sealed JSON, branch name to key
) STRICT;

CREATE TABLE admins (
    name     TEXT PRIMARY KEY,
    hash     TEXT NOT NULL,
    one_time INTEGER NOT NULL,
    changed  INTEGER NOT NULL -- Unix milliseconds
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    time     INTEGER NOT NULL, -- Unix milliseconds
    severity TEXT NOT NULL,
    kind     TEXT NOT NULL,
    subject  TEXT NOT NULL,
    message  TEXT NOT NULL
) STRICT;
