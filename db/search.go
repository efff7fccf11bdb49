package db

import (
	"context"
	"strings"

	"techissue/newsletter"
)

// PutSearch replaces what can be found of an article or an issue.
func (t *Tx) PutSearch(ctx context.Context, kind newsletter.SearchKind, ref int64, docs []newsletter.SearchDoc) error {
	old, err := list(ctx, t, func(r scanner) (id int64, err error) { return id, r.Scan(&id) },
		`SELECT id FROM search_docs WHERE ref_kind = ? AND ref = ? ORDER BY id`, kind, ref)
	if err != nil {
		return err
	}
	for _, id := range old {
		for _, q := range []string{`DELETE FROM search_words WHERE docid = ?`, `DELETE FROM search_texts WHERE doc_id = ?`, `DELETE FROM search_docs WHERE id = ?`} {
			if _, err := t.exec(ctx, q, id); err != nil {
				return err
			}
		}
	}
	for _, d := range docs {
		id, err := t.insert(ctx, `
			INSERT INTO search_docs (kind, ref_kind, ref, at, slug, number, position, url, source)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, d.Kind, kind, ref, ms(d.At), d.Slug, d.Number, d.Position, d.URL, d.Source)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO search_texts (doc_id, title, body) VALUES (?, ?, ?)`, id, d.Title, d.Text); err != nil {
			return err
		}
		if err := t.putWords(ctx, id, d.Title, d.Text); err != nil {
			return err
		}
	}
	return nil
}

// putWords puts a document into the full-text index.
func (t *Tx) putWords(ctx context.Context, id int64, title, text string) error {
	words, whole := t.dialect.bag(newsletter.SearchWords(title)), t.dialect.bag(newsletter.SearchWords(title+"\n"+text))
	_, err := t.exec(ctx, `INSERT INTO search_words (docid, title, whole) VALUES (?, CAST(? AS {{bag}}), CAST(? AS {{bag}}))`, id, words, whole)
	return err
}

const searchDocs = `
SELECT d.id, d.kind, d.slug, d.number, d.position, d.url, d.source, d.at, t.title, t.body
FROM search_docs d JOIN search_texts t ON t.doc_id = d.id WHERE d.id IN (`

// The newest that match. The engine reads the index first, whatever the kind.
const (
	searchTitles = `SELECT d.id FROM search_words w JOIN search_docs d ON d.id = w.docid WHERE w.title {{match}} CAST(? AS {{query}})`
	searchWholes = `SELECT d.id FROM search_words w JOIN search_docs d ON d.id = w.docid WHERE w.whole {{match}} CAST(? AS {{query}})`
	searchNewest = ` ORDER BY d.at DESC, d.id DESC LIMIT ?`
)

// FindSearch gives what holds all terms, the newest of them.
func (t *Tx) FindSearch(ctx context.Context, terms []newsletter.SearchTerm, kind newsletter.SearchKind, limit int) ([]newsletter.SearchDoc, error) {
	if len(terms) == 0 {
		return nil, nil
	}
	if t.dialect.useIndex != "" {
		var set string
		if err := t.queryRow(ctx, t.dialect.useIndex).Scan(&set); err != nil {
			return nil, err
		}
	}
	query := t.dialect.allOf(terms)
	seen := map[int64]bool{}
	var ids []any
	for _, q := range []string{searchTitles, searchWholes} {
		args := []any{query}
		if kind != "" {
			q += ` AND d.kind = ?`
			args = append(args, kind)
		}
		found, err := list(ctx, t, func(r scanner) (id int64, err error) { return id, r.Scan(&id) }, q+searchNewest, append(args, limit)...)
		if err != nil {
			return nil, err
		}
		for _, id := range found {
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return list(ctx, t, func(r scanner) (d newsletter.SearchDoc, err error) {
		return d, r.Scan(&d.ID, &d.Kind, &d.Slug, &d.Number, &d.Position, &d.URL, &d.Source, asTime(&d.At), &d.Title, &d.Text)
	}, searchDocs+marks(len(ids))+`)`, ids...)
}

// CountSearch counts articles and issues that can be found.
func (t *Tx) CountSearch(ctx context.Context) (n int64, err error) {
	return n, t.queryRow(ctx, `SELECT COUNT(*) FROM search_docs WHERE kind <> 'link'`).Scan(&n)
}

// fts4Bag and the rest write words, which are letters and digits only, as each engine reads them.
func fts4Bag(words []string) string { return strings.Join(words, " ") }

func tsvectorBag(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return "'" + strings.Join(words, "' '") + "'"
}

func fts4All(terms []newsletter.SearchTerm) string {
	parts := make([]string, len(terms))
	for i, w := range terms {
		parts[i] = `"` + w.Text + `"`
		if w.Prefix {
			parts[i] = `"` + w.Text + `*"`
		}
	}
	return strings.Join(parts, " ")
}

func tsqueryAll(terms []newsletter.SearchTerm) string {
	parts := make([]string, len(terms))
	for i, w := range terms {
		parts[i] = "'" + w.Text + "'"
		if w.Prefix {
			parts[i] += ":*"
		}
	}
	return strings.Join(parts, " & ")
}
