package db

import (
	"context"
	"fmt"
	"time"

	"techissue/newsletter"
)

// What a crash leaves: leased letters were not handed and are owed as before; handing ones are in doubt, and the clock
// of their second try begins now. Each walks the few rows of the index _open.
const (
	requeueLeasedDeliveries = `UPDATE deliveries SET state = 'queued' WHERE state = 'leased' AND (node = ? OR ? = 0)`
	requeueLeasedNotices    = `UPDATE notices SET state = 'queued' WHERE state = 'leased' AND (node = ? OR ? = 0)`
	doubtHandedDeliveries   = `UPDATE deliveries SET state = 'uncertain', reason = 'crash', done_at = ? WHERE state = 'handing' AND (node = ? OR ? = 0)`
	doubtHandedNotices      = `UPDATE notices SET state = 'uncertain', reason = 'crash', done_at = ? WHERE state = 'handing' AND (node = ? OR ? = 0)`
)

// What is in doubt gets a line in its record, like any other attempt: when it was found, and that nobody heard an answer. How far it had
// come behind the gate died with the process.
const (
	crashedDeliveries = `
INSERT INTO attempts (delivery_id, lease, at, stage, code, reply, outcome)
SELECT id, lease, CAST(? AS {{bigint}}), '', 0, 'the mailer ended before an answer was kept', 'uncertain' FROM deliveries WHERE state = 'handing' AND (node = ? OR ? = 0)`
	crashedNotices = `
INSERT INTO attempts (notice_id, lease, at, stage, code, reply, outcome)
SELECT id, lease, CAST(? AS {{bigint}}), '', 0, 'the mailer ended before an answer was kept', 'uncertain' FROM notices WHERE state = 'handing' AND (node = ? OR ? = 0)`
)

// Recover takes back what was in flight.
func (s Store) Recover(ctx context.Context, node int64, now time.Time) (newsletter.Recovered, error) {
	var r newsletter.Recovered
	err := s.Quick(ctx, func(tx *Tx) error {
		r = newsletter.Recovered{}
		for _, query := range []string{crashedDeliveries, crashedNotices} {
			if _, err := tx.exec(ctx, query, ms(now), node, node); err != nil {
				return err
			}
		}
		for _, q := range []struct {
			text  string
			count *int64
			args  []any
		}{
			{requeueLeasedDeliveries, &r.Requeued, []any{node, node}},
			{requeueLeasedNotices, &r.Requeued, []any{node, node}},
			{doubtHandedDeliveries, &r.Uncertain, []any{ms(now), node, node}},
			{doubtHandedNotices, &r.Uncertain, []any{ms(now), node, node}},
		} {
			n, err := tx.exec(ctx, q.text, q.args...)
			if err != nil {
				return err
			}
			*q.count += n
		}
		return nil
	})
	return r, err
}

// What a clock that was set back pushed into a future that no wait reaches. A portion waits for days and is meant to.
const (
	pullDueDeliveries = `
UPDATE deliveries SET due_at = ? WHERE state = 'queued' AND due_at > ?
AND issue_id IN (SELECT i.id FROM issues i WHERE (i.state = 'sending' OR i.state = 'paused') AND (i.portions < 2 OR deliveries.attempts > 0))`
	pullDueNotices      = `UPDATE notices SET due_at = ? WHERE state = 'queued' AND attempts > 0 AND due_at > ?`
	pullDoubtDeliveries = `UPDATE deliveries SET done_at = ? WHERE state = 'uncertain' AND done_at > ?`
	pullDoubtNotices    = `UPDATE notices SET done_at = ? WHERE state = 'uncertain' AND done_at > ?`
)

// ClockSetBack makes letters due that wait for longer than the longest wait there is, and counts doubts from now.
func (s Store) ClockSetBack(ctx context.Context, longest time.Duration, now time.Time) (n int64, err error) {
	err = s.DB.Update(ctx, func(tx *Tx) error {
		n = 0
		for _, q := range []struct {
			text   string
			beyond time.Time
		}{{pullDueDeliveries, now.Add(longest)}, {pullDueNotices, now.Add(longest)}, {pullDoubtDeliveries, now}, {pullDoubtNotices, now}} {
			m, err := tx.exec(ctx, q.text, ms(now), ms(q.beyond))
			if err != nil {
				return fmt.Errorf("clock set back: %w", err)
			}
			n += m
		}
		return nil
	})
	return n, err
}

const (
	secondTryAfter       = 15 * time.Minute
	secondTryAfterSingle = 5 * time.Minute
)

// anySecondTry is asked several times a second, so that a write begins only where there is something to write.
const anySecondTry = `
SELECT CASE WHEN EXISTS (
	SELECT 1 FROM deliveries d JOIN issues i ON i.id = d.issue_id
	WHERE d.state = 'uncertain' AND d.resent = 0 AND d.done_at <= ?
	AND i.uncertain = 'resend_once' AND i.state IN ('sending', 'paused'))
OR EXISTS (SELECT 1 FROM notices n WHERE n.state = 'uncertain' AND n.resent = 0 AND n.done_at <= ?)
THEN 1 ELSE 0 END`

const secondTryDeliveries = `
UPDATE deliveries SET state = 'queued', resent = 1, reason = '', due_at = ?, done_at = NULL
WHERE state = 'uncertain' AND resent = 0 AND done_at <= ?
AND EXISTS (SELECT 1 FROM issues i WHERE i.id = deliveries.issue_id AND i.uncertain = 'resend_once' AND i.state IN ('sending', 'paused'))`

const secondTryNotices = `
UPDATE notices SET state = 'queued', resent = 1, reason = '', due_at = ?, done_at = NULL
WHERE state = 'uncertain' AND resent = 0 AND done_at <= ?`

// SecondTries queues uncertain letters once more where the policy says so. It looks at the issue, which may be
// cancelled at the same time, so it is a whole Update.
func (s Store) SecondTries(ctx context.Context, now time.Time) (int64, error) {
	before, beforeSingle := ms(now.Add(-secondTryAfter)), ms(now.Add(-secondTryAfterSingle))
	var due bool
	var total int64
	err := s.DB.View(ctx, func(tx *Tx) error { return tx.queryRow(ctx, anySecondTry, before, beforeSingle).Scan(asFlag(&due)) })
	if err != nil || !due {
		return 0, err
	}
	err = s.DB.Update(ctx, func(tx *Tx) error {
		n, err := tx.exec(ctx, secondTryDeliveries, ms(now), before)
		if err != nil {
			return err
		}
		m, err := tx.exec(ctx, secondTryNotices, ms(now), beforeSingle)
		total = n + m
		return err
	})
	return total, err
}
