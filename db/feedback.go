package db

import (
	"context"
	"fmt"
	"time"

	"techissue/newsletter"
)

// DeliveriesByRelay lists letters that the relay knows by that id. Two are enough to see that it names none.
func (t *Tx) DeliveriesByRelay(ctx context.Context, relayID string) ([]newsletter.Delivery, error) {
	return list(ctx, t, scanDelivery, deliveryColumns+` AND d.relay_id = ? LIMIT 2`, relayID)
}

// NoticesByRelay does the same for single letters.
func (t *Tx) NoticesByRelay(ctx context.Context, relayID string) ([]newsletter.Notice, error) {
	return list(ctx, t, scanNotice, noticeColumns+` AND relay_id = ? LIMIT 2`, relayID)
}

// DeliveryTo returns a reader's letter of an issue.
func (t *Tx) DeliveryTo(ctx context.Context, issue newsletter.IssueID, id newsletter.SubscriberID) (newsletter.Delivery, error) {
	d, err := scanDelivery(t.queryRow(ctx, deliveryColumns+` AND d.issue_id = ? AND d.subscriber_id = ?`, issue, id))
	return d, missing(err, "없는 편지예요.")
}

// NoticesTo lists a reader's single letters, newest first.
func (t *Tx) NoticesTo(ctx context.Context, id newsletter.SubscriberID, limit int) ([]newsletter.Notice, error) {
	return list(ctx, t, scanNotice, noticeColumns+` AND subscriber_id = ? ORDER BY id DESC LIMIT ?`, id, limit)
}

const addReport = `
INSERT INTO feedback (delivery_id, notice_id, kind, via, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`

const markBounced = `
UPDATE deliveries SET bounced_at = COALESCE(bounced_at, ?),
	reason = CASE WHEN state = 'uncertain' THEN 'bounced' ELSE reason END,
	reply = CASE WHEN state = 'uncertain' THEN ? ELSE reply END,
	state = CASE WHEN state = 'uncertain' THEN 'failed' ELSE state END
WHERE id = ? RETURNING lease`

// A notice has no column for it: what it says about the reader stands on their timeline.
const markNoticeBounced = `
UPDATE notices SET reason = CASE WHEN state = 'uncertain' THEN 'bounced' ELSE reason END,
	reply = CASE WHEN state = 'uncertain' THEN ? ELSE reply END,
	state = CASE WHEN state = 'uncertain' THEN 'failed' ELSE state END
WHERE id = ? RETURNING lease`

// AddReport writes what came back about a letter, once per kind.
func (t *Tx) AddReport(ctx context.Context, r newsletter.LetterReport) (bool, error) {
	n, err := t.exec(ctx, addReport, idOrNull(r.Delivery), idOrNull(r.Notice), r.Kind, r.Via, ms(r.At))
	if err != nil || n == 0 {
		return false, err
	}
	var lease int64
	outcome := "complained"
	switch {
	case !r.Kind.Bounce() && r.Delivery != 0:
		err = t.queryRow(ctx, `SELECT lease FROM deliveries WHERE id = ?`, r.Delivery).Scan(&lease)
	case !r.Kind.Bounce():
		err = t.queryRow(ctx, `SELECT lease FROM notices WHERE id = ?`, r.Notice).Scan(&lease)
	case r.Delivery != 0:
		outcome = "bounced"
		err = t.queryRow(ctx, markBounced, ms(r.At), replyLine(r.Reply), r.Delivery).Scan(&lease)
	default:
		outcome = "bounced"
		err = t.queryRow(ctx, markNoticeBounced, replyLine(r.Reply), r.Notice).Scan(&lease)
	}
	if err != nil {
		return false, err
	}
	_, err = t.exec(ctx, addAttempt, idOrNull(r.Delivery), idOrNull(r.Notice), lease, ms(r.At), newsletter.StageReport, r.Reply.Code,
		r.Reply.Enhanced, r.Reply.Text, r.Reporter, outcome)
	return err == nil, err
}

// faredLetters are the newest letters to a reader under one address that came to an end, with the worst that came back.
const faredLetters = `
SELECT d.id, d.state, COALESCE(d.done_at, d.first_at, 0),
	(SELECT MIN(CASE f.kind WHEN 'hard' THEN 1 WHEN 'unsure' THEN 2 WHEN 'soft' THEN 3 ELSE 4 END)
		FROM feedback f WHERE f.delivery_id = d.id AND f.kind <> 'complaint')
FROM deliveries d
WHERE d.subscriber_id = ? AND d.email = ? AND (d.state = 'sent' OR d.state = 'failed')
ORDER BY d.id DESC LIMIT 12`

const lastRefusal = `
SELECT stage, code, enhanced, reply FROM attempts WHERE delivery_id = ? AND outcome = 'failed' ORDER BY id DESC LIMIT 1`

var failures = [...]newsletter.FeedbackKind{
	"", newsletter.BounceHard, newsletter.BounceUnsure, newsletter.BounceSoft, newsletter.BounceBlocked,
}

// SuppressionFor weighs a failed letter against the others to its address.
func (t *Tx) SuppressionFor(ctx context.Context, d newsletter.Delivery, key newsletter.AddressKey) (newsletter.SuppressionReason, error) {
	back, err := t.LastLeaver(ctx, key)
	switch {
	case newsletter.KindOf(err) == newsletter.NotFound:
		back = newsletter.Leaver{}
	case err != nil:
		return "", err
	case back.Kind != "returned":
		back = newsletter.Leaver{}
	}
	type row struct {
		newsletter.Fared
		state newsletter.DeliveryState
	}
	rows, err := list(ctx, t, func(r scanner) (w row, err error) {
		var worst *int64
		err = r.Scan(&w.Delivery, &w.state, asTime(&w.At), &worst)
		if worst != nil {
			w.Failed = failures[*worst]
		}
		return w, err
	}, faredLetters, d.Subscriber, d.Email)
	if err != nil {
		return "", err
	}
	var history []newsletter.Fared
	for _, w := range rows {
		if !w.At.After(back.At) {
			continue
		}
		if w.Failed == "" && w.state == newsletter.Failed {
			if w.Failed, err = t.refusalKind(ctx, w.Delivery); err != nil {
				return "", err
			}
		}
		history = append(history, w.Fared)
	}
	return newsletter.SuppressionAfter(d.ID, history), nil
}

// refusalKind says what the reply meant by which a letter failed on its way out.
func (t *Tx) refusalKind(ctx context.Context, id newsletter.DeliveryID) (newsletter.FeedbackKind, error) {
	var r newsletter.Reply
	err := t.queryRow(ctx, lastRefusal, id).Scan(&r.Stage, &r.Code, &r.Enhanced, &r.Text)
	if newsletter.KindOf(err) == newsletter.NotFound {
		return newsletter.BounceBlocked, nil // failed in our own hands: says nothing of the reader
	}
	return newsletter.RefusalKind(r), err
}

const countFailure = `
INSERT INTO issue_feedback (issue_id, hard, complaints) VALUES (?, ?, ?)
ON CONFLICT (issue_id) DO UPDATE SET hard = issue_feedback.hard + excluded.hard, complaints = issue_feedback.complaints + excluded.complaints
RETURNING hard, complaints, hard_told, complaints_told`

const countHanded = `
SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM deliveries WHERE issue_id = ? AND state = 'sent' LIMIT ?) a)
	+ (SELECT COUNT(*) FROM (SELECT 1 FROM deliveries WHERE issue_id = ? AND state = 'failed' LIMIT ?) b)`

const pauseForRate = `UPDATE issues SET state = 'paused', pause_reason = ? WHERE id = ? AND state = 'sending'`

// CountFailure counts, judges the rate, and pauses.
func (t *Tx) CountFailure(ctx context.Context, id newsletter.IssueID, k newsletter.FeedbackKind, now time.Time) (bool, error) {
	var hard, complaints, hardTold, complaintsTold int64
	err := t.queryRow(ctx, countFailure, id, flag(k == newsletter.BounceHard), flag(k == newsletter.Complaint)).Scan(&hard, &complaints, &hardTold, &complaintsTold)
	if err != nil {
		return false, err
	}
	n, told := hard, hardTold
	if k == newsletter.Complaint {
		n, told = complaints, complaintsTold
	}
	sample := newsletter.RateSample(k, n)
	if sample == 0 {
		return false, nil
	}
	var letters int64
	if err := t.queryRow(ctx, countHanded, id, sample, id, sample).Scan(&letters); err != nil {
		return false, err
	}
	if !newsletter.RateExceeded(k, n, told, letters) {
		return false, nil
	}
	return t.pauseForRate(ctx, id, k, n, letters, now)
}

func (t *Tx) pauseForRate(ctx context.Context, id newsletter.IssueID, k newsletter.FeedbackKind, n, letters int64, now time.Time) (bool, error) {
	kind, told, text := "bounces", `UPDATE issue_feedback SET hard_told = hard WHERE issue_id = ?`, "반송이 5%%를 넘어서 발송을 멈췄어요. %d통 가운데 %d통이 없는 주소예요. 명단을 살펴보고 계속해 주세요."
	if k == newsletter.Complaint {
		kind, told, text = "complaints", `UPDATE issue_feedback SET complaints_told = complaints WHERE issue_id = ?`, "스팸 신고가 0.1%%를 넘어서 발송을 멈췄어요. %d통 가운데 %d통이 신고됐어요. 받는 사람들을 살펴보고 계속해 주세요."
	}
	changed, err := t.exec(ctx, pauseForRate, kind, id)
	if err != nil || changed == 0 {
		return false, err
	}
	if _, err := t.exec(ctx, told, id); err != nil {
		return false, err
	}
	return true, t.PutAlert(ctx, &newsletter.Alert{Issue: id, Kind: kind, Text: fmt.Sprintf(text, letters, n), At: now})
}

// TallyFeedback counts what a way brought.
func (t *Tx) TallyFeedback(ctx context.Context, via, outcome string, now time.Time) error {
	_, err := t.exec(ctx, `
		INSERT INTO feedback_tally (via, outcome, n, last_at) VALUES (?, ?, 1, ?)
		ON CONFLICT (via, outcome) DO UPDATE SET n = feedback_tally.n + 1, last_at = excluded.last_at`, via, outcome, ms(now))
	return err
}

// FeedbackTally tells what each way brought.
func (t *Tx) FeedbackTally(ctx context.Context) ([]newsletter.FeedbackWay, error) {
	var ways []newsletter.FeedbackWay
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var via, outcome string
		var n int64
		var last time.Time
		if err := r.Scan(&via, &outcome, &n, asTime(&last)); err != nil {
			return struct{}{}, err
		}
		if len(ways) == 0 || ways[len(ways)-1].Name != via {
			ways = append(ways, newsletter.FeedbackWay{Name: via, Outcomes: map[string]int64{}})
		}
		w := &ways[len(ways)-1]
		w.Outcomes[outcome] = n
		if last.After(w.LastAt) {
			w.LastAt = last
		}
		return struct{}{}, nil
	}, `SELECT via, outcome, n, last_at FROM feedback_tally ORDER BY via, outcome`)
	return ways, err
}

// PutLeaveOffer keeps an answer that asks to leave.
func (t *Tx) PutLeaveOffer(ctx context.Context, o newsletter.LeaveOffer) (bool, error) {
	n, err := t.exec(ctx, `INSERT INTO leave_offers (subscriber_id, mark, text, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, o.Subscriber, o.Mark, o.Text, ms(o.At))
	return n == 1, err
}

const leaveOffers = `
SELECT o.id, o.subscriber_id, s.email, o.mark, o.text, o.at FROM leave_offers o JOIN subscribers s ON s.id = o.subscriber_id
WHERE o.decided_at IS NULL AND s.status <> 'unsubscribed'`

func scanLeaveOffer(r scanner) (o newsletter.LeaveOffer, err error) {
	var email string
	err = r.Scan(&o.ID, &o.Subscriber, &email, &o.Mark, &o.Text, asTime(&o.At))
	o.Email = newsletter.StoredAddress(email)
	return o, err
}

// LeaveOffers lists open ones.
func (t *Tx) LeaveOffers(ctx context.Context, limit int) ([]newsletter.LeaveOffer, error) {
	return list(ctx, t, scanLeaveOffer, leaveOffers+` ORDER BY o.id LIMIT ?`, limit)
}

// DecideLeaveOffer closes one.
func (t *Tx) DecideLeaveOffer(ctx context.Context, id int64, accepted bool, now time.Time) (newsletter.LeaveOffer, error) {
	o, err := scanLeaveOffer(t.queryRow(ctx, leaveOffers+` AND o.id = ?`, id))
	if err != nil {
		return o, missing(err, "이미 처리한 요청이에요.")
	}
	gone := &newsletter.Error{Kind: newsletter.NotFound, Msg: "이미 처리한 요청이에요."}
	return o, t.swap(ctx, gone, `UPDATE leave_offers SET decided_at = ?, accepted = ? WHERE id = ? AND decided_at IS NULL`, ms(now), flag(accepted), id)
}

// UnmailedAlerts lists alerts that nobody was written about.
func (t *Tx) UnmailedAlerts(ctx context.Context, limit int) ([]newsletter.Alert, error) {
	return list(ctx, t, func(r scanner) (a newsletter.Alert, err error) {
		return a, r.Scan(&a.ID, &a.Issue, &a.Kind, &a.Text, asTime(&a.At))
	}, `SELECT id, issue_id, kind, text, at FROM alerts WHERE mailed_at IS NULL AND cleared_at IS NULL ORDER BY id LIMIT ?`, limit)
}

// AlertMailed keeps an alert from being mailed twice.
func (t *Tx) AlertMailed(ctx context.Context, id int64, now time.Time) error {
	_, err := t.exec(ctx, `UPDATE alerts SET mailed_at = ? WHERE id = ?`, ms(now), id)
	return err
}
