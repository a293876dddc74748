-- +goose Up
-- Networks outside that stand for networks inside. What follows an interface's
-- prefix in a list is in lists_values.
ALTER TABLE nat ADD COLUMN network TEXT NOT NULL DEFAULT '';
