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
