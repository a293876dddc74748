-- +goose Up
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    time   INTEGER NOT NULL, -- Unix milliseconds
    who    TEXT NOT NULL,
    origin TEXT NOT NULL,    -- an address, or empty
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    prev   BLOB NOT NULL,    -- mac of the entry before
    mac    BLOB NOT NULL     -- of prev and of all columns of this entry
) STRICT;
