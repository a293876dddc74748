-- +goose Up
-- Lists whose content comes from elsewhere. That content is in no table: it is
-- fetched, and kept beside the database. Nor is what follows an interface's prefix.
ALTER TABLE lists ADD COLUMN refresh_minutes INTEGER NOT NULL DEFAULT 0;
CREATE TABLE lists_values (
    owner    INTEGER NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('names', 'urls', 'countries', 'following')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
