-- +goose Up
-- The whole language of the policy: schedules, messages of services, zones
-- behind tunnels, and what rules can say of packets, times, limits and people.
ALTER TABLE settings ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';

CREATE TABLE schedules (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    "from"   TEXT NOT NULL,
    "to"     TEXT NOT NULL,
    note     TEXT NOT NULL
) STRICT;
CREATE TABLE schedules_values (
    owner    INTEGER NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('days')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;

ALTER TABLE services_values RENAME TO old_values;
CREATE TABLE services_values (
    owner    INTEGER NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('ports', 'messages')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
INSERT INTO services_values SELECT owner, kind, position, value FROM old_values;
DROP TABLE old_values;

CREATE TABLE zones_branches (
    owner    INTEGER NOT NULL REFERENCES zones (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('branches')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES branches (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX zones_branches_value ON zones_branches (value);
CREATE TABLE zones_groups (
    owner    INTEGER NOT NULL REFERENCES zones (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('groups')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES groups (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX zones_groups_value ON zones_groups (value);

ALTER TABLE rules ADD COLUMN limit_rate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rules ADD COLUMN limit_per TEXT NOT NULL DEFAULT '';
ALTER TABLE rules ADD COLUMN limit_burst INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rules ADD COLUMN limit_open INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rules ADD COLUMN limit_per_source INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rules_values RENAME TO old_values;
CREATE TABLE rules_values (
    owner    INTEGER NOT NULL REFERENCES rules (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('sources', 'destinations', 'ports', 'source_macs', 'dscp')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
INSERT INTO rules_values SELECT owner, kind, position, value FROM old_values;
DROP TABLE old_values;
CREATE TABLE rules_schedules (
    owner    INTEGER NOT NULL REFERENCES rules (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('schedules')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES schedules (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX rules_schedules_value ON rules_schedules (value);
CREATE TABLE rules_users (
    owner    INTEGER NOT NULL REFERENCES rules (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('source_users', 'destination_users')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES users (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX rules_users_value ON rules_users (value);
CREATE TABLE rules_groups (
    owner    INTEGER NOT NULL REFERENCES rules (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('source_groups', 'destination_groups')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES groups (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX rules_groups_value ON rules_groups (value);
CREATE TABLE rules_branches (
    owner    INTEGER NOT NULL REFERENCES rules (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('source_branches', 'destination_branches')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES branches (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX rules_branches_value ON rules_branches (value);

-- Counts the changes of what acts at once, for who follows them.
CREATE TABLE people (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO people (id, version) VALUES (1, 1);
-- How often a revision followed a new name of somebody whom it names.
ALTER TABLE revisions ADD COLUMN renamed INTEGER NOT NULL DEFAULT 0;
