package db

import (
	"context"
	"time"

	"techissue/newsletter"
)

// WantCards asks for cards once.
func (t *Tx) WantCards(ctx context.Context, urls []string, now time.Time) error {
	for _, u := range urls {
		_, err := t.exec(ctx, `INSERT INTO link_cards (url, state, due_at, at) VALUES (?, 'wanted', ?, ?) ON CONFLICT DO NOTHING`, u, ms(now), ms(now))
		if err != nil {
			return err
		}
	}
	return nil
}

// WaitingCards counts addresses to be read now.
func (t *Tx) WaitingCards(ctx context.Context, now time.Time) (n int64, err error) {
	return n, t.queryRow(ctx, `SELECT COUNT(*) FROM link_cards WHERE state = 'wanted' AND due_at <= ?`, ms(now)).Scan(&n)
}

// ClaimCards puts a few off for whoever reads them now.
func (t *Tx) ClaimCards(ctx context.Context, limit int, pause time.Duration, now time.Time) ([]string, error) {
	return list(ctx, t, scanText, `
		UPDATE link_cards SET due_at = ?, tries = tries + 1
		WHERE url IN (SELECT url FROM link_cards WHERE state = 'wanted' AND due_at <= ? ORDER BY due_at, url LIMIT ? {{skip_locked}})
		RETURNING url`, ms(now.Add(pause)), ms(now), limit)
}

// KeepCard writes what was found, or waits longer each time.
func (t *Tx) KeepCard(ctx context.Context, c newsletter.Card, now time.Time) error {
	if c.Title != "" {
		_, err := t.exec(ctx, `UPDATE link_cards SET title = ?, summary = ?, site = ?, state = 'done', at = ? WHERE url = ?`,
			c.Title, c.Summary, c.Site, ms(now), c.URL)
		return err
	}
	_, err := t.exec(ctx, `
		UPDATE link_cards SET at = ?, due_at = CAST(? AS {{bigint}}) + tries * 1800000, state = CASE WHEN tries >= 3 THEN 'failed' ELSE 'wanted' END
		WHERE url = ?`, ms(now), ms(now), c.URL)
	return err
}

// Cards returns those with a title.
func (t *Tx) Cards(ctx context.Context, urls []string) (map[string]newsletter.Card, error) {
	cards := map[string]newsletter.Card{}
	if len(urls) == 0 {
		return cards, nil
	}
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var c newsletter.Card
		err := r.Scan(&c.URL, &c.Title, &c.Summary, &c.Site)
		cards[c.URL] = c
		return struct{}{}, err
	}, `SELECT url, title, summary, site FROM link_cards WHERE title <> '' AND url IN (`+marks(len(urls))+`)`, anyOf(urls)...)
	return cards, err
}
