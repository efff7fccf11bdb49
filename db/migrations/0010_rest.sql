-- +goose Up

-- Why a house sends nothing: 'final' after a last backup, 'copied' after techissue copy. '' is awake.
ALTER TABLE house ADD COLUMN resting TEXT NOT NULL DEFAULT '';
-- Of whom nobody knows whether they left: between these times the house lived elsewhere, and no leavers' log tells of it.
ALTER TABLE house ADD COLUMN leavers_from {{bigint}};
ALTER TABLE house ADD COLUMN leavers_until {{bigint}};

-- What was written where, and when it was last read back.
CREATE TABLE backups (
    id          {{id}},
    at          {{bigint}} NOT NULL,
    path        TEXT NOT NULL,
    bytes       {{bigint}} NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('manual', 'scheduled', 'final')),
    verified_at {{bigint}},
    fault       TEXT NOT NULL DEFAULT '',
    removed_at  {{bigint}}
);
CREATE INDEX backups_at ON backups (at, id);
