package db

import (
	"context"
	"fmt"
	"time"

	"techissue/newsletter"
)

// ForgetPending forgets somebody who never confirmed. An answer after this finds nobody, as an expired link does.
func (t *Tx) ForgetPending(ctx context.Context, id newsletter.SubscriberID, now time.Time) error {
	if _, err := t.exec(ctx, `DELETE FROM consents WHERE subscriber_id = ?`, id); err != nil {
		return err
	}
	return t.EraseSubscriber(ctx, id, now)
}

const staleHits = `
SELECT i.id FROM issues i WHERE i.archived = 0 AND i.accepted_at < ?
AND NOT EXISTS (SELECT 1 FROM kept_tallies k WHERE k.issue_id = i.id AND k.swept_at > ?)
ORDER BY i.id LIMIT 1`

// StaleHits names an issue to sweep.
func (t *Tx) StaleHits(ctx context.Context, before, sweptBefore time.Time) (id newsletter.IssueID, err error) {
	return id, t.queryRow(ctx, staleHits, ms(before), ms(sweptBefore)).Scan(&id)
}

// HitsSwept notes that an issue was swept.
func (t *Tx) HitsSwept(ctx context.Context, id newsletter.IssueID, now time.Time) error {
	_, err := t.exec(ctx, `
		INSERT INTO kept_tallies (issue_id, swept_at) VALUES (?, ?) ON CONFLICT (issue_id) DO UPDATE SET swept_at = excluded.swept_at`, id, ms(now))
	return err
}

// sweepChunk is how many letters are swept at once.
const sweepChunk = 1000

const sweepEnd = `
SELECT COALESCE(MAX(id), 0) FROM (SELECT id FROM deliveries WHERE issue_id = ? AND id > ? ORDER BY id LIMIT ?) c`

const sweepPeople = peopleTally + ` AND d.id > ? AND d.id <= ?`

const sweepLinks = `
SELECT h.link_id, COUNT(DISTINCT h.delivery_id), COUNT(DISTINCT CASE WHEN h.machine = 0 THEN h.delivery_id END)
FROM deliveries d JOIN hits h ON h.delivery_id = d.id
WHERE d.issue_id = ? AND d.clicked_at IS NOT NULL AND h.kind = 'click' AND d.id > ? AND d.id <= ?
GROUP BY h.link_id`

const keepTally = `
INSERT INTO kept_tallies (issue_id, opened, clicked, people_opened, people_clicked) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (issue_id) DO UPDATE SET opened = kept_tallies.opened + excluded.opened, clicked = kept_tallies.clicked + excluded.clicked,
	people_opened = kept_tallies.people_opened + excluded.people_opened, people_clicked = kept_tallies.people_clicked + excluded.people_clicked`

const keepLink = `
INSERT INTO kept_links (link_id, letters, people) VALUES (?, ?, ?)
ON CONFLICT (link_id) DO UPDATE SET letters = kept_links.letters + excluded.letters, people = kept_links.people + excluded.people`

// swept is what some letters of an issue counted.
type swept struct {
	people, clickers int64
	links            map[int64][2]int64
}

func (t *Tx) sweepSums(ctx context.Context, id newsletter.IssueID, after, last newsletter.DeliveryID) (s swept, err error) {
	if err := t.queryRow(ctx, sweepPeople, id, after, last).Scan(&s.people, &s.clickers); err != nil {
		return s, err
	}
	s.links = map[int64][2]int64{}
	_, err = list(ctx, t, func(r scanner) (struct{}, error) {
		var link int64
		var n [2]int64
		err := r.Scan(&link, &n[0], &n[1])
		s.links[link] = n
		return struct{}{}, err
	}, sweepLinks, id, after, last)
	return s, err
}

// SweepHits destroys records of openings and clicks and keeps what they add up to, so that an old issue's report does not change.
func (t *Tx) SweepHits(ctx context.Context, id newsletter.IssueID, after newsletter.DeliveryID, before time.Time) (last newsletter.DeliveryID, err error) {
	if err := t.queryRow(ctx, sweepEnd, id, after, sweepChunk).Scan(&last); err != nil || last == 0 {
		return 0, err
	}
	was, err := t.sweepSums(ctx, id, after, last)
	if err != nil {
		return 0, err
	}
	const mine = ` WHERE issue_id = ? AND id > ? AND id <= ?`
	var opened, clicked int64
	for _, step := range []struct {
		n    *int64
		text string
		args []any
	}{
		{nil, `DELETE FROM hits WHERE at < ? AND delivery_id IN (SELECT id FROM deliveries` + mine + `)`, []any{ms(before), id, after, last}},
		{&opened, `UPDATE deliveries SET opened_at = NULL` + mine + ` AND opened_at < ?`, []any{id, after, last, ms(before)}},
		{&clicked, `UPDATE deliveries SET clicked_at = NULL` + mine + ` AND clicked_at < ?`, []any{id, after, last, ms(before)}},
	} {
		n, err := t.exec(ctx, step.text, step.args...)
		if err != nil {
			return 0, fmt.Errorf("sweep hits: %w", err)
		}
		if step.n != nil {
			*step.n = n
		}
	}
	is, err := t.sweepSums(ctx, id, after, last)
	if err != nil {
		return 0, err
	}
	if _, err := t.exec(ctx, keepTally, id, opened, clicked, was.people-is.people, was.clickers-is.clickers); err != nil {
		return 0, err
	}
	for link, n := range was.links {
		if now := is.links[link]; n != now {
			if _, err := t.exec(ctx, keepLink, link, n[0]-now[0], n[1]-now[1]); err != nil {
				return 0, err
			}
		}
	}
	return last, nil
}

// keptTally adds what was swept to an issue's sums.
func (t *Tx) keptTally(ctx context.Context, id newsletter.IssueID, y *newsletter.Tally) error {
	var k newsletter.Tally
	err := t.queryRow(ctx, `SELECT opened, clicked, people_opened, people_clicked FROM kept_tallies WHERE issue_id = ?`, id).
		Scan(&k.Opened, &k.Clicked, &k.PeopleOpened, &k.PeopleClicked)
	if newsletter.KindOf(err) == newsletter.NotFound {
		return nil
	}
	y.Opened, y.Clicked, y.PeopleOpened, y.PeopleClicked = y.Opened+k.Opened, y.Clicked+k.Clicked, y.PeopleOpened+k.PeopleOpened, y.PeopleClicked+k.PeopleClicked
	return err
}

const overNotices = `
SELECT id FROM notices
WHERE state = 'skipped' AND done_at < ? OR state IN ('sent', 'failed', 'expired', 'cancelled', 'skipped') AND created_at < ?
ORDER BY id LIMIT ?`

// DropNotices destroys single letters that are long over.
func (t *Tx) DropNotices(ctx context.Context, before, skippedBefore time.Time, limit int) (int, error) {
	ids, err := list(ctx, t, func(r scanner) (id int64, err error) { return id, r.Scan(&id) }, overNotices, ms(skippedBefore), ms(before), limit)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		for _, text := range []string{`DELETE FROM attempts WHERE notice_id = ?`, `DELETE FROM feedback WHERE notice_id = ?`, `DELETE FROM notices WHERE id = ?`} {
			if _, err := t.exec(ctx, text, id); err != nil {
				return 0, fmt.Errorf("drop notices: %w", err)
			}
		}
	}
	return len(ids), nil
}
