-- +goose Up
-- Further child SAs of a branch, each with networks and proposals of its own.
CREATE TABLE children (
    id            INTEGER PRIMARY KEY,
    position      INTEGER NOT NULL,
    name          TEXT NOT NULL UNIQUE,
    enabled       INTEGER NOT NULL,
    branch        TEXT NOT NULL REFERENCES branches (name) DEFERRABLE INITIALLY DEFERRED,
    protocol      TEXT NOT NULL,
    mode          TEXT NOT NULL,
    rekey_seconds INTEGER NOT NULL,
    note          TEXT NOT NULL
) STRICT;
CREATE INDEX children_branch ON children (branch);
CREATE TABLE children_values (
    owner    INTEGER NOT NULL REFERENCES children (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('local_networks', 'remote_networks', 'proposals')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
