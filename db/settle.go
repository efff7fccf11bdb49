package db

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"techissue/newsletter"
)

// The gate has charged the attempt; a result that is not to count takes it back. Before the gate (leased) nothing was
// charged yet, so what counts is charged here. A 2xx that comes late is the truth wherever the letter stands under
// the same lease: uncertain, or queued for its second try and not claimed yet. An erased reader's answer is not kept.
const settleDelivery = `
UPDATE deliveries
SET attempts = CASE WHEN state = 'leased' THEN attempts + ? ELSE attempts - 1 + ? END,
	state = ?, reason = ?, due_at = COALESCE(?, due_at), reply = CASE WHEN email = '' THEN '' WHEN ? = '' THEN reply ELSE ? END,
	relay_id = COALESCE(?, relay_id), done_at = ?
WHERE id = ? AND lease = ? AND (state IN ('leased', 'handing') OR (state IN ('uncertain', 'queued') AND ? = 'sent'))
RETURNING email, '', ''`

const settleNotice = `
UPDATE notices
SET attempts = CASE WHEN state = 'leased' THEN attempts + ? ELSE attempts - 1 + ? END,
	state = ?, reason = ?, due_at = COALESCE(?, due_at), reply = CASE WHEN ? = '' THEN reply ELSE ? END,
	relay_id = COALESCE(?, relay_id), done_at = ?
WHERE id = ? AND lease = ? AND (state IN ('leased', 'handing') OR (state IN ('uncertain', 'queued') AND ? = 'sent'))
RETURNING email, kind, payload`

const addAttempt = `
INSERT INTO attempts (delivery_id, notice_id, lease, at, stage, code, enhanced, reply, relay, outcome)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Settle writes the result of an attempt, the attempt, and what follows for the reader and the issue.
func (s Store) Settle(ctx context.Context, o newsletter.Settlement) error {
	run := s.settling(o)
	return settleAnswer(o, run(ctx, func(tx *Tx) error { return tx.settle(ctx, o) }))
}

// settling chooses the transaction. A letter that is owed again looks at its issue, which may be cancelled at the same
// time; only serial execution keeps it from being queued behind the cancel's back.
func (s Store) settling(o newsletter.Settlement) func(context.Context, func(*Tx) error) error {
	if o.State == newsletter.Queued && !o.Single {
		return s.DB.Update
	}
	return s.Quick
}

func settleAnswer(o newsletter.Settlement, err error) error {
	if err != nil {
		return fmt.Errorf("settle letter %d: %w", o.ID, err)
	}
	return nil
}

func (t *Tx) settle(ctx context.Context, o newsletter.Settlement) error {
	query, delivery, notice := settleDelivery, any(o.ID), any(nil)
	if o.Single {
		query, delivery, notice = settleNotice, nil, any(o.ID)
	}
	done := any(ms(o.At))
	if o.State == newsletter.Queued {
		done = nil
	}
	charge := flag(o.Charge)
	var email, payload string
	var kind newsletter.NoticeKind
	err := t.queryRow(ctx, query, charge, charge, o.State, o.Reason, orNull(o.DueAt), o.Reply.Text, replyLine(o.Reply),
		textOrNull(o.RelayID), done, o.ID, o.Lease, o.State).Scan(&email, &kind, &payload)
	if newsletter.KindOf(err) == newsletter.NotFound {
		return newsletter.ErrLeaseLost
	}
	if err != nil {
		return err
	}
	if email == "" {
		o.Reply.Text = ""
	}
	outcome := o.Outcome
	if kind == newsletter.NoticeCopy {
		if delivery, err = copied(payload); err != nil {
			return err
		}
		notice, outcome = nil, copyOutcome(outcome)
	}
	if o.Outcome != "released" {
		_, err = t.exec(ctx, addAttempt, delivery, notice, o.Lease, ms(o.At), o.Reply.Stage, o.Reply.Code, o.Reply.Enhanced, o.Reply.Text, o.Relay, outcome)
		if err != nil {
			return err
		}
	}
	return t.follow(ctx, o)
}

// copied reads which letter a single one repeats: its attempts belong into that letter's record.
func copied(payload string) (any, error) {
	var p newsletter.NoticePayload
	if err := json.Unmarshal([]byte(payload), &p); err != nil {
		return nil, fmt.Errorf("read which letter is copied: %w", err)
	}
	return int64(p.Delivery), nil
}

// copyOutcome marks an attempt that sent, or did not send, a copy: the letter itself was sent before.
func copyOutcome(outcome string) string {
	if outcome == "sent" {
		return "copy"
	}
	return "copy_" + outcome
}

// replyLine is the server's answer on one line, as people read it.
func replyLine(r newsletter.Reply) string {
	if r.Code == 0 {
		return r.Text
	}
	line := fmt.Sprintf("%d", r.Code)
	if r.Enhanced != "" {
		line += " " + r.Enhanced
	}
	return line + " " + r.Text
}

// follow writes what a result brings beyond the letter itself.
func (t *Tx) follow(ctx context.Context, o newsletter.Settlement) error {
	if o.State == newsletter.Failed && !o.Single {
		if err := t.weigh(ctx, &o); err != nil {
			return err
		}
	}
	if o.Suppress != "" {
		if err := t.suppressReader(ctx, o); err != nil {
			return err
		}
	}
	if o.Single {
		return nil
	}
	switch o.State {
	case newsletter.Failed:
		return t.Emit(ctx, "delivery."+string(o.State), fmt.Sprintf(`{"id":%d}`, o.ID), o.At)
	case newsletter.Queued:
		if o.Pause != "" {
			if err := t.pauseIssue(ctx, o); err != nil {
				return err
			}
		}
		return t.dropUnowed(ctx, newsletter.DeliveryID(o.ID), o.At)
	}
	return nil
}

// weigh asks what a refusal means together with those before it: some condemn an address only when they come again.
func (t *Tx) weigh(ctx context.Context, o *newsletter.Settlement) error {
	kind := newsletter.RefusalKind(o.Reply)
	if kind == newsletter.BounceBlocked {
		return nil
	}
	d, err := t.Delivery(ctx, newsletter.DeliveryID(o.ID))
	if err != nil {
		return err
	}
	if kind == newsletter.BounceHard || o.Suppress != "" {
		_, err := t.CountFailure(ctx, d.Issue, newsletter.BounceHard, o.At)
		return err
	}
	var id newsletter.SubscriberID
	var email string
	var key newsletter.AddressKey
	err = t.queryRow(ctx, readerOfDelivery, o.ID).Scan(&id, &email, &key)
	if newsletter.KindOf(err) == newsletter.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	o.Suppress, err = t.SuppressionFor(ctx, d, key)
	return err
}

const readerOfDelivery = `
SELECT s.id, s.email, s.addr_key FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id AND s.email = d.email WHERE d.id = ?`

const readerOfNotice = `
SELECT s.id, s.email, s.addr_key FROM notices d JOIN subscribers s ON s.id = d.subscriber_id AND s.email = d.email WHERE d.id = ?`

func (t *Tx) suppressReader(ctx context.Context, o newsletter.Settlement) error {
	query := readerOfDelivery
	if o.Single {
		query = readerOfNotice
	}
	var id newsletter.SubscriberID
	sup := newsletter.Suppression{Reason: o.Suppress, Evidence: replyLine(o.Reply), CreatedAt: o.At}
	err := t.queryRow(ctx, query, o.ID).Scan(&id, &sup.Email, &sup.AddrKey)
	if newsletter.KindOf(err) == newsletter.NotFound {
		return nil // erased, or moved to another address meanwhile
	}
	if err != nil {
		return err
	}
	if err := t.PutSuppression(ctx, &sup); err != nil {
		return err
	}
	if err := t.AddEvent(ctx, newsletter.Event{Subscriber: id, Kind: "suppressed", Detail: replyLine(o.Reply), At: o.At}); err != nil {
		return err
	}
	return t.logLeaver(ctx, newsletter.Leaver{Key: sup.AddrKey, At: o.At, Kind: "suppressed"})
}

const pauseIssue = `
UPDATE issues SET state = 'paused', pause_reason = ?
WHERE state = 'sending' AND id = (SELECT issue_id FROM deliveries WHERE id = ?)`

// pauseIssue stops an issue that the server refuses, and says so to the editor. One that rests already keeps its first reason.
func (t *Tx) pauseIssue(ctx context.Context, o newsletter.Settlement) error {
	if _, err := t.exec(ctx, pauseIssue, o.Pause, o.ID); err != nil {
		return err
	}
	var issue newsletter.IssueID
	if err := t.queryRow(ctx, `SELECT issue_id FROM deliveries WHERE id = ?`, o.ID).Scan(&issue); err != nil {
		return err
	}
	return t.PutAlert(ctx, &newsletter.Alert{Issue: issue, Kind: o.Pause, Text: o.Alert, At: o.At})
}

const dropUnowed = `
UPDATE deliveries SET done_at = ?,
	state = CASE WHEN email = '' THEN 'skipped' ELSE 'cancelled' END,
	reason = CASE WHEN email = '' THEN 'erased' ELSE 'cancelled' END
WHERE id = ? AND state = 'queued'
AND (email = '' OR EXISTS (SELECT 1 FROM issues i WHERE i.id = deliveries.issue_id AND i.state = 'cancelled'))`

// dropUnowed ends a letter that came back from its worker after its issue was cancelled or its reader forgotten.
func (t *Tx) dropUnowed(ctx context.Context, id newsletter.DeliveryID, now time.Time) error {
	_, err := t.exec(ctx, dropUnowed, ms(now), id)
	return err
}
