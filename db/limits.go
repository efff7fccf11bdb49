package db

import (
	"context"
	"time"

	"techissue/newsletter"
)

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
