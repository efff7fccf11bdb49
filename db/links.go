package db

import (
	"context"

	"techissue/newsletter"
)

const linkColumns = `SELECT id, url, title, source, summary, created_at FROM links WHERE TRUE`

func scanLink(r scanner) (l newsletter.Link, err error) {
	return l, r.Scan(&l.ID, &l.URL, &l.Title, &l.Source, &l.Summary, asTime(&l.CreatedAt))
}

// AddLink puts one on the pile.
func (t *Tx) AddLink(ctx context.Context, l *newsletter.Link) error {
	id, err := t.insert(ctx, `INSERT INTO links (url, title, source, summary, created_at) VALUES (?, ?, ?, ?, ?) RETURNING id`,
		l.URL, l.Title, l.Source, l.Summary, ms(l.CreatedAt))
	l.ID = id
	return taken(err, "url", "이미 모아 둔 링크예요.")
}

// Link returns one by id.
func (t *Tx) Link(ctx context.Context, id int64) (newsletter.Link, error) {
	l, err := scanLink(t.queryRow(ctx, linkColumns+` AND id = ?`, id))
	return l, missing(err, "없는 링크예요.")
}

// LinkByURL returns one by its address.
func (t *Tx) LinkByURL(ctx context.Context, url string) (newsletter.Link, error) {
	l, err := scanLink(t.queryRow(ctx, linkColumns+` AND url = ?`, url))
	return l, missing(err, "모아 둔 링크가 아니에요.")
}

// Links lists the newest first.
func (t *Tx) Links(ctx context.Context, query string, cursor int64, limit int) ([]newsletter.Link, error) {
	var w where
	if query != "" {
		w.and(`(title {{like}} ? ESCAPE '\' OR url {{like}} ? ESCAPE '\')`, contains(query), contains(query))
	}
	if cursor > 0 {
		w.and(`id < ?`, cursor)
	}
	return list(ctx, t, scanLink, linkColumns+w.text+` ORDER BY id DESC LIMIT ?`, append(w.args, limit+1)...)
}

// DeleteLink takes one off the pile.
func (t *Tx) DeleteLink(ctx context.Context, id int64) error {
	return t.swap(ctx, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 링크예요."}, `DELETE FROM links WHERE id = ?`, id)
}
