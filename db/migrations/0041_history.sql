-- +goose Up

-- What issues and articles said before: one row for each save, and one for ten minutes of saving by itself.
CREATE TABLE history (
    id        {{id}},
    kind      TEXT NOT NULL CHECK (kind IN ('issue', 'article')),
    object_id {{bigint}} NOT NULL,
    version   {{bigint}} NOT NULL,
    actor     TEXT NOT NULL,
    auto      INTEGER NOT NULL,
    content   TEXT NOT NULL,
    begun_at  {{bigint}} NOT NULL,
    at        {{bigint}} NOT NULL
);
CREATE INDEX history_object ON history (kind, object_id, id);

-- When a draft is to be published by itself.
ALTER TABLE articles ADD COLUMN publish_at {{bigint}};
CREATE INDEX articles_due ON articles (publish_at) WHERE publish_at IS NOT NULL;
