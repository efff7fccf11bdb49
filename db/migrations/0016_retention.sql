-- +goose Up

-- Sums of openings and clicks whose single records are over 13 months old and gone.
CREATE TABLE kept_tallies (
    issue_id       {{bigint}} PRIMARY KEY REFERENCES issues (id) ON DELETE CASCADE,
    opened         {{bigint}} NOT NULL DEFAULT 0,
    clicked        {{bigint}} NOT NULL DEFAULT 0,
    people_opened  {{bigint}} NOT NULL DEFAULT 0,
    people_clicked {{bigint}} NOT NULL DEFAULT 0,
    swept_at       {{bigint}} NOT NULL DEFAULT 0
);
CREATE TABLE kept_links (
    link_id {{bigint}} PRIMARY KEY REFERENCES tracked_links (id) ON DELETE CASCADE,
    letters {{bigint}} NOT NULL DEFAULT 0,
    people  {{bigint}} NOT NULL DEFAULT 0
);
