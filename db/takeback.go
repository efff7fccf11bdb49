package db

import (
	"context"
	"fmt"
	"time"

	"techissue/newsletter"
)

const releaseDeliveries = `
UPDATE deliveries SET state = 'queued', due_at = {{max}}(due_at, ?)
FROM (VALUES {{rows}}) v
WHERE deliveries.id = v.column1 AND deliveries.lease = v.column2 AND CASE state WHEN 'leased' THEN 1 ELSE 0 END = 1`

const releaseNotices = `
UPDATE notices SET state = 'queued', due_at = {{max}}(due_at, ?)
FROM (VALUES {{rows}}) v
WHERE notices.id = v.column1 AND notices.lease = v.column2 AND CASE state WHEN 'leased' THEN 1 ELSE 0 END = 1`

// Release gives leased letters back. A cancelled issue's are cancelled already, so they are not met here: a cancel and a
// release that touch the same row wait for each other.
func (s Store) Release(ctx context.Context, letters []newsletter.Ticket, due time.Time) error {
	for len(letters) > 0 {
		part := letters[:min(len(letters), 256)]
		letters = letters[len(part):]
		err := s.Quick(ctx, func(tx *Tx) error {
			if err := tx.release(ctx, releaseDeliveries, part, false, due); err != nil {
				return err
			}
			return tx.release(ctx, releaseNotices, part, true, due)
		})
		if err != nil {
			return fmt.Errorf("release %d letters: %w", len(part), err)
		}
	}
	return nil
}

func (t *Tx) release(ctx context.Context, query string, letters []newsletter.Ticket, single bool, due time.Time) error {
	args := []any{ms(due)}
	for _, k := range letters {
		if k.Single == single {
			args = append(args, k.ID, k.Lease)
		}
	}
	if len(args) == 1 {
		return nil
	}
	query, size := rows(query, gateDeliveriesRow, len(args)/2)
	for len(args) < 2*size+1 {
		args = append(args, 0)
	}
	_, err := t.exec(ctx, query, args...)
	return err
}

const leasesOf = `
SELECT 0, d.id, d.lease FROM deliveries d WHERE d.state = 'leased' AND d.node = ?
UNION ALL
SELECT 1, n.id, n.lease FROM notices n WHERE n.state = 'leased' AND n.node = ?`

// Leases lists what a node holds.
func (s Store) Leases(ctx context.Context, node int64) (held []newsletter.Ticket, err error) {
	err = s.DB.View(ctx, func(tx *Tx) (err error) {
		held, err = list(ctx, tx, func(r scanner) (k newsletter.Ticket, err error) {
			return k, r.Scan(asFlag(&k.Single), &k.ID, &k.Lease)
		}, leasesOf, node, node)
		return err
	})
	return held, err
}

// A suppression knows the letter it came from by its evidence and its instant, which are those of the settlement.
const refusedLetter = `
SELECT d.reply, COALESCE(d.done_at, 0), COALESCE(s.addr_key, ''), COALESCE(p.id, 0)
FROM deliveries d
LEFT JOIN subscribers s ON s.id = d.subscriber_id AND s.email = d.email
LEFT JOIN suppressions p ON p.addr_key = s.addr_key AND p.evidence = d.reply AND p.created_at = d.done_at
WHERE d.id = ? AND d.lease = ? AND d.state = 'failed'`

const takeBackLetter = `
UPDATE deliveries SET state = 'queued', reason = '', attempts = attempts - 1, due_at = ?, done_at = NULL
WHERE id = ? AND lease = ? AND state = 'failed'`

const uncountFailure = `
UPDATE issue_feedback SET hard = hard - 1 WHERE hard > 0 AND issue_id = (SELECT d.issue_id FROM deliveries d WHERE d.id = ?)`

// TakeBack undoes refusals that were nobody's fault, and pauses their issue.
func (s Store) TakeBack(ctx context.Context, issue newsletter.IssueID, letters []newsletter.Ticket, alert newsletter.Alert, now time.Time) error {
	err := s.DB.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, `UPDATE issues SET state = 'paused', pause_reason = ? WHERE id = ? AND state = 'sending'`, alert.Kind, issue)
		if err != nil {
			return err
		}
		for _, k := range letters {
			if err := tx.takeBack(ctx, k, now); err != nil {
				return err
			}
		}
		alert.Issue, alert.At = issue, now
		return tx.PutAlert(ctx, &alert)
	})
	if err != nil {
		return fmt.Errorf("take refusals back: %w", err)
	}
	return nil
}

func (t *Tx) takeBack(ctx context.Context, k newsletter.Ticket, now time.Time) error {
	var reply string
	var done, suppression int64
	var key newsletter.AddressKey
	err := t.queryRow(ctx, refusedLetter, k.ID, k.Lease).Scan(&reply, &done, &key, &suppression)
	if newsletter.KindOf(err) == newsletter.NotFound {
		return nil // not failed, or somebody queued it meanwhile
	}
	if err != nil {
		return err
	}
	hard, err := t.refusalKind(ctx, newsletter.DeliveryID(k.ID))
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, takeBackLetter, ms(now), k.ID, k.Lease); err != nil {
		return err
	}
	if hard == newsletter.BounceHard {
		if _, err := t.exec(ctx, uncountFailure, k.ID); err != nil {
			return err
		}
	}
	if suppression != 0 {
		if err := t.DeleteSuppression(ctx, suppression); err != nil {
			return err
		}
		if err := t.logLeaver(ctx, newsletter.Leaver{Key: key, At: now, Kind: "returned"}); err != nil {
			return err
		}
	}
	return t.dropUnowed(ctx, newsletter.DeliveryID(k.ID), now)
}

// Learned returns what was learned of a transport, "" when nothing was.
func (s Store) Learned(ctx context.Context, transport string) (text string, err error) {
	err = s.DB.View(ctx, func(tx *Tx) error {
		err := tx.queryRow(ctx, `SELECT text FROM learned WHERE transport = ?`, transport).Scan(&text)
		if newsletter.KindOf(err) == newsletter.NotFound {
			return nil
		}
		return err
	})
	return text, err
}

// Learn keeps it.
func (s Store) Learn(ctx context.Context, transport, text string, now time.Time) error {
	return s.Quick(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, `
			INSERT INTO learned (transport, text, updated_at) VALUES (?, ?, ?)
			ON CONFLICT (transport) DO UPDATE SET text = excluded.text, updated_at = excluded.updated_at`, transport, text, ms(now))
		return err
	})
}

// Raise opens an alert of the house or an issue, and tells whether it is news.
func (s Store) Raise(ctx context.Context, a newsletter.Alert) (news bool, err error) {
	err = s.Quick(ctx, func(tx *Tx) error {
		n, err := tx.exec(ctx, putAlert, a.Issue, a.Kind, a.Text, ms(a.At))
		news = n == 1
		return err
	})
	return news, err
}

// Clear closes it.
func (s Store) Clear(ctx context.Context, issue newsletter.IssueID, kind string, now time.Time) error {
	return s.Quick(ctx, func(tx *Tx) error { return tx.ClearAlerts(ctx, issue, kind, now) })
}

// Raised tells whether it is open.
func (s Store) Raised(ctx context.Context, issue newsletter.IssueID, kind string) (open bool, err error) {
	err = s.DB.View(ctx, func(tx *Tx) error {
		return tx.queryRow(ctx, `
			SELECT COUNT(*) FROM alerts WHERE issue_id = ? AND kind = ? AND cleared_at IS NULL`, issue, kind).Scan(asFlag(&open))
	})
	return open, err
}
