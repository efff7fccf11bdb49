-- +goose Up
-- Programs that are told what happens, and what they were told. An event waits in the outbox, where it was written together with
-- what it tells of; from there one message goes to each webhook that wants its type.
CREATE TABLE webhooks (
    id         {{id}},
    url        TEXT NOT NULL,
    types      TEXT NOT NULL DEFAULT '', -- with a comma between; empty: all
    secret     TEXT NOT NULL,
    old_secret TEXT NOT NULL DEFAULT '',
    old_until  {{bigint}},
    state      TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    reason     TEXT NOT NULL DEFAULT '',
    created_at {{bigint}} NOT NULL,
    updated_at {{bigint}} NOT NULL
);

CREATE TABLE webhook_messages (
    id         {{id}},
    webhook_id {{bigint}} NOT NULL REFERENCES webhooks (id),
    event_id   {{bigint}} NOT NULL,
    type       TEXT NOT NULL,
    payload    TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    due_at     {{bigint}} NOT NULL,
    lease      {{bigint}} NOT NULL DEFAULT 0,
    code       INTEGER NOT NULL DEFAULT 0,
    error      TEXT NOT NULL DEFAULT '',
    created_at {{bigint}} NOT NULL,
    done_at    {{bigint}}
);
CREATE INDEX webhook_messages_due ON webhook_messages (due_at, id) WHERE state = 'queued';
-- Few: behind a receiver that fails only the oldest is tried.
CREATE INDEX webhook_messages_failing ON webhook_messages (webhook_id, id) WHERE state = 'queued' AND attempts > 0;
CREATE INDEX webhook_messages_of ON webhook_messages (webhook_id, id);
CREATE INDEX webhook_messages_done ON webhook_messages (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL;
