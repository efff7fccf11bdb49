-- +goose Up

-- What came in, by which way, and what became of it: the newest few thousand lines. No address and no words of a report
-- stand here; both are found through the letter, and are gone when its reader is.
CREATE TABLE feedback_log (
    id            {{id}},
    at            {{bigint}} NOT NULL,
    via           TEXT NOT NULL,
    kind          TEXT NOT NULL,
    outcome       TEXT NOT NULL,
    why           TEXT NOT NULL DEFAULT '',
    code          INTEGER NOT NULL DEFAULT 0,
    enhanced      TEXT NOT NULL DEFAULT '',
    delivery_id   {{bigint}} NOT NULL DEFAULT 0,
    notice_id     {{bigint}} NOT NULL DEFAULT 0,
    subscriber_id {{bigint}} NOT NULL DEFAULT 0
);

-- Names of messages and notices that must not be taken twice, and what each was about.
CREATE TABLE feedback_seen (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL DEFAULT '',
    at   {{bigint}} NOT NULL
);
CREATE INDEX feedback_seen_at ON feedback_seen (at);
