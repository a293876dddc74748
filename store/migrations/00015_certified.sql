-- +goose Up
-- Branches that prove who they are by certificates.
ALTER TABLE branches ADD COLUMN certificate TEXT REFERENCES certificates (name) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE branches ADD COLUMN authority TEXT REFERENCES authorities (name) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE branches ADD COLUMN their_certificate TEXT REFERENCES certificates (name) DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX branches_certificate ON branches (certificate);
CREATE INDEX branches_authority ON branches (authority);
CREATE INDEX branches_their_certificate ON branches (their_certificate);
