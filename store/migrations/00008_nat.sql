-- +goose Up
-- Networks outside that stand for networks inside, and lists with what follows
-- an interface's prefix.
ALTER TABLE nat ADD COLUMN network TEXT NOT NULL DEFAULT '';
CREATE TABLE lists_values (
    owner    INTEGER NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('following')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
