-- +goose Up

-- Addresses that a published article had before: letters and search results go on leading to it.
CREATE TABLE old_slugs (
    slug       TEXT PRIMARY KEY,
    article_id {{bigint}} NOT NULL REFERENCES articles (id) ON DELETE CASCADE
);
CREATE INDEX old_slugs_article ON old_slugs (article_id);
