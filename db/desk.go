package db

import (
	"context"
	"time"

	"techissue/newsletter"
)

// CountMatching counts the readers that a filter selects.
func (t *Tx) CountMatching(ctx context.Context, f newsletter.SubscriberFilter) (n int64, err error) {
	f.Cursor = 0
	w := subscribersWhere(f)
	return n, t.queryRow(ctx, `SELECT COUNT(*) FROM subscribers s LEFT JOIN suppressions p ON p.addr_key = s.addr_key WHERE TRUE`+w.text, w.args...).Scan(&n)
}

// Movement counts who came and who left.
func (t *Tx) Movement(ctx context.Context, since time.Time) (joined, left int64, err error) {
	return joined, left, t.queryRow(ctx, `
		SELECT COALESCE(SUM(CASE WHEN status <> 'pending' AND COALESCE(confirmed_at, created_at) >= ? THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN status = 'unsubscribed' AND unsubscribed_at >= ? THEN 1 ELSE 0 END), 0)
		FROM subscribers`, ms(since), ms(since)).Scan(&joined, &left)
}

// SubscriberTags lists the tags in use.
func (t *Tx) SubscriberTags(ctx context.Context, limit int) ([]string, error) {
	return list(ctx, t, func(r scanner) (tag string, err error) { return tag, r.Scan(&tag) },
		`SELECT DISTINCT tag FROM subscriber_tags ORDER BY tag LIMIT ?`, limit)
}

// SubscriberSources lists the sources in use.
func (t *Tx) SubscriberSources(ctx context.Context, limit int) ([]string, error) {
	return list(ctx, t, scanText, `SELECT DISTINCT source FROM subscribers WHERE status = 'active' AND source <> '' ORDER BY source LIMIT ?`, limit)
}

// OpenAlerts lists what nobody has cleared.
func (t *Tx) OpenAlerts(ctx context.Context, limit int) ([]newsletter.Alert, error) {
	return list(ctx, t, func(r scanner) (a newsletter.Alert, err error) {
		return a, r.Scan(&a.ID, &a.Issue, &a.Kind, &a.Text, asTime(&a.At))
	}, `SELECT id, issue_id, kind, text, at FROM alerts WHERE cleared_at IS NULL ORDER BY id DESC LIMIT ?`, limit)
}

// LettersByState counts letters for a page of issues.
func (t *Tx) LettersByState(ctx context.Context, ids []newsletter.IssueID) (map[newsletter.IssueID]map[newsletter.DeliveryState]int64, error) {
	counts := map[newsletter.IssueID]map[newsletter.DeliveryState]int64{}
	if len(ids) == 0 {
		return counts, nil
	}
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var id newsletter.IssueID
		var state newsletter.DeliveryState
		var n int64
		err := r.Scan(&id, &state, &n)
		if counts[id] == nil {
			counts[id] = map[newsletter.DeliveryState]int64{}
		}
		counts[id][state] = n
		return struct{}{}, err
	}, `SELECT issue_id, state, COUNT(*) FROM deliveries WHERE issue_id IN (`+marks(len(ids))+`) GROUP BY issue_id, state`, anyOf(ids)...)
	return counts, err
}

// UncertainIssues finds the letters in doubt by the index of open ones.
func (t *Tx) UncertainIssues(ctx context.Context) (map[newsletter.IssueID]int64, error) {
	counts := map[newsletter.IssueID]int64{}
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var id newsletter.IssueID
		var n int64
		err := r.Scan(&id, &n)
		counts[id] = n
		return struct{}{}, err
	}, `SELECT issue_id, COUNT(*) FROM deliveries WHERE state = 'uncertain' GROUP BY issue_id`)
	return counts, err
}

// CountIssues counts by state.
func (t *Tx) CountIssues(ctx context.Context) (map[newsletter.IssueState]int64, error) {
	counts := map[newsletter.IssueState]int64{}
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var state newsletter.IssueState
		var n int64
		err := r.Scan(&state, &n)
		counts[state] = n
		return struct{}{}, err
	}, `SELECT state, COUNT(*) FROM issues GROUP BY state`)
	return counts, err
}

// Troubles lists refused, expired and deferred letters. The ids stand for the time: an issue is sent in their order.
func (t *Tx) Troubles(ctx context.Context, id newsletter.IssueID, limit int) ([]newsletter.Delivery, error) {
	return list(ctx, t, scanDelivery, deliveryColumns+`
		AND d.issue_id = ? AND (d.state IN ('failed', 'expired') OR (d.state = 'queued' AND d.attempts > 0)) ORDER BY d.id DESC LIMIT ?`, id, limit)
}
