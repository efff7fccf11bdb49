package db

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"techissue/newsletter"
)

// What the queue asks. Each statement guards itself by the lease, so READ COMMITTED is enough on PostgreSQL.

// The newest edition of a letter's variant is named when it is claimed: a correction reaches everybody not yet handed.
// The plan walks deliveries_queued, which is as small as the backlog.
const claimDeliveries = `
UPDATE deliveries
SET state = 'leased', lease = lease + 1, node = ?, edition = (
	SELECT MAX(e.number) FROM editions e WHERE e.issue_id = deliveries.issue_id AND e.variant = deliveries.variant)
WHERE id IN (
	SELECT d.id FROM deliveries d
	WHERE d.state = 'queued' AND d.issue_id = ? AND d.due_at <= ?
	ORDER BY d.due_at, d.id LIMIT ? {{skip_locked}})
RETURNING id`

const claimedDelivery = `
SELECT d.id, d.lease, d.email, d.attempts, d.resent, i.id, i.number, d.edition, d.subscriber_id,
	COALESCE(s.name, ''), s.consent_at, i.prepared_at, i.expires_at, COALESCE(s.no_tracking, 0)
FROM deliveries d
JOIN issues i ON i.id = d.issue_id
LEFT JOIN subscribers s ON s.id = d.subscriber_id
WHERE d.id = ?`

// ClaimDeliveries leases letters of the issues that are sending, the oldest issue first.
func (s Store) ClaimDeliveries(ctx context.Context, node int64, limit int, now time.Time) ([]newsletter.Claimed, error) {
	var out []newsletter.Claimed
	sending, err := s.sendingIssues(ctx)
	if err != nil || len(sending) == 0 {
		return nil, err
	}
	err = s.Quick(ctx, func(tx *Tx) error {
		out = out[:0]
		for _, issue := range sending {
			if len(out) >= limit {
				break
			}
			ids, err := list(ctx, tx, scanID, claimDeliveries, node, issue, ms(now), limit-len(out))
			if err != nil {
				return fmt.Errorf("claim letters of issue %d: %w", issue, err)
			}
			for _, id := range ids {
				c, err := scanClaimed(tx.queryRow(ctx, claimedDelivery, id))
				if err != nil {
					return fmt.Errorf("read claimed letter %d: %w", id, err)
				}
				out = append(out, c)
			}
		}
		return nil
	})
	return out, err
}

// sendingIssues is read outside of the claim, which must not start a write when there is nothing to send.
func (s Store) sendingIssues(ctx context.Context) (ids []int64, err error) {
	err = s.DB.View(ctx, func(tx *Tx) (err error) {
		ids, err = list(ctx, tx, scanID, `SELECT id FROM issues WHERE state = 'sending' ORDER BY id`)
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

const dueNotices = `SELECT COUNT(*) FROM notices WHERE state = 'queued' AND due_at <= ?`

const claimNotices = `
UPDATE notices SET state = 'leased', lease = lease + 1, node = ?
WHERE id IN (
	SELECT n.id FROM notices n WHERE n.state = 'queued' AND n.due_at <= ?
	ORDER BY n.due_at, n.id LIMIT ? {{skip_locked}})
RETURNING id`

// ClaimNotices leases single letters.
func (s Store) ClaimNotices(ctx context.Context, node int64, limit int, now time.Time) ([]newsletter.Claimed, error) {
	var due int
	err := s.DB.View(ctx, func(tx *Tx) error { return tx.queryRow(ctx, dueNotices, ms(now)).Scan(&due) })
	if err != nil || due == 0 {
		return nil, err
	}
	var out []newsletter.Claimed
	err = s.Quick(ctx, func(tx *Tx) error {
		out = out[:0]
		ids, err := list(ctx, tx, scanID, claimNotices, node, ms(now), limit)
		if err != nil {
			return fmt.Errorf("claim notices: %w", err)
		}
		for _, id := range ids {
			n, err := tx.Notice(ctx, newsletter.NoticeID(id))
			if err != nil {
				return fmt.Errorf("read claimed notice %d: %w", id, err)
			}
			out = append(out, newsletter.Claimed{
				Ticket: newsletter.Ticket{Single: true, ID: id, Lease: n.Lease}, Email: n.Email, Attempts: n.Attempts, Resent: n.Resent,
				FirstDue: n.CreatedAt, Subscriber: n.Subscriber, Notice: n,
			})
		}
		return nil
	})
	return out, err
}

// gateLocks makes a gate wait for an unsubscribe or a pause under way, and the other way round, on PostgreSQL. The
// statement behind it then sees what was committed: once an unsubscribe is answered, no gate of that reader passes.
const gateLocks = `
SELECT i.id FROM subscribers s, issues i, deliveries d
WHERE d.id = ? AND s.id = d.subscriber_id AND i.id = d.issue_id {{for_share}}`

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
		if t.Single {
			refused, err = tx.gateNotice(ctx, t, now)
		} else {
			refused, err = tx.gateDelivery(ctx, t, now)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("gate of letter %d: %w", t.ID, err)
	}
	if refused != nil {
		return refused
	}
	return nil
}

func (t *Tx) gateDelivery(ctx context.Context, k newsletter.Ticket, now time.Time) (*newsletter.GateError, error) {
	if _, err := list(ctx, t, scanID, gateLocks, k.ID); err != nil {
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

// A single letter's gate differs by kind: a welcome needs an active reader; a confirmation must not go to an address
// blocked by hand; the others go out, since somebody asked for each of them or the law wants it.
const gateNotice = `
UPDATE notices SET state = 'handing', attempts = attempts + 1
WHERE id = ? AND lease = ? AND state = 'leased'
AND (kind <> 'welcome' OR EXISTS (
	SELECT 1 FROM subscribers s WHERE s.id = notices.subscriber_id AND s.status = 'active' AND s.email = notices.email))
AND (kind <> 'confirm' OR NOT EXISTS (
	SELECT 1 FROM subscribers s JOIN suppressions p ON p.addr_key = s.addr_key
	WHERE s.id = notices.subscriber_id AND p.reason = 'manual'))`

func (t *Tx) gateNotice(ctx context.Context, k newsletter.Ticket, now time.Time) (*newsletter.GateError, error) {
	n, err := t.exec(ctx, gateNotice, k.ID, k.Lease)
	if err != nil || n == 1 {
		return nil, err
	}
	refused := &newsletter.GateError{State: newsletter.Skipped, Reason: newsletter.ReasonSuppressed}
	return refused, t.swap(ctx, newsletter.ErrLeaseLost, `
		UPDATE notices SET state = 'skipped', reason = ?, done_at = ? WHERE id = ? AND lease = ? AND state = 'leased'`,
		refused.Reason, ms(now), k.ID, k.Lease)
}

// The gate has charged the attempt; a result that is not to count takes it back. Before the gate (leased) nothing was
// charged yet, so what counts is charged here.
const settleDelivery = `
UPDATE deliveries
SET attempts = CASE WHEN state = 'leased' THEN attempts + ? ELSE attempts - 1 + ? END,
	state = ?, reason = ?, due_at = COALESCE(?, due_at), reply = CASE WHEN ? = '' THEN reply ELSE ? END,
	relay_id = COALESCE(?, relay_id), done_at = ?
WHERE id = ? AND lease = ? AND (state IN ('leased', 'handing') OR (state = 'uncertain' AND ? = 'sent'))`

const settleNotice = `
UPDATE notices
SET attempts = CASE WHEN state = 'leased' THEN attempts + ? ELSE attempts - 1 + ? END,
	state = ?, reason = ?, due_at = COALESCE(?, due_at), reply = CASE WHEN ? = '' THEN reply ELSE ? END,
	relay_id = COALESCE(?, relay_id), done_at = ?
WHERE id = ? AND lease = ? AND (state IN ('leased', 'handing') OR (state = 'uncertain' AND ? = 'sent'))`

const addAttempt = `
INSERT INTO attempts (delivery_id, notice_id, lease, at, stage, code, enhanced, reply, relay, outcome)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Settle writes the result of an attempt, the attempt, and what follows for the reader and the issue.
func (s Store) Settle(ctx context.Context, o newsletter.Settlement) error {
	err := s.Quick(ctx, func(tx *Tx) error {
		query, delivery, notice := settleDelivery, any(o.ID), any(nil)
		if o.Single {
			query, delivery, notice = settleNotice, nil, any(o.ID)
		}
		var done any
		if o.State != newsletter.Queued {
			done = ms(o.At)
		}
		charge := flag(o.Charge)
		err := tx.swap(ctx, newsletter.ErrLeaseLost, query, charge, charge, o.State, o.Reason, orNull(o.DueAt), o.Reply.Text, replyLine(o.Reply),
			textOrNull(o.RelayID), done, o.ID, o.Lease, o.State)
		if err != nil {
			return err
		}
		if o.Outcome == "released" {
			return nil
		}
		_, err = tx.exec(ctx, addAttempt, delivery, notice, o.Lease, ms(o.At), o.Reply.Stage, o.Reply.Code, o.Reply.Enhanced, o.Reply.Text, o.Relay, o.Outcome)
		if err != nil {
			return err
		}
		return tx.follow(ctx, o)
	})
	if err != nil {
		return fmt.Errorf("settle letter %d: %w", o.ID, err)
	}
	return nil
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

const readerOfDelivery = `
SELECT s.id, s.email, s.addr_key FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id AND s.email = d.email WHERE d.id = ?`
const readerOfNotice = `
SELECT s.id, s.email, s.addr_key FROM notices d JOIN subscribers s ON s.id = d.subscriber_id AND s.email = d.email WHERE d.id = ?`

// follow writes the suppression and the pause that a result brings.
func (t *Tx) follow(ctx context.Context, o newsletter.Settlement) error {
	if o.Suppress != "" {
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
		if err := t.AddEvent(ctx, newsletter.Event{Subscriber: id, Kind: "suppressed", Detail: sup.Evidence, At: o.At}); err != nil {
			return err
		}
		if err := t.AddLeaver(ctx, newsletter.Leaver{Key: sup.AddrKey, At: o.At, Kind: "suppressed"}); err != nil {
			return err
		}
	}
	if o.Pause == "" || o.Single {
		return nil
	}
	var issue newsletter.IssueID
	if err := t.queryRow(ctx, `SELECT issue_id FROM deliveries WHERE id = ?`, o.ID).Scan(&issue); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE issues SET state = 'paused', pause_reason = ?, updated_at = ? WHERE id = ? AND state = 'sending'`, o.Pause, ms(o.At), issue)
	if err != nil {
		return err
	}
	return t.PutAlert(ctx, &newsletter.Alert{Issue: issue, Kind: o.Pause, Text: o.Alert, At: o.At})
}

// Recover takes back what was in flight. The clock of an uncertain letter's second try begins now.
func (s Store) Recover(ctx context.Context, node int64, now time.Time) (newsletter.Recovered, error) {
	var r newsletter.Recovered
	err := s.Quick(ctx, func(tx *Tx) error {
		r = newsletter.Recovered{}
		for _, q := range []struct {
			text  string
			count *int64
			args  []any
		}{
			{`UPDATE deliveries SET state = 'queued' WHERE state = 'leased' AND (node = ? OR ? = 0)`, &r.Requeued, []any{node, node}},
			{`UPDATE notices SET state = 'queued' WHERE state = 'leased' AND (node = ? OR ? = 0)`, &r.Requeued, []any{node, node}},
			{`UPDATE deliveries SET state = 'uncertain', reason = 'crash', done_at = ? WHERE state = 'handing' AND (node = ? OR ? = 0)`, &r.Uncertain, []any{ms(now), node, node}},
			{`UPDATE notices SET state = 'uncertain', reason = 'crash', done_at = ? WHERE state = 'handing' AND (node = ? OR ? = 0)`, &r.Uncertain, []any{ms(now), node, node}},
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

const (
	secondTryAfter       = 15 * time.Minute
	secondTryAfterSingle = 5 * time.Minute
)

const anyUncertain = `
SELECT (SELECT COUNT(*) FROM deliveries WHERE state = 'uncertain' AND resent = 0 AND done_at <= ?)
	+ (SELECT COUNT(*) FROM notices WHERE state = 'uncertain' AND resent = 0 AND done_at <= ?)`

// SecondTries queues uncertain letters once more where the issue's policy says so.
func (s Store) SecondTries(ctx context.Context, now time.Time) (int64, error) {
	before, beforeSingle := ms(now.Add(-secondTryAfter)), ms(now.Add(-secondTryAfterSingle))
	var due, total int64
	err := s.DB.View(ctx, func(tx *Tx) error { return tx.queryRow(ctx, anyUncertain, before, beforeSingle).Scan(&due) })
	if err != nil || due == 0 {
		return 0, err
	}
	err = s.Quick(ctx, func(tx *Tx) error {
		n, err := tx.exec(ctx, `
			UPDATE deliveries SET state = 'queued', resent = 1, reason = '', due_at = ?, done_at = NULL
			WHERE state = 'uncertain' AND resent = 0 AND done_at <= ?
			AND EXISTS (SELECT 1 FROM issues i WHERE i.id = deliveries.issue_id AND i.uncertain = 'resend_once' AND i.state IN ('sending', 'paused'))`,
			ms(now), before)
		if err != nil {
			return err
		}
		m, err := tx.exec(ctx, `
			UPDATE notices SET state = 'queued', resent = 1, reason = '', due_at = ?, done_at = NULL
			WHERE state = 'uncertain' AND resent = 0 AND done_at <= ?`, ms(now), beforeSingle)
		total = n + m
		return err
	})
	return total, err
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
		return e, err
	}
	return e, json.Unmarshal([]byte(snapshot), &e.Snapshot)
}

// RegisterNode makes a row for this process. Silence is measured by the database's clock, which nodes share.
func (s Store) RegisterNode(ctx context.Context, name string, now time.Time) (id int64, err error) {
	err = s.Quick(ctx, func(tx *Tx) (err error) {
		id, err = tx.insert(ctx, `INSERT INTO nodes (name, started_at, seen_at) VALUES (?, ?, {{now_ms}}) RETURNING id`, name, ms(now))
		return err
	})
	return id, err
}

// Beat says that the node is alive.
func (s Store) Beat(ctx context.Context, node int64, _ time.Time) error {
	return s.Quick(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, `UPDATE nodes SET seen_at = {{now_ms}}, stopped_at = NULL WHERE id = ?`, node)
		return err
	})
}

// ReapNodes marks silent nodes as stopped and returns them. A node that was only asleep finds its leases gone.
func (s Store) ReapNodes(ctx context.Context, self int64, silent time.Duration, now time.Time) (dead []int64, err error) {
	err = s.Quick(ctx, func(tx *Tx) (err error) {
		dead, err = list(ctx, tx, scanID, `
			UPDATE nodes SET stopped_at = ?
			WHERE stopped_at IS NULL AND id <> ? AND seen_at < {{now_ms}} - ? RETURNING id`, ms(now), self, silent.Milliseconds())
		return err
	})
	return dead, err
}

// StopNode says goodbye.
func (s Store) StopNode(ctx context.Context, node int64, now time.Time) error {
	return s.Quick(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, `UPDATE nodes SET stopped_at = ? WHERE id = ?`, ms(now), node)
		return err
	})
}
