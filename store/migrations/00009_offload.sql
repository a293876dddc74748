-- +goose Up
-- A switch that takes flow offload away.
ALTER TABLE settings ADD COLUMN offload_off INTEGER NOT NULL DEFAULT 0;
