-- +goose Up
-- Post-quantum preshared keys of branches.
ALTER TABLE branches ADD COLUMN ppk BLOB NOT NULL DEFAULT x''; -- sealed
ALTER TABLE branches ADD COLUMN ppk_id TEXT NOT NULL DEFAULT '';
ALTER TABLE branches ADD COLUMN ppk_optional INTEGER NOT NULL DEFAULT 0;
