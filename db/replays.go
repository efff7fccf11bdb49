package db

import (
	"context"
	"time"

	"techissue/newsletter"
)

// Replay returns the remembered answer to a call.
func (t *Tx) Replay(ctx context.Context, key string) (newsletter.Replay, error) {
	r := newsletter.Replay{Key: key}
	err := t.queryRow(ctx, `SELECT body_hash, status, header, body, at FROM replays WHERE key = ?`, key).Scan(&r.BodyHash, &r.Status, &r.Header, &r.Body, asTime(&r.At))
	return r, missing(err, "없는 요청이에요.")
}

// PutReplay reserves a key, once.
func (t *Tx) PutReplay(ctx context.Context, r newsletter.Replay) error {
	_, err := t.exec(ctx, `INSERT INTO replays (key, body_hash, status, header, body, at) VALUES (?, ?, ?, ?, ?, ?)`,
		r.Key, r.BodyHash, r.Status, r.Header, bytesOf(r.Body), ms(r.At))
	return taken(err, "Idempotency-Key", "이미 쓴 Idempotency-Key예요.")
}

func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// MarkReplay notes how far a reserved call came.
func (t *Tx) MarkReplay(ctx context.Context, key string, status int) error {
	_, err := t.exec(ctx, `UPDATE replays SET status = ? WHERE key = ? AND status < 100`, status, key)
	return err
}

// FinishReplay keeps the answer to a reserved call.
func (t *Tx) FinishReplay(ctx context.Context, r newsletter.Replay) error {
	_, err := t.exec(ctx, `UPDATE replays SET status = ?, header = ?, body = ? WHERE key = ? AND at = ? AND status < 100`,
		r.Status, r.Header, bytesOf(r.Body), r.Key, ms(r.At))
	return err
}

// DropReplay gives a reservation back.
func (t *Tx) DropReplay(ctx context.Context, r newsletter.Replay) error {
	_, err := t.exec(ctx, `DELETE FROM replays WHERE key = ? AND at = ? AND status = ?`, r.Key, ms(r.At), r.Status)
	return err
}

// DropReplays forgets old answers.
func (t *Tx) DropReplays(ctx context.Context, before time.Time) error {
	_, err := t.exec(ctx, `DELETE FROM replays WHERE at < ?`, ms(before))
	return err
}
