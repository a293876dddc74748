-- +goose Up
-- SAs keyed by hand with all that they can have, policies with all selectors,
-- and what must be known of such keys after a restart.
ALTER TABLE manual_sas ADD COLUMN udp_port INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manual_sas ADD COLUMN legacy INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manual_sas ADD COLUMN esn INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manual_sas ADD COLUMN no_replay INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manual_sas ADD COLUMN soft_hours INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manual_sas ADD COLUMN hard_hours INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manual_sas ADD COLUMN soft_megabytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manual_sas ADD COLUMN hard_megabytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manual_sas ADD COLUMN soft_packets INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manual_sas ADD COLUMN hard_packets INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manual_sas ADD COLUMN successor TEXT REFERENCES manual_sas (name) DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX manual_sas_successor ON manual_sas (successor);

ALTER TABLE policies ADD COLUMN opaque INTEGER NOT NULL DEFAULT 0;
CREATE TABLE policies_values_new (
    owner    INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('sources', 'destinations', 'source_ports', 'dscp', 'flow_labels')),
    position INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (owner, kind, position)
) STRICT, WITHOUT ROWID;
INSERT INTO policies_values_new SELECT * FROM policies_values;
DROP TABLE policies_values;
ALTER TABLE policies_values_new RENAME TO policies_values;

CREATE TABLE sa_counters (
    keys     TEXT PRIMARY KEY, -- a digest: these must not count anew
    sa       TEXT NOT NULL,    -- the name they had last
    since    INTEGER NOT NULL, -- milliseconds since 1970
    sequence INTEGER NOT NULL, -- as two's complement
    packets  INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    ended    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
