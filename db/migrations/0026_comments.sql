-- +goose Up

-- Who writes comments: known by an address that a mailed link has proved. It is shown to nobody.
CREATE TABLE comment_writers (
    id           {{id}},
    addr_key     TEXT NOT NULL UNIQUE,
    email        TEXT NOT NULL,
    confirmed_at {{bigint}},
    created_at   {{bigint}} NOT NULL
);

-- unconfirmed: its letter's link has not been used. deleted: taken back, kept for the replies under it.
CREATE TABLE comments (
    id           {{id}},
    on_kind      TEXT NOT NULL CHECK (on_kind IN ('article', 'issue')),
    on_id        {{bigint}} NOT NULL,
    parent_id    {{bigint}},
    writer_id    {{bigint}} NOT NULL DEFAULT 0,
    name         TEXT NOT NULL,
    body         TEXT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('unconfirmed', 'pending', 'published', 'spam', 'deleted')),
    held         TEXT NOT NULL DEFAULT '',
    by_author    INTEGER NOT NULL DEFAULT 0,
    notify       INTEGER NOT NULL DEFAULT 0,
    told         INTEGER NOT NULL DEFAULT 0,
    ip           TEXT NOT NULL DEFAULT '',
    created_at   {{bigint}} NOT NULL,
    published_at {{bigint}},
    edited_at    {{bigint}}
);
CREATE INDEX comments_on ON comments (on_kind, on_id, status, id);
CREATE INDEX comments_status ON comments (status, id);
CREATE INDEX comments_parent ON comments (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX comments_writer ON comments (writer_id, status);

-- 댓글을 받지 않는 글
ALTER TABLE articles ADD COLUMN comments_closed INTEGER NOT NULL DEFAULT 0;
