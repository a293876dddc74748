-- +goose Up
-- How careful a branch is about its algorithms.
ALTER TABLE branches ADD COLUMN algorithms TEXT NOT NULL DEFAULT '';
