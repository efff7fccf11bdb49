package db

import (
	"context"
	"math"
	"time"

	"techissue/newsletter"
)

// feedbackLines bounds the log: whoever floods a listener with forged reports must not fill the disk.
const feedbackLines = 5000

// LogFeedback adds a line about what came in.
func (t *Tx) LogFeedback(ctx context.Context, e newsletter.FeedbackEntry) error {
	id, err := t.insert(ctx, `
		INSERT INTO feedback_log (at, via, kind, outcome, why, code, enhanced, delivery_id, notice_id, subscriber_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		ms(e.At), e.Via, e.Kind, e.Outcome, e.Why, e.Code, e.Enhanced, e.Delivery, e.Notice, e.Subscriber)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `DELETE FROM feedback_log WHERE id <= ?`, id-feedbackLines)
	return err
}

const feedbackLog = `
SELECT l.id, l.at, l.via, l.kind, l.outcome, l.why, l.code, l.enhanced, l.delivery_id, l.notice_id, l.subscriber_id,
	COALESCE(i.number, 0), COALESCE(s.email, d.email, n.email, ''), COALESCE(p.id, 0), COALESCE(p.reason, '')
FROM feedback_log l
LEFT JOIN deliveries d ON d.id = l.delivery_id
LEFT JOIN issues i ON i.id = d.issue_id
LEFT JOIN notices n ON n.id = l.notice_id
LEFT JOIN subscribers s ON s.id = l.subscriber_id
LEFT JOIN suppressions p ON p.addr_key = s.addr_key
WHERE l.id < ? AND (l.outcome = ? OR ? = '')
ORDER BY l.id DESC LIMIT ?`

// FeedbackLog lists what came in, newest first.
func (t *Tx) FeedbackLog(ctx context.Context, outcome string, before int64, limit int) ([]newsletter.FeedbackEntry, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	return list(ctx, t, func(r scanner) (e newsletter.FeedbackEntry, err error) {
		return e, r.Scan(&e.ID, asTime(&e.At), &e.Via, &e.Kind, &e.Outcome, &e.Why, &e.Code, &e.Enhanced, &e.Delivery, &e.Notice, &e.Subscriber,
			&e.Number, &e.Email, &e.Suppression, &e.Reason)
	}, feedbackLog, before, outcome, outcome, limit)
}

// SeeFeedback remembers a name, once.
func (t *Tx) SeeFeedback(ctx context.Context, name, body string, now time.Time) (first string, fresh bool, err error) {
	n, err := t.exec(ctx, `INSERT INTO feedback_seen (name, body, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, name, body, ms(now))
	if err != nil || n == 1 {
		return body, n == 1, err
	}
	err = t.queryRow(ctx, `SELECT body FROM feedback_seen WHERE name = ?`, name).Scan(&first)
	return first, false, err
}

// ForgetFeedback drops old names.
func (t *Tx) ForgetFeedback(ctx context.Context, before time.Time) error {
	_, err := t.exec(ctx, `DELETE FROM feedback_seen WHERE at < ?`, ms(before))
	return err
}
