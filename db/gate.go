package db

import (
	"context"
	"fmt"
	"time"

	"techissue/newsletter"
)

// gateLocks makes a gate wait for an unsubscribe or a pause that is under way, and these for the gate. Without it a
// gate that began before an unsubscribe could commit after its answer: READ COMMITTED shows a statement what was
// committed when it began. The statement behind the locks sees whatever they waited for. (The tables inside of the
// brackets are not locked: a lock on the letter would only be in the way.)
const gateLocks = `
SELECT i.id FROM subscribers s, issues i
WHERE (s.id, i.id) = (SELECT d.subscriber_id, d.issue_id FROM deliveries d WHERE d.id = ?) {{for_share}}`

const gateDelivery = `
UPDATE deliveries SET state = 'handing', first_at = COALESCE(first_at, ?), attempts = attempts + 1
WHERE id = ? AND lease = ? AND state = 'leased'
AND EXISTS (SELECT 1 FROM issues i WHERE i.id = deliveries.issue_id AND i.state = 'sending')
AND EXISTS (
	SELECT 1 FROM subscribers s
	WHERE s.id = deliveries.subscriber_id AND s.status = 'active' AND s.email = deliveries.email
	AND (s.paused_until IS NULL OR s.paused_until <= ?)
	AND NOT EXISTS (SELECT 1 FROM suppressions p WHERE p.addr_key = s.addr_key))`

const whyRefused = `
SELECT i.state, COALESCE(s.status, ''), CASE WHEN s.email = d.email THEN 1 ELSE 0 END, s.paused_until
FROM deliveries d
JOIN issues i ON i.id = d.issue_id
LEFT JOIN subscribers s ON s.id = d.subscriber_id
WHERE d.id = ? AND d.lease = ? AND d.state = 'leased'`

const gateRefuses = `
UPDATE deliveries SET state = ?, reason = ?, done_at = ?
WHERE id = ? AND lease = ? AND state = 'leased'`

// Gate commits that a letter is about to leave, or settles it when it may not.
func (s Store) Gate(ctx context.Context, t newsletter.Ticket, now time.Time) error {
	var refused *newsletter.GateError
	err := s.Quick(ctx, func(tx *Tx) (err error) {
		refused, err = tx.gate(ctx, t, now)
		return err
	})
	return gateAnswer(t, refused, err)
}

// gateAnswer is what a worker hears once the transaction is over.
func gateAnswer(t newsletter.Ticket, refused *newsletter.GateError, err error) error {
	if err != nil {
		return fmt.Errorf("gate of letter %d: %w", t.ID, err)
	}
	if refused != nil {
		return refused
	}
	return nil
}

// gate opens, or settles the letter and says why not.
func (t *Tx) gate(ctx context.Context, k newsletter.Ticket, now time.Time) (*newsletter.GateError, error) {
	if k.Single {
		return t.gateNotice(ctx, k, now)
	}
	return t.gateDelivery(ctx, k, now)
}

func (t *Tx) gateDelivery(ctx context.Context, k newsletter.Ticket, now time.Time) (*newsletter.GateError, error) {
	if err := t.lock(ctx, gateLocks, k.ID); err != nil {
		return nil, err
	}
	n, err := t.exec(ctx, gateDelivery, ms(now), k.ID, k.Lease, ms(now))
	if err != nil || n == 1 {
		return nil, err
	}
	var issue newsletter.IssueState
	var status newsletter.Status
	var same bool
	var paused time.Time
	err = t.queryRow(ctx, whyRefused, k.ID, k.Lease).Scan(&issue, &status, asFlag(&same), asTime(&paused))
	if newsletter.KindOf(err) == newsletter.NotFound {
		return nil, newsletter.ErrLeaseLost
	}
	if err != nil {
		return nil, err
	}
	refused := refusal(issue, status, same, paused, now)
	done := any(ms(now))
	if refused.State == newsletter.Queued {
		done = nil
	}
	return refused, t.swap(ctx, newsletter.ErrLeaseLost, gateRefuses, refused.State, refused.Reason, done, k.ID, k.Lease)
}

// lock takes row locks where rows are locked at all: SQLite's writer has nobody beside it.
func (t *Tx) lock(ctx context.Context, query string, args ...any) error {
	if t.shared {
		return nil
	}
	_, err := list(ctx, t, scanID, query, args...)
	return err
}

// refusal says why the gate did not open, the issue's reasons first: a paused issue keeps its letters owed.
func refusal(issue newsletter.IssueState, status newsletter.Status, same bool, paused, now time.Time) *newsletter.GateError {
	skip := func(reason string) *newsletter.GateError {
		return &newsletter.GateError{State: newsletter.Skipped, Reason: reason}
	}
	switch {
	case issue == newsletter.IssueCancelled:
		return &newsletter.GateError{State: newsletter.Cancelled, Reason: newsletter.ReasonCancelled}
	case issue != newsletter.IssueSending:
		return &newsletter.GateError{State: newsletter.Queued}
	case status == "":
		return skip(newsletter.ReasonErased)
	case status != newsletter.Active:
		return skip(newsletter.ReasonUnsubscribed)
	case !same:
		return skip(newsletter.ReasonAddress)
	case paused.After(now):
		return skip(newsletter.ReasonPaused)
	}
	return skip(newsletter.ReasonSuppressed)
}

const gateNoticeLocks = `
SELECT s.id FROM subscribers s
WHERE s.id = (SELECT n.subscriber_id FROM notices n WHERE n.id = ?) {{for_share}}`

// A single letter's gate differs by kind. A welcome or a copy goes to an active reader under the same address. A confirmation
// does not go to an address blocked by hand, nor to one that reported us, unless the letter says that it knows. The
// others go out: somebody asked for each of them, or the law wants it.
const gateNotice = `
UPDATE notices SET state = 'handing', attempts = attempts + 1
WHERE id = ? AND lease = ? AND state = 'leased'
AND (kind NOT IN ('welcome', 'copy') OR EXISTS (
	SELECT 1 FROM subscribers s WHERE s.id = notices.subscriber_id AND s.status = 'active' AND s.email = notices.email
	AND NOT EXISTS (SELECT 1 FROM suppressions p WHERE p.addr_key = s.addr_key)))
AND (kind <> 'confirm' OR NOT EXISTS (
	SELECT 1 FROM subscribers s JOIN suppressions p ON p.addr_key = s.addr_key
	WHERE s.id = notices.subscriber_id
	AND (p.reason = 'manual' OR (p.reason = 'complaint' AND notices.payload NOT LIKE '%"again":true%'))))`

const whyNoticeRefused = `
SELECT n.kind, COALESCE(s.status, ''), CASE WHEN s.email = n.email THEN 1 ELSE 0 END
FROM notices n
LEFT JOIN subscribers s ON s.id = n.subscriber_id
WHERE n.id = ? AND n.lease = ? AND n.state = 'leased'`

const gateNoticeRefuses = `
UPDATE notices SET state = 'skipped', reason = ?, done_at = ?
WHERE id = ? AND lease = ? AND state = 'leased'`

func (t *Tx) gateNotice(ctx context.Context, k newsletter.Ticket, now time.Time) (*newsletter.GateError, error) {
	if err := t.lock(ctx, gateNoticeLocks, k.ID); err != nil {
		return nil, err
	}
	n, err := t.exec(ctx, gateNotice, k.ID, k.Lease)
	if err != nil || n == 1 {
		return nil, err
	}
	var kind newsletter.NoticeKind
	var status newsletter.Status
	var same bool
	err = t.queryRow(ctx, whyNoticeRefused, k.ID, k.Lease).Scan(&kind, &status, asFlag(&same))
	if newsletter.KindOf(err) == newsletter.NotFound {
		return nil, newsletter.ErrLeaseLost
	}
	if err != nil {
		return nil, err
	}
	refused := &newsletter.GateError{State: newsletter.Skipped, Reason: newsletter.ReasonSuppressed}
	if kind == newsletter.NoticeWelcome || kind == newsletter.NoticeCopy {
		refused = refusal(newsletter.IssueSending, status, same, time.Time{}, now)
	}
	return refused, t.swap(ctx, newsletter.ErrLeaseLost, gateNoticeRefuses, refused.Reason, ms(now), k.ID, k.Lease)
}
