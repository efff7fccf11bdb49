-- +goose Up

-- Where a counted link of a letter that left leads now, when the address in it was wrong.
ALTER TABLE tracked_links ADD COLUMN target TEXT NOT NULL DEFAULT '';
