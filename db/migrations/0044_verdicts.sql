-- +goose Up

-- Why a hit was taken for a machine's.
ALTER TABLE hits ADD COLUMN why TEXT NOT NULL DEFAULT '';
