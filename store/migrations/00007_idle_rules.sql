-- +goose Up
-- Since when each rule and forward of the confirmed configuration is as it is:
-- who asks what was never matched must not blame what is new.
CREATE TABLE rule_since (
    rule    TEXT PRIMARY KEY,
    since   INTEGER NOT NULL, -- Unix milliseconds
    content BLOB NOT NULL     -- SHA-256 of what it matches and does
) STRICT, WITHOUT ROWID;
