package db

import (
	"context"

	"techissue/newsletter"
)

// PutGrant inserts a grant, or marks one as used: exactly once, or Gone.
func (t *Tx) PutGrant(ctx context.Context, g *newsletter.Grant) error {
	if g.ID != 0 {
		used := &newsletter.Error{Kind: newsletter.Gone, Code: "used", Msg: "이미 사용한 링크예요."}
		return t.swap(ctx, used, `UPDATE grants SET used_at = ? WHERE id = ? AND used_at IS NULL`, orNull(g.UsedAt), g.ID)
	}
	id, err := t.insert(ctx, `
		INSERT INTO grants (kind, subscriber_id, detail, created_at, expires_at) VALUES (?, ?, ?, ?, ?) RETURNING id`,
		g.Kind, g.Subscriber, g.Detail, ms(g.CreatedAt), ms(g.ExpiresAt))
	g.ID = id
	return err
}

// Grant returns a mailed permission.
func (t *Tx) Grant(ctx context.Context, id int64) (newsletter.Grant, error) {
	g := newsletter.Grant{ID: id}
	err := t.queryRow(ctx, `SELECT kind, subscriber_id, detail, created_at, expires_at, used_at FROM grants WHERE id = ?`, id).
		Scan(&g.Kind, &g.Subscriber, &g.Detail, asTime(&g.CreatedAt), asTime(&g.ExpiresAt), asTime(&g.UsedAt))
	return g, missing(err, "링크가 올바르지 않아요.")
}
