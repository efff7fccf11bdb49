package db

import (
	"context"
	"crypto/rand"
	"time"

	"techissue/newsletter"
)

// Settings returns what the admin has set.
func (t *Tx) Settings(ctx context.Context) (map[string]string, error) {
	set := map[string]string{}
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var name, value string
		err := r.Scan(&name, &value)
		set[name] = value
		return struct{}{}, err
	}, `SELECT name, value FROM settings`)
	return set, err
}

// PutSetting changes one.
func (t *Tx) PutSetting(ctx context.Context, name, value string, now time.Time) error {
	_, err := t.exec(ctx, `
		INSERT INTO settings (name, value, updated_at) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at`, name, value, ms(now))
	return err
}

// TokenKeys lists the stored keys.
func (t *Tx) TokenKeys(ctx context.Context) ([]newsletter.TokenKey, error) {
	return list(ctx, t, func(r scanner) (k newsletter.TokenKey, err error) {
		return k, r.Scan(&k.ID, &k.Purpose, &k.Key)
	}, `SELECT id, purpose, key FROM token_keys ORDER BY id, purpose`)
}

// PutTokenKey keeps a derived key; one that is there stays as it is.
func (t *Tx) PutTokenKey(ctx context.Context, k newsletter.TokenKey) error {
	_, err := t.exec(ctx, `INSERT INTO token_keys (id, purpose, key) VALUES (?, ?, ?) ON CONFLICT (id, purpose) DO NOTHING`, k.ID, k.Purpose, k.Key)
	return err
}

// AddressHashKey returns the key of address hashes, made by whoever comes first. Only then it needs an Update.
func (t *Tx) AddressHashKey(ctx context.Context) (key []byte, err error) {
	const stored = `SELECT addr_key FROM house WHERE id = 1`
	if err := t.queryRow(ctx, stored).Scan(&key); err != nil || len(key) > 0 {
		return key, err
	}
	fresh := make([]byte, 32)
	rand.Read(fresh) // never fails: it ends the program instead
	if _, err := t.exec(ctx, `UPDATE house SET addr_key = ? WHERE id = 1 AND addr_key IS NULL`, fresh); err != nil {
		return nil, err
	}
	return key, t.queryRow(ctx, stored).Scan(&key)
}

// BumpRevision tells every node that pages changed.
func (t *Tx) BumpRevision(ctx context.Context) error {
	_, err := t.exec(ctx, `UPDATE revision SET n = n + 1 WHERE id = 1`)
	return err
}

// Revision returns the number that pages in memory are compared with.
func (t *Tx) Revision(ctx context.Context) (n int64, err error) {
	return n, t.queryRow(ctx, `SELECT n FROM revision WHERE id = 1`).Scan(&n)
}

// Emit appends to the outbox.
func (t *Tx) Emit(ctx context.Context, kind, payload string, now time.Time) error {
	_, err := t.exec(ctx, `INSERT INTO outbox (kind, payload, at) VALUES (?, ?, ?)`, kind, payload, ms(now))
	return err
}

// IsDemo and MarkDemo tell a demo's database from a real one.
func (t *Tx) IsDemo(ctx context.Context) (demo bool, err error) {
	return demo, t.queryRow(ctx, `SELECT demo FROM house WHERE id = 1`).Scan(asFlag(&demo))
}

// MarkDemo makes the database a demo's for good.
func (t *Tx) MarkDemo(ctx context.Context) error {
	_, err := t.exec(ctx, `UPDATE house SET demo = 1 WHERE id = 1`)
	return err
}
