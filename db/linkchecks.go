package db

import (
	"context"
	"time"

	"techissue/newsletter"
)

const wantLinkCheck = `
INSERT INTO link_checks (url, state, due_at, at) VALUES (?, 'wanted', ?, ?)
ON CONFLICT (url) DO UPDATE SET state = 'wanted', due_at = excluded.due_at, at = excluded.at
WHERE link_checks.state <> 'wanted' AND link_checks.at < ?`

// WantLinkChecks asks for addresses that nobody has looked at since.
func (t *Tx) WantLinkChecks(ctx context.Context, urls []string, since, now time.Time) error {
	for _, u := range urls {
		if _, err := t.exec(ctx, wantLinkCheck, u, ms(now), ms(now), ms(since)); err != nil {
			return err
		}
	}
	return nil
}

// WaitingLinkChecks counts addresses to be looked at now.
func (t *Tx) WaitingLinkChecks(ctx context.Context, now time.Time) (n int64, err error) {
	return n, t.queryRow(ctx, `SELECT COUNT(*) FROM link_checks WHERE state = 'wanted' AND due_at <= ?`, ms(now)).Scan(&n)
}

// ClaimLinkChecks puts a few off for whoever looks at them now.
func (t *Tx) ClaimLinkChecks(ctx context.Context, limit int, pause time.Duration, now time.Time) ([]string, error) {
	return list(ctx, t, scanText, `
		UPDATE link_checks SET due_at = ?
		WHERE url IN (SELECT url FROM link_checks WHERE state = 'wanted' AND due_at <= ? ORDER BY due_at, url LIMIT ? {{skip_locked}})
		RETURNING url`, ms(now.Add(pause)), ms(now), limit)
}

// KeepLinkCheck writes what was found.
func (t *Tx) KeepLinkCheck(ctx context.Context, c newsletter.LinkCheck, now time.Time) error {
	_, err := t.exec(ctx, `UPDATE link_checks SET state = ?, said = ?, at = ? WHERE url = ?`, c.State, c.Said, ms(now), c.URL)
	return err
}

// DeadLinks returns those of the addresses that lead nowhere.
func (t *Tx) DeadLinks(ctx context.Context, urls []string) ([]newsletter.LinkCheck, error) {
	if len(urls) == 0 {
		return nil, nil
	}
	return list(ctx, t, func(r scanner) (c newsletter.LinkCheck, err error) {
		return c, r.Scan(&c.URL, &c.State, &c.Said)
	}, `SELECT url, state, said FROM link_checks WHERE state = 'dead' AND url IN (`+marks(len(urls))+`)`, anyOf(urls)...)
}
