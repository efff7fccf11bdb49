package db

import (
	"context"
	"strings"
	"time"

	"techissue/newsletter"
)

const adminColumns = `SELECT id, email, role, password_hash, created_at, last_login_at FROM admins WHERE TRUE`

func scanAdmin(r scanner) (a newsletter.Admin, err error) {
	var email string
	err = r.Scan(&a.ID, &email, &a.Role, &a.PasswordHash, asTime(&a.CreatedAt), asTime(&a.LastLoginAt))
	a.Email = newsletter.StoredAddress(email)
	return a, err
}

// Admins lists everybody with a desk.
func (t *Tx) Admins(ctx context.Context) ([]newsletter.Admin, error) {
	return list(ctx, t, scanAdmin, adminColumns+` ORDER BY id`)
}

// Admin returns one by id.
func (t *Tx) Admin(ctx context.Context, id newsletter.AdminID) (newsletter.Admin, error) {
	a, err := scanAdmin(t.queryRow(ctx, adminColumns+` AND id = ?`, id))
	return a, missing(err, "없는 관리자예요.")
}

// AdminByEmail returns one by address.
func (t *Tx) AdminByEmail(ctx context.Context, email newsletter.Address) (newsletter.Admin, error) {
	a, err := scanAdmin(t.queryRow(ctx, adminColumns+` AND email = ?`, email.String()))
	return a, missing(err, "없는 관리자예요.")
}

// PutAdmin inserts or changes one.
func (t *Tx) PutAdmin(ctx context.Context, a *newsletter.Admin) error {
	if a.ID == 0 {
		id, err := t.insert(ctx, `INSERT INTO admins (email, role, password_hash, created_at, last_login_at) VALUES (?, ?, ?, ?, ?) RETURNING id`,
			a.Email.String(), a.Role, a.PasswordHash, ms(a.CreatedAt), orNull(a.LastLoginAt))
		a.ID = newsletter.AdminID(id)
		return taken(err, "email", "이미 있는 관리자예요.")
	}
	err := t.swap(ctx, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 관리자예요."}, `
		UPDATE admins SET email = ?, role = ?, password_hash = ?, last_login_at = ? WHERE id = ?`,
		a.Email.String(), a.Role, a.PasswordHash, orNull(a.LastLoginAt), a.ID)
	return taken(err, "email", "이미 있는 관리자예요.")
}

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

const keyColumns = `SELECT id, name, hash, scopes, created_at, expires_at, last_used_at, revoked_at FROM api_keys WHERE TRUE`

func scanKey(r scanner) (k newsletter.APIKey, err error) {
	var scopes string
	err = r.Scan(&k.ID, &k.Name, &k.Hash, &scopes, asTime(&k.CreatedAt), asTime(&k.ExpiresAt), asTime(&k.LastUsedAt), asTime(&k.RevokedAt))
	for _, s := range strings.Fields(scopes) {
		k.Scopes = append(k.Scopes, newsletter.Scope(s))
	}
	return k, err
}

// PutAPIKey inserts one or changes its times.
func (t *Tx) PutAPIKey(ctx context.Context, k *newsletter.APIKey) error {
	if k.ID != 0 {
		return t.swap(ctx, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 키예요."},
			`UPDATE api_keys SET expires_at = ?, last_used_at = ?, revoked_at = ? WHERE id = ?`, orNull(k.ExpiresAt), orNull(k.LastUsedAt), orNull(k.RevokedAt), k.ID)
	}
	scopes := make([]string, len(k.Scopes))
	for n, s := range k.Scopes {
		scopes[n] = string(s)
	}
	id, err := t.insert(ctx, `INSERT INTO api_keys (name, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?) RETURNING id`,
		k.Name, k.Hash, strings.Join(scopes, " "), ms(k.CreatedAt), orNull(k.ExpiresAt))
	k.ID = id
	return err
}

// APIKeys lists all of them, revoked ones too.
func (t *Tx) APIKeys(ctx context.Context) ([]newsletter.APIKey, error) {
	return list(ctx, t, scanKey, keyColumns+` ORDER BY id`)
}

// APIKeyByHash returns one by the hash of its secret.
func (t *Tx) APIKeyByHash(ctx context.Context, hash string) (newsletter.APIKey, error) {
	k, err := scanKey(t.queryRow(ctx, keyColumns+` AND hash = ?`, hash))
	return k, missing(err, "없는 키예요.")
}

// Audit appends to the record of the desk.
func (t *Tx) Audit(ctx context.Context, e newsletter.AuditEntry) error {
	_, err := t.exec(ctx, `INSERT INTO audit (at, actor, action, object, detail, ip) VALUES (?, ?, ?, ?, ?, ?)`, ms(e.At), e.Actor, e.Action, e.Object, e.Detail, e.IP)
	return err
}

// AuditLog lists it, newest first.
func (t *Tx) AuditLog(ctx context.Context, cursor int64, limit int) ([]newsletter.AuditEntry, error) {
	var w where
	if cursor > 0 {
		w.and(`id < ?`, cursor)
	}
	return list(ctx, t, func(r scanner) (e newsletter.AuditEntry, err error) {
		return e, r.Scan(&e.ID, asTime(&e.At), &e.Actor, &e.Action, &e.Object, &e.Detail, &e.IP)
	}, `SELECT id, at, actor, action, object, detail, ip FROM audit WHERE TRUE`+w.text+` ORDER BY id DESC LIMIT ?`, append(w.args, limit+1)...)
}

// Replay returns the remembered answer to a call.
func (t *Tx) Replay(ctx context.Context, key string) (newsletter.Replay, error) {
	r := newsletter.Replay{Key: key}
	err := t.queryRow(ctx, `SELECT body_hash, status, header, body, at FROM replays WHERE key = ?`, key).Scan(&r.BodyHash, &r.Status, &r.Header, &r.Body, asTime(&r.At))
	return r, missing(err, "없는 요청이에요.")
}

// PutReplay remembers an answer, once.
func (t *Tx) PutReplay(ctx context.Context, r newsletter.Replay) error {
	body := r.Body
	if body == nil {
		body = []byte{}
	}
	_, err := t.exec(ctx, `INSERT INTO replays (key, body_hash, status, header, body, at) VALUES (?, ?, ?, ?, ?, ?)`, r.Key, r.BodyHash, r.Status, r.Header, body, ms(r.At))
	return err
}

// DropReplays forgets old answers.
func (t *Tx) DropReplays(ctx context.Context, before time.Time) error {
	_, err := t.exec(ctx, `DELETE FROM replays WHERE at < ?`, ms(before))
	return err
}
