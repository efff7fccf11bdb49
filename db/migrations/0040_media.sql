-- +goose Up

-- Pictures that the editor has uploaded. Their bytes lie in the uploads folder under name.
CREATE TABLE media (
    id         {{id}},
    name       TEXT NOT NULL UNIQUE,
    file       TEXT NOT NULL DEFAULT '',
    alt        TEXT NOT NULL DEFAULT '',
    width      INTEGER NOT NULL,
    height     INTEGER NOT NULL,
    bytes      {{bigint}} NOT NULL,
    sum        TEXT NOT NULL,
    created_at {{bigint}} NOT NULL
);
CREATE INDEX media_sum ON media (sum);

ALTER TABLE articles ADD COLUMN cover TEXT NOT NULL DEFAULT '';
ALTER TABLE articles ADD COLUMN cover_alt TEXT NOT NULL DEFAULT '';
