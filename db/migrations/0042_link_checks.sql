-- +goose Up

-- Whether the links of drafts lead anywhere, as last looked at in the background.
CREATE TABLE link_checks (
    url    TEXT PRIMARY KEY,
    state  TEXT NOT NULL CHECK (state IN ('wanted', 'alive', 'dead', 'unknown')),
    said   TEXT NOT NULL DEFAULT '',
    due_at {{bigint}} NOT NULL,
    at     {{bigint}} NOT NULL
);
CREATE INDEX link_checks_wanted ON link_checks (due_at) WHERE state = 'wanted';
