-- +goose Up

-- What came back about a letter after it had left: one line per letter and kind, so that a report told twice counts
-- once. The words of the report stand in attempts, where erasing a reader blanks them.
CREATE TABLE feedback (
    id          {{id}},
    delivery_id {{bigint}},
    notice_id   {{bigint}},
    kind        TEXT NOT NULL CHECK (kind IN ('hard', 'unsure', 'soft', 'blocked', 'complaint')),
    via         TEXT NOT NULL,
    at          {{bigint}} NOT NULL
);
CREATE UNIQUE INDEX feedback_delivery ON feedback (delivery_id, kind) WHERE delivery_id IS NOT NULL;
CREATE UNIQUE INDEX feedback_notice ON feedback (notice_id, kind) WHERE notice_id IS NOT NULL;

-- How many letters of an issue hard-bounced or were reported, and at which numbers the issue was paused for it.
CREATE TABLE issue_feedback (
    issue_id        {{bigint}} PRIMARY KEY REFERENCES issues (id) ON DELETE CASCADE,
    hard            {{bigint}} NOT NULL DEFAULT 0,
    complaints      {{bigint}} NOT NULL DEFAULT 0,
    hard_told       {{bigint}} NOT NULL DEFAULT 0,
    complaints_told {{bigint}} NOT NULL DEFAULT 0
);

-- What each way of feedback brought, forged and unknown reports included.
CREATE TABLE feedback_tally (
    via     TEXT NOT NULL,
    outcome TEXT NOT NULL,
    n       {{bigint}} NOT NULL,
    last_at {{bigint}} NOT NULL,
    PRIMARY KEY (via, outcome)
);

-- Answers that begin with 수신거부: a From can be forged, so a person decides.
CREATE TABLE leave_offers (
    id            {{id}},
    subscriber_id {{bigint}} NOT NULL,
    mark          TEXT NOT NULL UNIQUE,
    text          TEXT NOT NULL,
    at            {{bigint}} NOT NULL,
    decided_at    {{bigint}},
    accepted      INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX leave_offers_open ON leave_offers (subscriber_id) WHERE decided_at IS NULL;

ALTER TABLE alerts ADD COLUMN mailed_at {{bigint}};
UPDATE alerts SET mailed_at = at;
CREATE INDEX alerts_unmailed ON alerts (id) WHERE mailed_at IS NULL;

CREATE INDEX notices_relay ON notices (relay_id) WHERE relay_id IS NOT NULL;
