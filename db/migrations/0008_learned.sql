-- +goose Up

-- What each transport was found to bear: connections, letters a second. The mailer writes and reads the text.
CREATE TABLE learned (
    transport  TEXT PRIMARY KEY,
    text       TEXT NOT NULL,
    updated_at {{bigint}} NOT NULL
);
