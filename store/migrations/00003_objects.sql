-- +goose Up
-- Every object an admin defines. One row for each object; its lists stand in
-- TABLE_values, lists of references in TABLE_TARGET. References are by name and
-- checked at the end of a transaction, because a changed object is written anew.
CREATE TABLE draft (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL -- grows with every change of the draft
) STRICT;
INSERT INTO draft (id, version) VALUES (1, 1);

CREATE TABLE settings (
    id          INTEGER PRIMARY KEY,
    position    INTEGER NOT NULL CHECK (position = 0),
    name        TEXT NOT NULL,
    masquerade  INTEGER NOT NULL,
    dns_enabled INTEGER NOT NULL,
    dns_domain  TEXT NOT NULL
) STRICT;
CREATE TABLE settings_values (
    owner    INTEGER NOT NULL REFERENCES settings (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('dns_upstreams')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
INSERT INTO settings (id, position, name, masquerade, dns_enabled, dns_domain)
    SELECT 1, 0, system.name, firewall.masquerade, 0, '' FROM system, firewall;
DROP TABLE system;
DROP TABLE firewall;

-- The zones that always exist have a row for the references to them.
CREATE TABLE zones (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    builtin  INTEGER NOT NULL DEFAULT 0,
    manage   INTEGER NOT NULL DEFAULT 0,
    note     TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO zones (position, name, builtin) VALUES (-4, 'wan', 1), (-3, 'lan', 1), (-2, 'vpn', 1), (-1, 'gateway', 1);

ALTER TABLE interfaces RENAME TO old_interfaces;
CREATE TABLE interfaces (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    device   TEXT NOT NULL UNIQUE,
    zone     TEXT NOT NULL REFERENCES zones (name) DEFERRABLE INITIALLY DEFERRED,
    mtu      INTEGER NOT NULL
) STRICT;
CREATE TABLE interfaces_values (
    owner    INTEGER NOT NULL REFERENCES interfaces (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('addresses', 'gateways')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
INSERT INTO interfaces SELECT id, position, name, device, zone, mtu FROM old_interfaces;
INSERT INTO interfaces_values
    SELECT interface_id, CASE kind WHEN 'address' THEN 'addresses' ELSE 'gateways' END, position, value FROM interface_addresses;
DROP TABLE interface_addresses;
DROP TABLE old_interfaces;

ALTER TABLE routes RENAME TO old_routes;
CREATE TABLE routes (
    id          INTEGER PRIMARY KEY,
    position    INTEGER NOT NULL,
    destination TEXT NOT NULL UNIQUE,
    via         TEXT NOT NULL
) STRICT;
INSERT INTO routes (position, destination, via) SELECT position, destination, via FROM old_routes;
DROP TABLE old_routes;

CREATE TABLE lists (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    note     TEXT NOT NULL
) STRICT;
-- An address is its family (4 or 6) and its bytes, so that they sort.
CREATE TABLE list_entries (
    owner INTEGER NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    first BLOB NOT NULL,
    last  BLOB NOT NULL,
    PRIMARY KEY (owner, first, last)
) STRICT, WITHOUT ROWID;

CREATE TABLE services (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    protocol TEXT NOT NULL,
    note     TEXT NOT NULL
) STRICT;
CREATE TABLE services_values (
    owner    INTEGER NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('ports')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;

ALTER TABLE zone_defaults RENAME TO old_defaults;
CREATE TABLE zone_defaults (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    "from"   TEXT NOT NULL REFERENCES zones (name) DEFERRABLE INITIALLY DEFERRED,
    "to"     TEXT NOT NULL REFERENCES zones (name) DEFERRABLE INITIALLY DEFERRED,
    action   TEXT NOT NULL,
    UNIQUE ("from", "to")
) STRICT;
INSERT INTO zone_defaults (position, "from", "to", action) SELECT position, from_zone, to_zone, action FROM old_defaults;
DROP TABLE old_defaults;

ALTER TABLE rules RENAME TO old_rules;
CREATE TABLE rules (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    "from"   TEXT NOT NULL REFERENCES zones (name) DEFERRABLE INITIALLY DEFERRED,
    "to"     TEXT NOT NULL REFERENCES zones (name) DEFERRABLE INITIALLY DEFERRED,
    disabled INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    action   TEXT NOT NULL,
    log      INTEGER NOT NULL,
    note     TEXT NOT NULL
) STRICT;
CREATE TABLE rules_values (
    owner    INTEGER NOT NULL REFERENCES rules (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('sources', 'destinations', 'ports')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE rules_lists (
    owner    INTEGER NOT NULL REFERENCES rules (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('source_lists', 'destination_lists')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES lists (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX rules_lists_value ON rules_lists (value);
CREATE TABLE rules_services (
    owner    INTEGER NOT NULL REFERENCES rules (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('services')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES services (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX rules_services_value ON rules_services (value);
INSERT INTO rules SELECT id, position, name, from_zone, to_zone, 0, protocol, action, log, note FROM old_rules;
INSERT INTO rules_values
    SELECT rule_id, CASE kind WHEN 'source' THEN 'sources' WHEN 'destination' THEN 'destinations' ELSE kind END, position, value FROM rule_values;
DROP TABLE rule_values;
DROP TABLE old_rules;

CREATE TABLE forwards (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    enabled  INTEGER NOT NULL,
    address  TEXT NOT NULL,
    protocol TEXT NOT NULL,
    ports    TEXT NOT NULL,
    "to"     TEXT NOT NULL,
    to_port  INTEGER NOT NULL,
    log      INTEGER NOT NULL,
    note     TEXT NOT NULL
) STRICT;
CREATE TABLE forwards_values (
    owner    INTEGER NOT NULL REFERENCES forwards (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('sources')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE forwards_lists (
    owner    INTEGER NOT NULL REFERENCES forwards (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('source_lists')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES lists (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX forwards_lists_value ON forwards_lists (value);

CREATE TABLE nat (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    enabled  INTEGER NOT NULL,
    action   TEXT NOT NULL,
    address  TEXT NOT NULL,
    note     TEXT NOT NULL
) STRICT;
CREATE TABLE nat_values (
    owner    INTEGER NOT NULL REFERENCES nat (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('sources', 'destinations')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;

ALTER TABLE branches ADD COLUMN partner INTEGER NOT NULL DEFAULT 0;
CREATE TABLE branches_values (
    owner    INTEGER NOT NULL REFERENCES branches (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('local_networks', 'remote_networks', 'ike_proposals', 'esp_proposals')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
INSERT INTO branches_values
    SELECT branch_id, CASE kind WHEN 'local' THEN 'local_networks' WHEN 'remote' THEN 'remote_networks'
        WHEN 'ike' THEN 'ike_proposals' ELSE 'esp_proposals' END, position, value FROM branch_values;
DROP TABLE branch_values;

CREATE TABLE manual_sas (
    id             INTEGER PRIMARY KEY,
    position       INTEGER NOT NULL,
    name           TEXT NOT NULL UNIQUE,
    enabled        INTEGER NOT NULL,
    direction      TEXT NOT NULL,
    protocol       TEXT NOT NULL,
    mode           TEXT NOT NULL,
    source         TEXT NOT NULL,
    destination    TEXT NOT NULL,
    spi            INTEGER NOT NULL,
    encryption     TEXT NOT NULL,
    encryption_key BLOB NOT NULL, -- sealed
    integrity      TEXT NOT NULL,
    integrity_key  BLOB NOT NULL, -- sealed
    replay_window  INTEGER NOT NULL,
    note           TEXT NOT NULL
) STRICT;

CREATE TABLE policies (
    id         INTEGER PRIMARY KEY,
    position   INTEGER NOT NULL,
    name       TEXT NOT NULL UNIQUE,
    enabled    INTEGER NOT NULL,
    direction  TEXT NOT NULL,
    protection TEXT NOT NULL,
    note       TEXT NOT NULL
) STRICT;
CREATE TABLE policies_values (
    owner    INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('sources', 'destinations')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE policies_services (
    owner    INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('services')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES services (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX policies_services_value ON policies_services (value);
CREATE TABLE policies_manual_sas (
    owner    INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('sas')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL REFERENCES manual_sas (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX policies_manual_sas_value ON policies_manual_sas (value);

CREATE TABLE groups (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    note     TEXT NOT NULL
) STRICT;
CREATE TABLE groups_values (
    owner    INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('pools', 'networks', 'dns', 'domains')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE dhcp (
    id            INTEGER PRIMARY KEY,
    position      INTEGER NOT NULL,
    interface     TEXT NOT NULL UNIQUE REFERENCES interfaces (name) DEFERRABLE INITIALLY DEFERRED,
    enabled       INTEGER NOT NULL,
    first         TEXT NOT NULL,
    last          TEXT NOT NULL,
    lease_seconds INTEGER NOT NULL
) STRICT;
CREATE TABLE dhcp_values (
    owner    INTEGER NOT NULL REFERENCES dhcp (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('dns')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE reservations (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    mac      TEXT NOT NULL UNIQUE,
    address  TEXT NOT NULL UNIQUE,
    note     TEXT NOT NULL
) STRICT;
CREATE TABLE hosts (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    note     TEXT NOT NULL
) STRICT;
CREATE TABLE hosts_values (
    owner    INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('addresses')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;

-- What acts at once and belongs to no draft.
CREATE TABLE users (
    id        INTEGER PRIMARY KEY,
    position  INTEGER NOT NULL,
    name      TEXT NOT NULL UNIQUE,
    full_name TEXT NOT NULL,
    mail      TEXT NOT NULL,
    "group"   TEXT REFERENCES groups (name) DEFERRABLE INITIALLY DEFERRED,
    enabled   INTEGER NOT NULL,
    expires   TEXT NOT NULL,
    password  BLOB NOT NULL, -- sealed
    note      TEXT NOT NULL
) STRICT;
CREATE INDEX users_group ON users ("group");
CREATE TABLE devices (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    user     TEXT NOT NULL REFERENCES users (name) DEFERRABLE INITIALLY DEFERRED,
    enabled  INTEGER NOT NULL,
    platform TEXT NOT NULL,
    note     TEXT NOT NULL
) STRICT;
CREATE INDEX devices_user ON devices (user);
CREATE TABLE devices_values (
    owner    INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('addresses')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE authorities (
    id          INTEGER PRIMARY KEY,
    position    INTEGER NOT NULL,
    name        TEXT NOT NULL UNIQUE,
    certificate TEXT NOT NULL,
    key         BLOB NOT NULL, -- sealed
    note        TEXT NOT NULL
) STRICT;
CREATE TABLE certificates (
    id          INTEGER PRIMARY KEY,
    position    INTEGER NOT NULL,
    name        TEXT NOT NULL UNIQUE,
    authority   TEXT REFERENCES authorities (name) DEFERRABLE INITIALLY DEFERRED,
    device      TEXT REFERENCES devices (name) DEFERRABLE INITIALLY DEFERRED,
    certificate TEXT NOT NULL,
    key         BLOB NOT NULL, -- sealed
    revoked     INTEGER NOT NULL,
    note        TEXT NOT NULL
) STRICT;
CREATE INDEX certificates_authority ON certificates (authority);
CREATE INDEX certificates_device ON certificates (device);
CREATE TABLE invites (
    id      INTEGER PRIMARY KEY,
    user    TEXT NOT NULL REFERENCES users (name) DEFERRABLE INITIALLY DEFERRED,
    token   BLOB NOT NULL UNIQUE, -- SHA-256 of the token
    created INTEGER NOT NULL,     -- Unix milliseconds
    expires INTEGER NOT NULL,
    used    INTEGER NOT NULL      -- 0: not yet
) STRICT;
CREATE INDEX invites_user ON invites (user);

-- The lists of a revision, each content once however many revisions have it.
CREATE TABLE list_contents (
    hash    BLOB PRIMARY KEY, -- SHA-256 of entries
    entries BLOB NOT NULL
) STRICT;
CREATE TABLE revision_lists (
    revision INTEGER NOT NULL REFERENCES revisions (id) ON DELETE CASCADE,
    list     TEXT NOT NULL,
    hash     BLOB NOT NULL REFERENCES list_contents (hash),
    PRIMARY KEY (revision, list)
) STRICT, WITHOUT ROWID;
CREATE INDEX revision_lists_hash ON revision_lists (hash);

ALTER TABLE admins ADD COLUMN role TEXT NOT NULL DEFAULT 'owner' CHECK (role IN ('owner', 'admin', 'operator', 'viewer'));
CREATE TABLE tokens (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    admin   TEXT NOT NULL REFERENCES admins (name) ON DELETE CASCADE,
    token   BLOB NOT NULL UNIQUE, -- SHA-256 of the token
    role    TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'operator', 'viewer')),
    created INTEGER NOT NULL,     -- Unix milliseconds
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX tokens_admin ON tokens (admin);

CREATE TABLE backup_schedule (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    directory  TEXT NOT NULL,
    keep       INTEGER NOT NULL,
    passphrase BLOB NOT NULL -- sealed
) STRICT;

-- How much each rule decided, written now and then and at the end: the kernel
-- forgets it with the power.
CREATE TABLE rule_counters (
    rule    TEXT PRIMARY KEY,
    packets INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    hit     INTEGER NOT NULL -- Unix milliseconds of the last write with more packets
) STRICT, WITHOUT ROWID;

CREATE INDEX events_time ON events (time);
