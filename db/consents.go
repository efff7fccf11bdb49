package db

import (
	"context"
	"time"

	"techissue/newsletter"
)

// AddConsent appends to the ledger.
func (t *Tx) AddConsent(ctx context.Context, c newsletter.Consent) error {
	_, err := t.exec(ctx, `
		INSERT INTO consents (subscriber_id, addr_key, kind, granted, text_version, at, ip, form, source, confirmed)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.Subscriber, c.AddrKey, c.Kind, flag(c.Granted), c.TextVersion, ms(c.At), c.IP, c.Form, c.Source, c.Confirmed)
	return err
}

// Consents lists a reader's ledger, oldest first.
func (t *Tx) Consents(ctx context.Context, id newsletter.SubscriberID) ([]newsletter.Consent, error) {
	return list(ctx, t, func(r scanner) (c newsletter.Consent, err error) {
		err = r.Scan(&c.ID, &c.Subscriber, &c.AddrKey, &c.Kind, asFlag(&c.Granted), &c.TextVersion, asTime(&c.At), &c.IP, &c.Form, &c.Source, &c.Confirmed)
		return c, err
	}, `
		SELECT id, subscriber_id, addr_key, kind, granted, text_version, at, ip, form, source, confirmed
		FROM consents WHERE subscriber_id = ? ORDER BY id`, id)
}

// AddEvent appends to a reader's timeline.
func (t *Tx) AddEvent(ctx context.Context, e newsletter.Event) error {
	_, err := t.exec(ctx, `INSERT INTO events (subscriber_id, kind, detail, at) VALUES (?, ?, ?, ?)`, e.Subscriber, e.Kind, e.Detail, ms(e.At))
	return err
}

// Events lists a reader's timeline, oldest first.
func (t *Tx) Events(ctx context.Context, id newsletter.SubscriberID) ([]newsletter.Event, error) {
	return list(ctx, t, func(r scanner) (e newsletter.Event, err error) {
		return e, r.Scan(&e.ID, &e.Subscriber, &e.Kind, &e.Detail, asTime(&e.At))
	}, `SELECT id, subscriber_id, kind, detail, at FROM events WHERE subscriber_id = ? ORDER BY id`, id)
}

// PutGrant inserts a grant, or marks one as used: exactly once, or Conflict.
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

// takeLimit begins a new window when the old one is over.
const takeLimit = `
INSERT INTO limits (name, window_start, n, last_at) VALUES (?, ?, 1, ?)
ON CONFLICT (name) DO UPDATE SET
	n = CASE WHEN limits.window_start = excluded.window_start THEN limits.n + 1 ELSE 1 END,
	window_start = excluded.window_start, last_at = excluded.last_at
RETURNING n`

// Take counts one use of a limit. Windows begin at multiples of their length.
func (t *Tx) Take(ctx context.Context, name string, window time.Duration, now time.Time) (n int, err error) {
	err = t.queryRow(ctx, takeLimit, name, ms(now.Truncate(window)), ms(now)).Scan(&n)
	return n, err
}

// LastTaken tells when a limit was last used.
func (t *Tx) LastTaken(ctx context.Context, name string) (at time.Time, err error) {
	err = t.queryRow(ctx, `SELECT last_at FROM limits WHERE name = ?`, name).Scan(asTime(&at))
	if newsletter.KindOf(err) == newsletter.NotFound {
		err = nil
	}
	return at, err
}
