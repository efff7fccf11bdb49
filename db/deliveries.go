package db

import (
	"context"
	"fmt"
	"strings"
	"time"

	"techissue/newsletter"
)

// lastIssues are those sent last. One that is being prepared has no date yet, so it never counts itself.
const lastIssues = `SELECT i.id FROM issues i WHERE i.prepared_at IS NOT NULL AND i.archived = 0 ORDER BY i.prepared_at DESC, i.id DESC LIMIT ?`

// recipientsWhere are the conditions of an audience on subscribers s, always active and unsuppressed ones.
func recipientsWhere(r newsletter.Recipients) where {
	var w where
	w.and(`s.status = 'active'`)
	w.and(`NOT EXISTS (SELECT 1 FROM suppressions p WHERE p.addr_key = s.addr_key)`)
	if r.AdConsent != nil {
		w.and(`s.ad_consent = ?`, flag(*r.AdConsent))
	}
	a := r.Audience
	if n := len(a.Tags); n > 0 {
		need := 1
		if a.TagsMode == "all" {
			need = n
		}
		w.and(`(SELECT COUNT(*) FROM subscriber_tags g WHERE g.subscriber_id = s.id AND g.tag IN (`+marks(n)+`)) >= ?`, append(anyOf(a.Tags), need)...)
	}
	if !a.JoinedAfter.IsZero() {
		w.and(`COALESCE(s.confirmed_at, s.created_at) >= ?`, ms(a.JoinedAfter))
	}
	if !a.JoinedBefore.IsZero() {
		w.and(`COALESCE(s.confirmed_at, s.created_at) < ?`, ms(a.JoinedBefore))
	}
	if a.Source != "" {
		w.and(`s.source = ?`, a.Source)
	}
	if e := a.Opened; e != nil {
		w.and(`(SELECT COUNT(*) FROM deliveries e WHERE e.subscriber_id = s.id AND e.opened_at IS NOT NULL AND e.issue_id IN (`+lastIssues+`)) >= ?`, e.Of, e.Least)
	}
	if e := a.Clicked; e != nil {
		w.and(`(SELECT COUNT(*) FROM deliveries e WHERE e.subscriber_id = s.id AND e.clicked_at IS NOT NULL AND e.issue_id IN (`+lastIssues+`)) >= ?`, e.Of, e.Least)
	}
	if r := a.Received; r != nil {
		w.and(`EXISTS (
			SELECT 1 FROM deliveries e JOIN issues o ON o.id = e.issue_id
			WHERE e.subscriber_id = s.id AND e.state = 'sent' AND o.number = ? AND e.edition IN (`+marks(len(r.Editions))+`))`,
			append([]any{r.Number}, anyOf(r.Editions)...)...)
	}
	return w
}

// CountRecipients counts who would get an issue now.
func (t *Tx) CountRecipients(ctx context.Context, r newsletter.Recipients) (n int64, err error) {
	w := recipientsWhere(r)
	return n, t.queryRow(ctx, `SELECT COUNT(*) FROM subscribers s WHERE TRUE`+w.text, w.args...).Scan(&n)
}

// Freeze inserts the deliveries of one chunk of readers. Its border is found first, so that a chunk that was
// inserted before is walked over and not walked again.
func (t *Tx) Freeze(ctx context.Context, id newsletter.IssueID, r newsletter.Recipients, variant int, after newsletter.SubscriberID, limit int, now time.Time) (newsletter.SubscriberID, int, error) {
	consent := r.AdConsent
	r.AdConsent = nil
	w := recipientsWhere(r)
	w.and(`s.id > ?`, after)
	w.and(`COALESCE(s.confirmed_at, s.created_at) <= ?`, ms(now)) // who joined later was not there when the send was accepted
	// Nor does a consent given between the walks of the two variants drop a reader between them: it counts from the next issue on.
	switch {
	case consent != nil && *consent:
		w.and(`s.ad_consent = 1 AND (s.ad_consent_at IS NULL OR s.ad_consent_at <= ?)`, ms(now))
	case consent != nil:
		w.and(`(s.ad_consent = 0 OR s.ad_consent_at > ?)`, ms(now))
	}
	var last newsletter.SubscriberID
	var n int
	err := t.queryRow(ctx, `
		SELECT COALESCE(MAX(c.id), 0), COUNT(*)
		FROM (SELECT s.id AS id FROM subscribers s WHERE TRUE`+w.text+` ORDER BY s.id LIMIT ?) c`, append(w.args, limit)...).Scan(&last, &n)
	if err != nil || n == 0 {
		return 0, 0, err
	}
	w.and(`s.id <= ?`, last)
	args := append([]any{id, variant, ms(now)}, w.args...)
	_, err = t.exec(ctx, `
		INSERT INTO deliveries (issue_id, subscriber_id, email, variant, state, due_at)
		SELECT CAST(? AS {{bigint}}), s.id, s.email, CAST(? AS INTEGER), 'queued', CAST(? AS {{bigint}})
		FROM subscribers s WHERE TRUE`+w.text+` ORDER BY s.id
		ON CONFLICT (issue_id, subscriber_id) DO NOTHING`, args...)
	return last, n, err
}

// rateWindow is how far back the sending rate looks.
const rateWindow = 30 * time.Second

const countByState = `SELECT state, COUNT(*) FROM deliveries WHERE issue_id = ? GROUP BY state`

const nextDue = `SELECT MIN(due_at) FROM deliveries WHERE issue_id = ? AND state = 'queued'`

const countDeferred = `SELECT COUNT(*) FROM deliveries WHERE issue_id = ? AND state = 'queued' AND attempts > 0`

// rateSample is how many of the newest attempts tell the rate: the end of that table is where the last half minute lies.
const rateSample = 2000

const sentLately = `
SELECT COUNT(*), COALESCE(SUM(CASE WHEN a.outcome = 'sent' AND d.issue_id = ? THEN 1 ELSE 0 END), 0), MIN(a.at)
FROM (SELECT at, delivery_id, outcome FROM attempts ORDER BY id DESC LIMIT 2000) a
LEFT JOIN deliveries d ON d.id = a.delivery_id
WHERE a.at > ?`

// Progress counts an issue's letters by state.
func (t *Tx) Progress(ctx context.Context, id newsletter.IssueID, now time.Time) (newsletter.Progress, error) {
	p := newsletter.Progress{Issue: id, Counts: map[newsletter.DeliveryState]int64{}}
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var state newsletter.DeliveryState
		var n int64
		err := r.Scan(&state, &n)
		p.Counts[state] = n
		return struct{}{}, err
	}, countByState, id)
	if err != nil {
		return p, err
	}
	if p.Counts[newsletter.Queued] > 0 {
		if err := t.queryRow(ctx, nextDue, id).Scan(asTime(&p.NextDue)); err != nil {
			return p, err
		}
		if err := t.queryRow(ctx, countDeferred, id).Scan(&p.Deferred); err != nil {
			return p, err
		}
	}
	if left := p.Counts[newsletter.Queued] + p.Counts[newsletter.Leased] + p.Counts[newsletter.Handing]; left > 0 {
		if p.Rate, err = t.rate(ctx, id, now); err != nil {
			return p, err
		}
		if p.Rate > 0 {
			p.ETA = time.Duration(float64(left) / p.Rate * float64(time.Second))
		}
	}
	p.Alerts, err = t.Alerts(ctx, id)
	return p, err
}

// rate is letters a second over the last half minute, or over the time the 2,000 last attempts span when that is less.
func (t *Tx) rate(ctx context.Context, id newsletter.IssueID, now time.Time) (float64, error) {
	var seen, sent int64
	var oldest time.Time
	err := t.queryRow(ctx, sentLately, id, ms(now.Add(-rateWindow))).Scan(&seen, &sent, asTime(&oldest))
	if err != nil || sent == 0 {
		return 0, err
	}
	span := rateWindow
	if seen == rateSample {
		span = now.Sub(oldest)
	}
	return float64(sent) / max(span, time.Second).Seconds(), nil
}

// countUnsettled counts no further than a thousand of each, since it is asked several times a second whether anything is left.
const countUnsettled = `
SELECT (SELECT COUNT(*) FROM (
		SELECT 1 FROM deliveries d WHERE d.issue_id = ? AND d.state = 'queued' LIMIT 1000) q)
	+ (SELECT COUNT(*) FROM (
		SELECT 1 FROM deliveries d WHERE d.issue_id = ? AND (d.state = 'leased' OR d.state = 'handing') LIMIT 1000) f)
	+ (SELECT COUNT(*) FROM (
		SELECT 1 FROM deliveries d WHERE d.issue_id = ? AND d.state = 'uncertain' AND d.resent = 0 AND ? = 1 LIMIT 1000) u)`

// CountUnsettled counts what keeps an issue from being done.
func (t *Tx) CountUnsettled(ctx context.Context, id newsletter.IssueID, withSecondTry bool) (n int64, err error) {
	return n, t.queryRow(ctx, countUnsettled, id, id, id, flag(withSecondTry)).Scan(&n)
}

const deliveryColumns = `
SELECT d.id, d.issue_id, i.number, d.subscriber_id, d.email, d.variant, d.edition, d.state, d.reason, d.lease, d.due_at, d.attempts, d.resent,
	d.relay_id, d.reply, d.first_at, d.done_at, d.bounced_at, d.opened_at, d.clicked_at
FROM deliveries d JOIN issues i ON i.id = d.issue_id
WHERE TRUE`

func scanDelivery(r scanner) (d newsletter.Delivery, err error) {
	return d, r.Scan(&d.ID, &d.Issue, &d.Number, &d.Subscriber, &d.Email, &d.Variant, &d.Edition, &d.State, &d.Reason, &d.Lease, asTime(&d.DueAt),
		&d.Attempts, asFlag(&d.Resent), asText(&d.RelayID), &d.Reply, asTime(&d.FirstAt), asTime(&d.DoneAt), asTime(&d.BouncedAt), asTime(&d.OpenedAt), asTime(&d.ClickedAt))
}

// Deliveries lists an issue's letters, oldest first. Letters are made in the order of readers, so with all states that order
// comes to the same, and an index has it; a sort of the whole issue for each page would not end.
func (t *Tx) Deliveries(ctx context.Context, f newsletter.DeliveryFilter) ([]newsletter.Delivery, error) {
	var w where
	w.and(`d.issue_id = ?`, f.Issue)
	if f.Query != "" {
		w.and(`d.email {{like}} ? ESCAPE '\'`, contains(f.Query))
	}
	order := ` ORDER BY d.subscriber_id LIMIT ?`
	if f.State != "" {
		w.and(`d.state = ? AND d.id > ?`, f.State, f.Cursor)
		order = ` ORDER BY d.id LIMIT ?`
	} else if f.Cursor > 0 {
		w.and(`d.subscriber_id > (SELECT c.subscriber_id FROM deliveries c WHERE c.id = ?)`, f.Cursor)
	}
	return list(ctx, t, scanDelivery, deliveryColumns+w.text+order, append(w.args, f.Limit+1)...)
}

// Delivery returns one letter.
func (t *Tx) Delivery(ctx context.Context, id newsletter.DeliveryID) (newsletter.Delivery, error) {
	d, err := scanDelivery(t.queryRow(ctx, deliveryColumns+` AND d.id = ?`, id))
	return d, missing(err, "없는 편지예요.")
}

// DeliveriesOf lists a reader's letters, newest first.
func (t *Tx) DeliveriesOf(ctx context.Context, id newsletter.SubscriberID, limit int) ([]newsletter.Delivery, error) {
	return list(ctx, t, scanDelivery, deliveryColumns+` AND d.subscriber_id = ? ORDER BY d.id DESC LIMIT ?`, id, limit+1)
}

// Attempts lists what the outside world said to a letter, oldest first.
func (t *Tx) Attempts(ctx context.Context, id newsletter.DeliveryID) ([]newsletter.Attempt, error) {
	return list(ctx, t, func(r scanner) (a newsletter.Attempt, err error) {
		a.Delivery = id
		return a, r.Scan(&a.ID, &a.Lease, asTime(&a.At), &a.Reply.Stage, &a.Reply.Code, &a.Reply.Enhanced, &a.Reply.Text, &a.Outcome, &a.Relay)
	}, `SELECT id, lease, at, stage, code, enhanced, reply, outcome, relay FROM attempts WHERE delivery_id = ? ORDER BY id`, id)
}

// requeue takes failed, expired and uncertain letters only, whoever asks. A person's second try of an uncertain letter uses up
// the automatic one: nobody gets a third copy by themselves. The lease grows, so that a late answer to the first try is heard no more.
const requeue = `
UPDATE deliveries SET resent = CASE WHEN state = 'uncertain' THEN 1 ELSE resent END,
	state = 'queued', reason = '', due_at = ?, done_at = NULL, lease = lease + 1
WHERE issue_id = ? AND state IN ('failed', 'expired', 'uncertain')
AND EXISTS (
	SELECT 1 FROM subscribers s WHERE s.id = deliveries.subscriber_id AND s.status = 'active' AND s.email = deliveries.email
	AND NOT EXISTS (SELECT 1 FROM suppressions p WHERE p.addr_key = s.addr_key))`

// Requeue makes letters owed again whose readers may still be written to.
func (t *Tx) Requeue(ctx context.Context, id newsletter.IssueID, ids []newsletter.DeliveryID, states []newsletter.DeliveryState, reasons []string, now time.Time) (int64, error) {
	if len(states) == 0 || ids != nil && len(ids) == 0 {
		return 0, nil
	}
	var w where
	w.and(`state IN (`+marks(len(states))+`)`, anyOf(states)...)
	if len(ids) > 0 {
		w.and(`id IN (`+marks(len(ids))+`)`, anyOf(ids)...)
	}
	if len(reasons) > 0 {
		w.and(`reason IN (`+marks(len(reasons))+`)`, anyOf(reasons)...)
	}
	return t.exec(ctx, requeue+w.text, append([]any{ms(now), id}, w.args...)...)
}

// CancelQueued ends what has not passed its gate.
func (t *Tx) CancelQueued(ctx context.Context, id newsletter.IssueID, now time.Time) (int64, error) {
	return t.exec(ctx, `
		UPDATE deliveries SET state = 'cancelled', reason = 'cancelled', done_at = ?, lease = lease + 1
		WHERE issue_id = ? AND state IN ('queued', 'leased')`, ms(now), id)
}

// ExpireQueued gives up what is still owed.
func (t *Tx) ExpireQueued(ctx context.Context, id newsletter.IssueID, now time.Time) (int64, error) {
	return t.exec(ctx, `UPDATE deliveries SET state = 'expired', reason = 'expired', done_at = ? WHERE issue_id = ? AND state = 'queued'`, ms(now), id)
}

// MarkSent settles an uncertain letter by a person's word. Its attempt has no code: no server said anything.
func (t *Tx) MarkSent(ctx context.Context, id newsletter.DeliveryID, by string, now time.Time) error {
	err := t.swap(ctx, errState, `UPDATE deliveries SET state = 'sent', reason = 'marked', done_at = ? WHERE id = ? AND state = 'uncertain'`, ms(now), id)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, addAttempt, id, nil, 0, ms(now), "", 0, "", "marked as sent by "+by, "", "sent")
	return err
}

// Tally counts what became of an issue's letters.
func (t *Tx) Tally(ctx context.Context, id newsletter.IssueID) (y newsletter.Tally, err error) {
	err = t.queryRow(ctx, `
		SELECT COUNT(opened_at), COUNT(clicked_at), COUNT(bounced_at) FROM deliveries WHERE issue_id = ?`, id).Scan(&y.Opened, &y.Clicked, &y.Bounced)
	if err != nil {
		return y, err
	}
	if y.PeopleOpened, y.PeopleClicked, err = t.peopleTally(ctx, id); err != nil {
		return y, err
	}
	if err := t.keptTally(ctx, id, &y); err != nil {
		return y, err
	}
	return y, t.queryRow(ctx, `
		SELECT COUNT(*) FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
		WHERE d.issue_id = ? AND d.state = 'sent' AND s.unsubscribed_at >= d.done_at
		AND NOT EXISTS (SELECT 1 FROM deliveries n WHERE n.subscriber_id = s.id AND n.state = 'sent' AND n.id > d.id)`, id).Scan(&y.Unsubscribed)
}

// invariants are what must hold whatever happens; each query finds the rows that break one.
var invariants = []struct{ rule, query string }{
	{"the states of an issue add up to its recipients", `
		SELECT i.number FROM issues i WHERE i.prepared_at IS NOT NULL AND i.archived = 0
		AND i.recipients <> (SELECT COUNT(*) FROM deliveries d WHERE d.issue_id = i.id) LIMIT 20`},
	{"at most one letter of an issue is sent to an address", `
		SELECT MIN(d.id) FROM deliveries d WHERE d.state = 'sent' AND d.email <> '' GROUP BY d.issue_id, d.email HAVING COUNT(*) > 1 LIMIT 20`},
	{"a sent letter has an attempt that was accepted, a person's word, or was opened", `
		SELECT d.id FROM deliveries d WHERE d.state = 'sent'
		AND NOT EXISTS (
			SELECT 1 FROM attempts a WHERE a.delivery_id = d.id AND a.outcome = 'sent' AND (a.code BETWEEN 200 AND 299 OR d.reason IN ('marked', 'opened', 'clicked'))) LIMIT 20`},
	{"an uncertain or sent letter was attempted", `
		SELECT d.id FROM deliveries d WHERE d.state IN ('uncertain', 'sent') AND d.attempts < 1 LIMIT 20`},
	{"a skipped letter says why", `
		SELECT d.id FROM deliveries d WHERE d.state = 'skipped' AND d.reason = '' LIMIT 20`},
	{"letters are queued only while their issue is prepared, sent or paused", `
		SELECT d.id FROM deliveries d JOIN issues i ON i.id = d.issue_id
		WHERE d.state = 'queued' AND i.state NOT IN ('preparing', 'sending', 'paused') LIMIT 20`},
}

// Violations runs the invariants.
func (t *Tx) Violations(ctx context.Context) ([]string, error) {
	var out []string
	for _, v := range invariants {
		ids, err := list(ctx, t, scanID, v.query)
		if err != nil {
			return nil, fmt.Errorf("check that %s: %w", v.rule, err)
		}
		if len(ids) > 0 {
			out = append(out, fmt.Sprintf("%s: broken by %s", v.rule, strings.Trim(fmt.Sprint(ids), "[]")))
		}
	}
	return out, nil
}
