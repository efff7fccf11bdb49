-- +goose Up

-- A card that the editor has put right is not read over again. dead_at: its page was gone twice, a day apart at least; gone_at: once.
ALTER TABLE link_cards ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;
ALTER TABLE link_cards ADD COLUMN checked_at {{bigint}} NOT NULL DEFAULT 0;
ALTER TABLE link_cards ADD COLUMN gone_at {{bigint}};
ALTER TABLE link_cards ADD COLUMN dead_at {{bigint}};
CREATE INDEX link_cards_checked ON link_cards (checked_at) WHERE state <> 'wanted';

-- Pages that search engines are to be told of.
CREATE TABLE announcements (
    path   TEXT PRIMARY KEY,
    tries  INTEGER NOT NULL DEFAULT 0,
    due_at {{bigint}} NOT NULL
);
