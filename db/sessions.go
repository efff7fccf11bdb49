package db

import (
	"context"

	"techissue/newsletter"
)

const sessionColumns = `SELECT hash, admin_id, created_at, seen_at, ip, agent FROM sessions WHERE TRUE`

func scanSession(r scanner) (s newsletter.Session, err error) {
	return s, r.Scan(&s.Hash, &s.Admin, asTime(&s.CreatedAt), asTime(&s.SeenAt), &s.IP, &s.Agent)
}

// PutSession inserts one or notes when it was last seen.
func (t *Tx) PutSession(ctx context.Context, s newsletter.Session) error {
	_, err := t.exec(ctx, `
		INSERT INTO sessions (hash, admin_id, created_at, seen_at, ip, agent) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (hash) DO UPDATE SET seen_at = excluded.seen_at`,
		s.Hash, s.Admin, ms(s.CreatedAt), ms(s.SeenAt), s.IP, s.Agent)
	return err
}

// Session returns one by the hash of its token.
func (t *Tx) Session(ctx context.Context, hash string) (newsletter.Session, error) {
	s, err := scanSession(t.queryRow(ctx, sessionColumns+` AND hash = ?`, hash))
	return s, missing(err, "로그인이 필요해요.")
}

// Sessions lists where a person is signed in, newest first.
func (t *Tx) Sessions(ctx context.Context, id newsletter.AdminID) ([]newsletter.Session, error) {
	return list(ctx, t, scanSession, sessionColumns+` AND admin_id = ? ORDER BY seen_at DESC`, id)
}

// DeleteSession signs one browser out.
func (t *Tx) DeleteSession(ctx context.Context, hash string) error {
	_, err := t.exec(ctx, `DELETE FROM sessions WHERE hash = ?`, hash)
	return err
}

// DeleteSessions signs a person out everywhere, 0 everybody.
func (t *Tx) DeleteSessions(ctx context.Context, id newsletter.AdminID) error {
	_, err := t.exec(ctx, `DELETE FROM sessions WHERE admin_id = ? OR ? = 0`, id, id)
	return err
}
