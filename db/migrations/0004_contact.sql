-- +goose Up

-- 제안하기: what people propose to the editor. The address and the text go when the editor removes the row.
CREATE TABLE proposals (
    id           {{id}},
    kind         TEXT NOT NULL CHECK (kind IN ('marketing', 'lecture', 'publishing', 'project')),
    name         TEXT NOT NULL,
    email        TEXT NOT NULL,
    body         TEXT NOT NULL,
    status       TEXT NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'answered')),
    text_version TEXT NOT NULL,
    ip           TEXT NOT NULL DEFAULT '',
    created_at   {{bigint}} NOT NULL,
    answered_at  {{bigint}}
);
CREATE INDEX proposals_status ON proposals (status, id);

-- One per letter, and so one per reader and issue.
CREATE TABLE opinions (
    delivery_id {{bigint}} PRIMARY KEY REFERENCES deliveries (id),
    issue_id    {{bigint}} NOT NULL REFERENCES issues (id),
    verdict     TEXT NOT NULL CHECK (verdict IN ('good', 'bad')),
    at          {{bigint}} NOT NULL
);
CREATE INDEX opinions_issue ON opinions (issue_id, verdict);
