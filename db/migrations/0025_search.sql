-- +goose Up

-- What can be found. Texts lie apart, so that a walk by date reads short rows. (newsletter/search.go)
CREATE TABLE search_docs (
    id       {{id}},
    kind     TEXT NOT NULL CHECK (kind IN ('article', 'issue', 'link')),
    ref_kind TEXT NOT NULL,
    ref      {{bigint}} NOT NULL,
    at       {{bigint}} NOT NULL,
    slug     TEXT NOT NULL DEFAULT '',
    number   INTEGER NOT NULL DEFAULT 0,
    position INTEGER NOT NULL DEFAULT 0,
    url      TEXT NOT NULL DEFAULT '',
    source   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX search_docs_ref ON search_docs (ref_kind, ref);

CREATE TABLE search_texts (
    doc_id {{bigint}} PRIMARY KEY,
    title  TEXT NOT NULL,
    body   TEXT NOT NULL
);

-- The bags of syllable pairs, one row a document: of its title, and of the whole.
{{search_words}}
