package db

import (
	"context"
	"time"
)

// Announce owes a page; one that is owed waits anew.
func (t *Tx) Announce(ctx context.Context, path string, due time.Time) error {
	_, err := t.exec(ctx, `
		INSERT INTO announcements (path, due_at) VALUES (?, ?)
		ON CONFLICT (path) DO UPDATE SET tries = 0, due_at = excluded.due_at`, path, ms(due))
	return err
}

// ClaimAnnouncements puts a few off for whoever tells of them now.
func (t *Tx) ClaimAnnouncements(ctx context.Context, limit int, pause time.Duration, now time.Time) ([]string, error) {
	if _, err := t.exec(ctx, `DELETE FROM announcements WHERE tries >= 5 AND due_at <= ?`, ms(now)); err != nil {
		return nil, err
	}
	return list(ctx, t, scanText, `
		UPDATE announcements SET tries = tries + 1, due_at = ?
		WHERE path IN (SELECT path FROM announcements WHERE due_at <= ? ORDER BY due_at, path LIMIT ? {{skip_locked}})
		RETURNING path`, ms(now.Add(pause)), ms(now), limit)
}

// Announced forgets pages, but those that changed meanwhile.
func (t *Tx) Announced(ctx context.Context, paths []string) error {
	_, err := t.exec(ctx, `DELETE FROM announcements WHERE tries > 0 AND path IN (`+marks(len(paths))+`)`, anyOf(paths)...)
	return err
}
