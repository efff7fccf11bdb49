-- +goose Up

-- The pile of links collected for the next round-up.
CREATE TABLE links (
    id         {{id}},
    url        TEXT NOT NULL UNIQUE,
    title      TEXT NOT NULL DEFAULT '',
    source     TEXT NOT NULL DEFAULT '',
    summary    TEXT NOT NULL DEFAULT '',
    created_at {{bigint}} NOT NULL
);

-- When a running import last took a chunk: one that is silent for long died with its process.
ALTER TABLE imports ADD COLUMN seen_at {{bigint}};
