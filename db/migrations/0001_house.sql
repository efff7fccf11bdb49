-- +goose Up

-- Times are Unix milliseconds in UTC. States and statuses are words with a CHECK.
-- Words: newsletter/*.go; states: docs/states.md.

CREATE TABLE settings (
    name       TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at {{bigint}} NOT NULL
);

-- Keys derived from the house's secrets, kept so that links in old letters go on working.
CREATE TABLE token_keys (
    id      TEXT NOT NULL,
    purpose TEXT NOT NULL,
    key     {{blob}} NOT NULL,
    PRIMARY KEY (id, purpose)
);

-- One row; grows with every change that shows on a page.
CREATE TABLE revision (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    n  {{bigint}} NOT NULL
);
INSERT INTO revision (id, n) VALUES (1, 1);

-- Which life of the data this is: a restored copy gets a new epoch.
CREATE TABLE house (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    epoch    TEXT NOT NULL DEFAULT '',
    addr_key {{blob}},
    demo     INTEGER NOT NULL DEFAULT 0
);
INSERT INTO house (id) VALUES (1);

CREATE TABLE subscribers (
    id                 {{id}},
    email              TEXT NOT NULL,
    addr_key           TEXT NOT NULL UNIQUE,
    name               TEXT NOT NULL DEFAULT '',
    status             TEXT NOT NULL CHECK (status IN ('pending', 'active', 'unsubscribed')),
    source             TEXT NOT NULL DEFAULT '',
    ad_consent         INTEGER NOT NULL DEFAULT 0,
    ad_consent_at      {{bigint}},
    consent_at         {{bigint}},
    confirmed_at       {{bigint}},
    unsubscribed_at    {{bigint}},
    unsubscribe_reason TEXT NOT NULL DEFAULT '',
    paused_until       {{bigint}},
    no_tracking        INTEGER NOT NULL DEFAULT 0,
    created_at         {{bigint}} NOT NULL,
    updated_at         {{bigint}} NOT NULL
);
CREATE INDEX subscribers_status ON subscribers (status, id);

CREATE TABLE subscriber_tags (
    subscriber_id {{bigint}} NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    tag           TEXT NOT NULL,
    PRIMARY KEY (subscriber_id, tag)
);
CREATE INDEX subscriber_tags_tag ON subscriber_tags (tag, subscriber_id);

-- Append-only. Survives the reader under addr_key.
CREATE TABLE consents (
    id            {{id}},
    subscriber_id {{bigint}} NOT NULL,
    addr_key      TEXT NOT NULL,
    kind          TEXT NOT NULL,
    granted       INTEGER NOT NULL,
    text_version  TEXT NOT NULL DEFAULT '',
    at            {{bigint}} NOT NULL,
    ip            TEXT NOT NULL DEFAULT '',
    form          TEXT NOT NULL DEFAULT '',
    source        TEXT NOT NULL DEFAULT '',
    confirmed     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX consents_subscriber ON consents (subscriber_id, id);
CREATE INDEX consents_addr_key ON consents (addr_key, id);

CREATE TABLE events (
    id            {{id}},
    subscriber_id {{bigint}} NOT NULL,
    kind          TEXT NOT NULL,
    detail        TEXT NOT NULL DEFAULT '',
    at            {{bigint}} NOT NULL
);
CREATE INDEX events_subscriber ON events (subscriber_id, id);

-- Single-use links that were mailed to an address.
CREATE TABLE grants (
    id            {{id}},
    kind          TEXT NOT NULL,
    subscriber_id {{bigint}} NOT NULL,
    detail        TEXT NOT NULL DEFAULT '',
    created_at    {{bigint}} NOT NULL,
    expires_at    {{bigint}} NOT NULL,
    used_at       {{bigint}}
);
CREATE INDEX grants_subscriber ON grants (subscriber_id, id);

CREATE TABLE limits (
    name         TEXT PRIMARY KEY,
    window_start {{bigint}} NOT NULL,
    n            INTEGER NOT NULL,
    last_at      {{bigint}} NOT NULL
);

CREATE TABLE suppressions (
    id         {{id}},
    addr_key   TEXT NOT NULL UNIQUE,
    email      TEXT NOT NULL DEFAULT '',
    reason     TEXT NOT NULL CHECK (reason IN ('hard', 'soft', 'complaint', 'manual')),
    evidence   TEXT NOT NULL DEFAULT '',
    created_at {{bigint}} NOT NULL
);

-- Who must not be written to again; with SQLite a file beside the database holds the same lines.
CREATE TABLE leavers (
    id       {{id}},
    addr_key TEXT NOT NULL,
    at       {{bigint}} NOT NULL,
    kind     TEXT NOT NULL
);
CREATE INDEX leavers_addr_key ON leavers (addr_key, id);

CREATE TABLE articles (
    id           {{id}},
    slug         TEXT NOT NULL UNIQUE,
    title        TEXT NOT NULL,
    summary      TEXT NOT NULL DEFAULT '',
    body         TEXT NOT NULL,
    author       TEXT NOT NULL DEFAULT '',
    status       TEXT NOT NULL CHECK (status IN ('draft', 'published')),
    published_at {{bigint}},
    views        {{bigint}} NOT NULL DEFAULT 0,
    version      {{bigint}} NOT NULL,
    created_at   {{bigint}} NOT NULL,
    updated_at   {{bigint}} NOT NULL
);
CREATE INDEX articles_published ON articles (status, published_at, id);

CREATE TABLE article_tags (
    article_id {{bigint}} NOT NULL REFERENCES articles (id) ON DELETE CASCADE,
    tag        TEXT NOT NULL,
    PRIMARY KEY (article_id, tag)
);
CREATE INDEX article_tags_tag ON article_tags (tag, article_id);

CREATE TABLE issues (
    id                 {{id}},
    number             INTEGER NOT NULL UNIQUE,
    state              TEXT NOT NULL CHECK (state IN ('draft', 'scheduled', 'preparing', 'sending', 'paused', 'done', 'cancelled')),
    subject            TEXT NOT NULL DEFAULT '',
    preheader          TEXT NOT NULL DEFAULT '',
    kind               TEXT NOT NULL CHECK (kind IN ('info', 'ad')),
    intro              TEXT NOT NULL DEFAULT '',
    links              TEXT NOT NULL DEFAULT '[]',
    articles           TEXT NOT NULL DEFAULT '[]',
    sponsor            TEXT NOT NULL DEFAULT '',
    outro              TEXT NOT NULL DEFAULT '',
    without_ad_consent TEXT NOT NULL DEFAULT 'skip' CHECK (without_ad_consent IN ('skip', 'info_edition')),
    uncertain          TEXT NOT NULL CHECK (uncertain IN ('resend_once', 'hold')),
    tracking           INTEGER NOT NULL DEFAULT 0,
    audience           TEXT NOT NULL DEFAULT '{}',
    expires_at         {{bigint}},
    archived           INTEGER NOT NULL DEFAULT 0,
    scheduled_at       {{bigint}},
    accepted_at        {{bigint}},
    prepared_at        {{bigint}},
    done_at            {{bigint}},
    recipients         {{bigint}} NOT NULL DEFAULT 0,
    pause_reason       TEXT NOT NULL DEFAULT '',
    version            {{bigint}} NOT NULL,
    created_at         {{bigint}} NOT NULL,
    updated_at         {{bigint}} NOT NULL
);
CREATE INDEX issues_state ON issues (state, scheduled_at);

-- Immutable snapshots; a delivery names the one it was made of.
CREATE TABLE editions (
    issue_id   {{bigint}} NOT NULL REFERENCES issues (id),
    number     INTEGER NOT NULL,
    variant    INTEGER NOT NULL DEFAULT 0,
    reason     TEXT NOT NULL DEFAULT '',
    snapshot   TEXT NOT NULL,
    created_at {{bigint}} NOT NULL,
    PRIMARY KEY (issue_id, number)
);

CREATE TABLE deliveries (
    id            {{id}},
    issue_id      {{bigint}} NOT NULL REFERENCES issues (id),
    subscriber_id {{bigint}} NOT NULL,
    email         TEXT NOT NULL,
    variant       INTEGER NOT NULL DEFAULT 0,
    edition       INTEGER NOT NULL DEFAULT 0,
    state         TEXT NOT NULL CHECK (state IN ('queued', 'leased', 'handing', 'uncertain', 'sent', 'failed', 'expired', 'skipped', 'cancelled')),
    reason        TEXT NOT NULL DEFAULT '',
    due_at        {{bigint}} NOT NULL,
    lease         {{bigint}} NOT NULL DEFAULT 0,
    node          {{bigint}} NOT NULL DEFAULT 0,
    attempts      INTEGER NOT NULL DEFAULT 0,
    resent        INTEGER NOT NULL DEFAULT 0,
    relay_id      TEXT,
    reply         TEXT NOT NULL DEFAULT '',
    first_at      {{bigint}},
    done_at       {{bigint}},
    bounced_at    {{bigint}},
    opened_at     {{bigint}},
    clicked_at    {{bigint}},
    UNIQUE (issue_id, subscriber_id)
);
-- The claim walks this one, and it stays as small as the backlog.
CREATE INDEX deliveries_queued ON deliveries (issue_id, due_at, id) WHERE state = 'queued';
-- The few of these that were tried before, for the count.
CREATE INDEX deliveries_deferred ON deliveries (issue_id) WHERE state = 'queued' AND attempts > 0;
-- The restart and the second try walk the few rows that are neither queued nor final. Written with OR: SQLite does not
-- see that state = 'leased' follows from an IN, and would walk the whole table four times a second.
CREATE INDEX deliveries_open ON deliveries (state, issue_id, done_at) WHERE state = 'leased' OR state = 'handing' OR state = 'uncertain';
-- Counting and the lists by state.
CREATE INDEX deliveries_state ON deliveries (issue_id, state, id);
CREATE INDEX deliveries_subscriber ON deliveries (subscriber_id, id);
CREATE INDEX deliveries_relay ON deliveries (relay_id) WHERE relay_id IS NOT NULL;

-- Single letters: confirmations, notices, tests, alerts. Same states as deliveries.
CREATE TABLE notices (
    id            {{id}},
    kind          TEXT NOT NULL,
    subscriber_id {{bigint}} NOT NULL DEFAULT 0,
    email         TEXT NOT NULL,
    payload       TEXT NOT NULL DEFAULT '{}',
    state         TEXT NOT NULL CHECK (state IN ('queued', 'leased', 'handing', 'uncertain', 'sent', 'failed', 'expired', 'skipped', 'cancelled')),
    reason        TEXT NOT NULL DEFAULT '',
    due_at        {{bigint}} NOT NULL,
    lease         {{bigint}} NOT NULL DEFAULT 0,
    node          {{bigint}} NOT NULL DEFAULT 0,
    attempts      INTEGER NOT NULL DEFAULT 0,
    resent        INTEGER NOT NULL DEFAULT 0,
    relay_id      TEXT,
    reply         TEXT NOT NULL DEFAULT '',
    created_at    {{bigint}} NOT NULL,
    done_at       {{bigint}}
);
CREATE INDEX notices_queued ON notices (due_at, id) WHERE state = 'queued';
CREATE INDEX notices_open ON notices (state, done_at) WHERE state = 'leased' OR state = 'handing' OR state = 'uncertain';
CREATE INDEX notices_subscriber ON notices (subscriber_id, id);

-- Append-only: what the outside world answered. Exactly one of delivery_id and notice_id is set.
CREATE TABLE attempts (
    id          {{id}},
    delivery_id {{bigint}},
    notice_id   {{bigint}},
    lease       {{bigint}} NOT NULL,
    at          {{bigint}} NOT NULL,
    stage       TEXT NOT NULL,
    code        INTEGER NOT NULL,
    enhanced    TEXT NOT NULL DEFAULT '',
    reply       TEXT NOT NULL DEFAULT '',
    relay       TEXT NOT NULL DEFAULT '',
    outcome     TEXT NOT NULL
);
CREATE INDEX attempts_delivery ON attempts (delivery_id, id) WHERE delivery_id IS NOT NULL;
CREATE INDEX attempts_notice ON attempts (notice_id, id) WHERE notice_id IS NOT NULL;

-- A redirect leads only to an address that stands here.
CREATE TABLE tracked_links (
    id       {{id}},
    issue_id {{bigint}} NOT NULL REFERENCES issues (id),
    url      TEXT NOT NULL,
    UNIQUE (issue_id, url)
);

CREATE TABLE hits (
    id          {{id}},
    delivery_id {{bigint}} NOT NULL,
    link_id     {{bigint}},
    kind        TEXT NOT NULL CHECK (kind IN ('open', 'click')),
    machine     INTEGER NOT NULL DEFAULT 0,
    at          {{bigint}} NOT NULL
);
CREATE INDEX hits_delivery ON hits (delivery_id, id);

CREATE TABLE alerts (
    id         {{id}},
    issue_id   {{bigint}} NOT NULL DEFAULT 0,
    kind       TEXT NOT NULL,
    text       TEXT NOT NULL,
    at         {{bigint}} NOT NULL,
    cleared_at {{bigint}}
);
CREATE UNIQUE INDEX alerts_open ON alerts (issue_id, kind) WHERE cleared_at IS NULL;

-- Events for the world outside, written with what they tell of.
CREATE TABLE outbox (
    id      {{id}},
    kind    TEXT NOT NULL,
    payload TEXT NOT NULL,
    at      {{bigint}} NOT NULL,
    done_at {{bigint}}
);
CREATE INDEX outbox_open ON outbox (id) WHERE done_at IS NULL;

CREATE TABLE imports (
    id             {{id}},
    state          TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    file           TEXT NOT NULL DEFAULT '',
    format         TEXT NOT NULL DEFAULT '',
    as_status      TEXT NOT NULL,
    consent_source TEXT NOT NULL DEFAULT '',
    dry_run        INTEGER NOT NULL DEFAULT 0,
    rows_read      {{bigint}} NOT NULL DEFAULT 0,
    created        {{bigint}} NOT NULL DEFAULT 0,
    updated        {{bigint}} NOT NULL DEFAULT 0,
    unsubscribed   {{bigint}} NOT NULL DEFAULT 0,
    rejected       {{bigint}} NOT NULL DEFAULT 0,
    error          TEXT NOT NULL DEFAULT '',
    created_at     {{bigint}} NOT NULL,
    done_at        {{bigint}}
);

CREATE TABLE import_rejects (
    import_id {{bigint}} NOT NULL REFERENCES imports (id),
    line      {{bigint}} NOT NULL,
    value     TEXT NOT NULL,
    reason    TEXT NOT NULL,
    PRIMARY KEY (import_id, line)
);

CREATE TABLE admins (
    id            {{id}},
    email         TEXT NOT NULL UNIQUE,
    role          TEXT NOT NULL CHECK (role IN ('owner', 'editor')),
    password_hash TEXT NOT NULL DEFAULT '',
    totp_secret   TEXT NOT NULL DEFAULT '',
    totp_step     {{bigint}} NOT NULL DEFAULT 0,
    created_at    {{bigint}} NOT NULL,
    last_login_at {{bigint}}
);

CREATE TABLE sessions (
    hash       TEXT PRIMARY KEY,
    admin_id   {{bigint}} NOT NULL REFERENCES admins (id) ON DELETE CASCADE,
    created_at {{bigint}} NOT NULL,
    seen_at    {{bigint}} NOT NULL,
    ip         TEXT NOT NULL DEFAULT '',
    agent      TEXT NOT NULL DEFAULT ''
);
CREATE INDEX sessions_admin ON sessions (admin_id);

CREATE TABLE api_keys (
    id           {{id}},
    name         TEXT NOT NULL,
    hash         TEXT NOT NULL UNIQUE,
    scopes       TEXT NOT NULL,
    created_at   {{bigint}} NOT NULL,
    expires_at   {{bigint}},
    last_used_at {{bigint}},
    revoked_at   {{bigint}}
);

CREATE TABLE replays (
    key       TEXT PRIMARY KEY,
    body_hash TEXT NOT NULL,
    status    INTEGER NOT NULL,
    header    TEXT NOT NULL DEFAULT '',
    body      {{blob}} NOT NULL,
    at        {{bigint}} NOT NULL
);
CREATE INDEX replays_at ON replays (at);

-- Append-only.
CREATE TABLE audit (
    id     {{id}},
    at     {{bigint}} NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT '',
    ip     TEXT NOT NULL DEFAULT ''
);

-- Machines that drive the mailer: one with SQLite, any number with PostgreSQL.
CREATE TABLE nodes (
    id         {{id}},
    name       TEXT NOT NULL,
    started_at {{bigint}} NOT NULL,
    seen_at    {{bigint}} NOT NULL,
    stopped_at {{bigint}}
);
