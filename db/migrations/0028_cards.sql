-- +goose Up

-- What pages elsewhere call themselves: bare links in articles become cards.
CREATE TABLE link_cards (
    url     TEXT PRIMARY KEY,
    title   TEXT NOT NULL DEFAULT '',
    summary TEXT NOT NULL DEFAULT '',
    site    TEXT NOT NULL DEFAULT '',
    state   TEXT NOT NULL CHECK (state IN ('wanted', 'done', 'failed')),
    tries   INTEGER NOT NULL DEFAULT 0,
    due_at  {{bigint}} NOT NULL,
    at      {{bigint}} NOT NULL
);
CREATE INDEX link_cards_wanted ON link_cards (due_at) WHERE state = 'wanted';
