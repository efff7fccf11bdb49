-- +goose Up
-- Over how many days an issue goes out; 0 and 1 are at once.
ALTER TABLE issues ADD COLUMN portions INTEGER NOT NULL DEFAULT 0;
