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
		_, err := t.exec(ctx, `UPDATE link_cards SET title = ?, summary = ?, site = ?, state = 'done', at = ?, checked_at = ? WHERE url = ? AND edited = 0`,
			c.Title, c.Summary, c.Site, ms(now), ms(now), c.URL)
		return err
	}
	_, err := t.exec(ctx, `
		UPDATE link_cards SET at = ?, due_at = CAST(? AS {{bigint}}) + tries * 1800000, state = CASE WHEN tries >= 3 THEN 'failed' ELSE 'wanted' END
		WHERE url = ? AND edited = 0`, ms(now), ms(now), c.URL)
	return err
}

// EditCard writes one by hand; without a title it is wanted again.
func (t *Tx) EditCard(ctx context.Context, c newsletter.Card, now time.Time) error {
	state, edited := "done", true
	if c.Title == "" {
		state, edited = "wanted", false
	}
	_, err := t.exec(ctx, `
		INSERT INTO link_cards (url, title, summary, site, state, edited, due_at, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (url) DO UPDATE SET title = excluded.title, summary = excluded.summary, site = excluded.site, state = excluded.state,
			edited = excluded.edited, tries = 0, due_at = excluded.due_at, at = excluded.at`,
		c.URL, c.Title, c.Summary, c.Site, state, flag(edited), ms(now), ms(now))
	return err
}

// ClaimChecks gives the addresses that were looked after longest ago; one that was gone is due after a day.
func (t *Tx) ClaimChecks(ctx context.Context, limit int, before, now time.Time) ([]string, error) {
	return list(ctx, t, scanText, `
		UPDATE link_cards SET checked_at = ?
		WHERE url IN (SELECT url FROM link_cards WHERE state <> 'wanted' AND (checked_at < ? OR gone_at IS NOT NULL AND dead_at IS NULL AND checked_at < ?)
			ORDER BY checked_at, url LIMIT ? {{skip_locked}})
		RETURNING url`, ms(now), ms(before), ms(now.Add(-24*time.Hour)), limit)
}

// KeepCheck moves an address from there to gone to dead, and back at once.
func (t *Tx) KeepCheck(ctx context.Context, url string, gone bool, now time.Time) (changed bool, err error) {
	if !gone {
		n, err := t.exec(ctx, `UPDATE link_cards SET dead_at = NULL WHERE url = ? AND dead_at IS NOT NULL`, url)
		if err == nil {
			_, err = t.exec(ctx, `UPDATE link_cards SET gone_at = NULL WHERE url = ? AND gone_at IS NOT NULL`, url)
		}
		return n > 0, err
	}
	n, err := t.exec(ctx, `UPDATE link_cards SET dead_at = ? WHERE url = ? AND dead_at IS NULL AND gone_at IS NOT NULL`, ms(now), url)
	if err == nil {
		_, err = t.exec(ctx, `UPDATE link_cards SET gone_at = ? WHERE url = ? AND gone_at IS NULL`, ms(now), url)
	}
	return n > 0, err
}

// Cards returns those with a title, and the dead ones.
func (t *Tx) Cards(ctx context.Context, urls []string) (map[string]newsletter.Card, error) {
	cards := map[string]newsletter.Card{}
	if len(urls) == 0 {
		return cards, nil
	}
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var c newsletter.Card
		err := r.Scan(&c.URL, &c.Title, &c.Summary, &c.Site, asFlag(&c.Edited), asTime(&c.DeadAt))
		cards[c.URL] = c
		return struct{}{}, err
	}, `SELECT url, title, summary, site, edited, dead_at FROM link_cards WHERE (title <> '' OR dead_at IS NOT NULL) AND url IN (`+marks(len(urls))+`)`, anyOf(urls)...)
	return cards, err
}
