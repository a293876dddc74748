-- +goose Up
-- Sensitivity labels, and policies for users, groups and labels.
CREATE TABLE labels (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    enabled  INTEGER NOT NULL,
    note     TEXT NOT NULL
) STRICT;
CREATE TABLE labels_values (
    owner    INTEGER NOT NULL REFERENCES labels (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('networks', 'algorithms')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE labels_services (
    owner    INTEGER NOT NULL REFERENCES labels (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('services')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES services (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX labels_services_value ON labels_services (value);

CREATE TABLE policies_labels (
    owner    INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('labels')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES labels (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX policies_labels_value ON policies_labels (value);
CREATE TABLE policies_users (
    owner    INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('source_users', 'destination_users')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES users (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX policies_users_value ON policies_users (value);
CREATE TABLE policies_groups (
    owner    INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('source_groups', 'destination_groups')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES groups (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX policies_groups_value ON policies_groups (value);
