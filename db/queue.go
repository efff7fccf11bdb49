package db

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"techissue/newsletter"
)

// What the queue asks, in the order of a letter's life: claims here, gate.go, settle.go; recover.go and nodes.go
// for what a crash leaves. Each statement guards itself by the lease, so READ COMMITTED is enough on PostgreSQL.
// Where that is not so, a comment says why.

// claimDeliveries walks deliveries_queued, which is as small as the backlog. The newest edition of a letter's variant is
// named when it is claimed: a correction reaches everybody not yet handed, and who was handed one keeps it on every further attempt, so that two
// copies of a letter are the same letter. MATERIALIZED, because PostgreSQL may run
// a subquery with LIMIT and SKIP LOCKED again for each row of the outer plan, and lease more than the limit.
const claimDeliveries = `
WITH due AS MATERIALIZED (
	SELECT d.id FROM deliveries d
	WHERE d.state = 'queued' AND d.issue_id = ? AND d.due_at <= ?
	ORDER BY d.due_at, d.id LIMIT ? {{skip_locked}})
` + leaseDue

const leaseDue = `
UPDATE deliveries
SET state = 'leased', lease = lease + 1, node = ?, edition = CASE WHEN first_at IS NOT NULL AND edition > 0 THEN edition ELSE (
	SELECT MAX(e.number) FROM editions e WHERE e.issue_id = deliveries.issue_id AND e.variant = deliveries.variant) END
WHERE id IN (SELECT id FROM due)
RETURNING id`

const claimedDeliveries = `
SELECT d.id, d.lease, d.email, d.attempts, d.resent, i.id, i.number, d.edition, d.subscriber_id,
	COALESCE(s.name, ''), s.consent_at, i.prepared_at, i.expires_at, COALESCE(s.no_tracking, 0)
FROM deliveries d
JOIN issues i ON i.id = d.issue_id
LEFT JOIN subscribers s ON s.id = d.subscriber_id
WHERE d.id IN (`

// ClaimDeliveries leases letters of the issues that are sending, the oldest due first.
func (s Store) ClaimDeliveries(ctx context.Context, node int64, limit int, now time.Time) ([]newsletter.Claimed, error) {
	var out []newsletter.Claimed
	sending, err := s.sendingIssues(ctx)
	if err != nil || len(sending) == 0 || limit < 1 {
		return nil, err
	}
	err = s.Quick(ctx, func(tx *Tx) error {
		out = nil
		rounds, err := tx.claimRounds(ctx, sending, limit, now)
		if err != nil {
			return fmt.Errorf("find the oldest letters: %w", err)
		}
		var ids []int64
		for _, due := range rounds {
			for _, issue := range sending {
				if len(ids) >= limit {
					break
				}
				more, err := list(ctx, tx, scanID, claimDeliveries, issue, due, limit-len(ids), node)
				if err != nil {
					return fmt.Errorf("claim letters of issue %d: %w", issue, err)
				}
				ids = append(ids, more...)
			}
		}
		if len(ids) == 0 {
			return nil
		}
		out, err = list(ctx, tx, scanClaimed, claimedDeliveries+marks(len(ids))+`) ORDER BY d.due_at, d.id`, anyOf(ids)...)
		if err != nil {
			return fmt.Errorf("read claimed letters: %w", err)
		}
		return nil
	})
	return out, err
}

const oldestOfIssue = `SELECT * FROM (
	SELECT d.due_at FROM deliveries d WHERE d.state = 'queued' AND d.issue_id = ? AND d.due_at <= ? ORDER BY d.due_at, d.id LIMIT ?) q`

// claimRounds gives the times up to which letters are claimed, one round of all issues each. One issue needs one. Several share
// the batch by age: the first round takes what is older than the last letter that fits, the second fills up with its equals.
func (t *Tx) claimRounds(ctx context.Context, sending []int64, limit int, now time.Time) ([]int64, error) {
	if len(sending) == 1 {
		return []int64{ms(now)}, nil
	}
	var args []any
	for _, issue := range sending {
		args = append(args, issue, ms(now), limit)
	}
	last, err := list(ctx, t, scanID, strings.Repeat(oldestOfIssue+"\nUNION ALL\n", len(sending)-1)+oldestOfIssue+` ORDER BY 1 LIMIT 1 OFFSET ?`,
		append(args, limit-1)...)
	if err != nil || len(last) == 0 {
		return []int64{ms(now)}, err
	}
	return []int64{last[0] - 1, last[0]}, nil
}

const sendingIssues = `SELECT id FROM issues WHERE state = 'sending' ORDER BY id`

// sendingIssues is read outside of the claim, which must not start a write when there is nothing to send.
func (s Store) sendingIssues(ctx context.Context) (ids []int64, err error) {
	err = s.DB.View(ctx, func(tx *Tx) (err error) {
		ids, err = list(ctx, tx, scanID, sendingIssues)
		return err
	})
	return ids, err
}

func scanID(r scanner) (id int64, err error) { return id, r.Scan(&id) }

func scanClaimed(r scanner) (newsletter.Claimed, error) {
	var c newsletter.Claimed
	err := r.Scan(&c.ID, &c.Lease, &c.Email, &c.Attempts, asFlag(&c.Resent), &c.Issue, &c.Number, &c.Edition, &c.Subscriber,
		&c.Name, asTime(&c.ConsentAt), asTime(&c.PreparedAt), asTime(&c.ExpiresAt), asFlag(&c.NoTracking))
	c.FirstDue = c.PreparedAt
	return c, err
}

const lettersBeyond = `
SELECT d.id, d.due_at, d.email FROM deliveries d
WHERE d.state = 'queued' AND d.issue_id = ? AND d.due_at <= ? AND (d.due_at, d.id) > (?, ?)
ORDER BY d.due_at, d.id LIMIT ?`

const claimThese = `
WITH due AS MATERIALIZED (SELECT d.id FROM deliveries d WHERE d.state = 'queued' AND d.id IN ({{rows}}) {{skip_locked}})` + leaseDue

// ClaimBeyond leases letters further down the row, issue by issue.
func (s Store) ClaimBeyond(ctx context.Context, node int64, limit, look int, from newsletter.Place, pass []string, now time.Time) ([]newsletter.Claimed, newsletter.Place, error) {
	sending, err := s.sendingIssues(ctx)
	if err != nil {
		return nil, from, err
	}
	var ids []any
	place := from
	err = s.DB.View(ctx, func(tx *Tx) (err error) {
		ids, place, err = tx.lookBeyond(ctx, sending, limit, look, from, pass, now)
		return err
	})
	if err != nil || len(ids) == 0 {
		return nil, place, err
	}
	query, size := rows(claimThese, "?", len(ids))
	for len(ids) < size {
		ids = append(ids, 0)
	}
	var out []newsletter.Claimed
	err = s.Quick(ctx, func(tx *Tx) error {
		out = nil
		claimed, err := list(ctx, tx, scanID, query, append(ids, node)...)
		if err != nil || len(claimed) == 0 {
			return err
		}
		out, err = list(ctx, tx, scanClaimed, claimedDeliveries+marks(len(claimed))+`) ORDER BY d.due_at, d.id`, anyOf(claimed)...)
		return err
	})
	if err != nil {
		return nil, from, fmt.Errorf("claim letters of other domains: %w", err)
	}
	return out, place, nil
}

func (t *Tx) lookBeyond(ctx context.Context, sending []int64, limit, look int, from newsletter.Place, pass []string, now time.Time) (ids []any, place newsletter.Place, err error) {
	passed := make(map[string]bool, len(pass))
	for _, domain := range pass {
		passed[domain] = true
	}
	for _, issue := range sending {
		id := newsletter.IssueID(issue)
		if id < from.Issue {
			continue
		}
		place = newsletter.Place{Issue: id}
		if id == from.Issue {
			place = from
		}
		all, err := list(ctx, t, func(r scanner) (d newsletter.Delivery, err error) {
			return d, r.Scan(&d.ID, asTime(&d.DueAt), &d.Email)
		},
			lettersBeyond, issue, ms(now), ms(place.Due), place.Letter, look)
		if err != nil {
			return nil, from, err
		}
		for _, d := range all {
			place.Due, place.Letter = d.DueAt, d.ID
			if passed[d.Email[strings.LastIndexByte(d.Email, '@')+1:]] {
				continue
			}
			if ids = append(ids, d.ID); len(ids) == limit {
				return ids, place, nil
			}
		}
		if look -= len(all); look <= 0 {
			return ids, place, nil
		}
	}
	return ids, newsletter.Place{}, nil
}

const noticeDue = `SELECT id FROM notices WHERE state = 'queued' AND due_at <= ? AND EXISTS (SELECT 1 FROM house WHERE resting = '') ORDER BY due_at, id LIMIT 1`

const claimNotices = `
WITH due AS MATERIALIZED (
	SELECT n.id FROM notices n WHERE n.state = 'queued' AND n.due_at <= ?
	ORDER BY n.due_at, n.id LIMIT ? {{skip_locked}})
UPDATE notices SET state = 'leased', lease = lease + 1, node = ?
WHERE id IN (SELECT id FROM due)
RETURNING id`

// ClaimNotices leases single letters.
func (s Store) ClaimNotices(ctx context.Context, node int64, limit int, now time.Time) ([]newsletter.Claimed, error) {
	var due []int64
	err := s.DB.View(ctx, func(tx *Tx) (err error) {
		due, err = list(ctx, tx, scanID, noticeDue, ms(now))
		return err
	})
	if err != nil || len(due) == 0 {
		return nil, err
	}
	var out []newsletter.Claimed
	err = s.Quick(ctx, func(tx *Tx) error {
		out = out[:0]
		ids, err := list(ctx, tx, scanID, claimNotices, ms(now), limit, node)
		if err != nil || len(ids) == 0 {
			return err
		}
		notices, err := list(ctx, tx, scanNotice, noticeColumns+` AND id IN (`+marks(len(ids))+`) ORDER BY due_at, id`, anyOf(ids)...)
		for _, n := range notices {
			out = append(out, newsletter.Claimed{
				Ticket: newsletter.Ticket{Single: true, ID: int64(n.ID), Lease: n.Lease}, Email: n.Email, Attempts: n.Attempts, Resent: n.Resent,
				FirstDue: n.CreatedAt, Subscriber: n.Subscriber, Notice: &n,
			})
		}
		if err != nil {
			return err
		}
		return tx.fillCopies(ctx, out)
	})
	if err != nil {
		return nil, fmt.Errorf("claim notices: %w", err)
	}
	return out, nil
}

// fillCopies gives the copies among single letters what composing the letter they repeat needs.
func (t *Tx) fillCopies(ctx context.Context, claimed []newsletter.Claimed) error {
	for i, c := range claimed {
		if c.Notice.Kind != newsletter.NoticeCopy {
			continue
		}
		letter, err := scanClaimed(t.queryRow(ctx, claimedDeliveries+`?)`, c.Notice.Payload.Delivery))
		if newsletter.KindOf(err) == newsletter.NotFound {
			continue // composing it fails
		}
		if err != nil {
			return fmt.Errorf("read the letter that notice %d copies: %w", c.Notice.ID, err)
		}
		letter.Ticket, letter.Email, letter.Attempts, letter.Resent = c.Ticket, c.Email, c.Attempts, c.Resent
		letter.FirstDue, letter.Notice = c.FirstDue, c.Notice
		claimed[i] = letter
	}
	return nil
}

// Edition returns one edition of an issue.
func (s Store) Edition(ctx context.Context, issue newsletter.IssueID, number int) (newsletter.Edition, error) {
	e := newsletter.Edition{Issue: issue, Number: number}
	var snapshot string
	err := s.DB.View(ctx, func(tx *Tx) error {
		return tx.queryRow(ctx, `SELECT variant, reason, snapshot, created_at FROM editions WHERE issue_id = ? AND number = ?`, issue, number).
			Scan(&e.Variant, &e.Reason, &snapshot, asTime(&e.CreatedAt))
	})
	if err != nil {
		return e, missing(err, "없는 판이에요.")
	}
	return e, json.Unmarshal([]byte(snapshot), &e.Snapshot)
}
