package db

import (
	"context"
	"time"

	"techissue/newsletter"
)

const hoursOf = `
SELECT (h.at - ?) / 3600000,
	SUM(CASE WHEN h.kind = 'open' AND h.machine = 0 THEN 1 ELSE 0 END), SUM(CASE WHEN h.kind = 'click' AND h.machine = 0 THEN 1 ELSE 0 END),
	SUM(CASE WHEN h.kind = 'open' AND h.machine = 1 THEN 1 ELSE 0 END), SUM(CASE WHEN h.kind = 'click' AND h.machine = 1 THEN 1 ELSE 0 END)
FROM deliveries d JOIN hits h ON h.delivery_id = d.id
WHERE d.issue_id = ? AND d.opened_at IS NOT NULL AND h.at >= ? AND h.at < ?
GROUP BY 1 ORDER BY 1`

// Hours counts hits by the hour.
func (t *Tx) Hours(ctx context.Context, id newsletter.IssueID, since time.Time, n int) ([]newsletter.Hour, error) {
	begin := ms(since)
	return list(ctx, t, func(r scanner) (h newsletter.Hour, err error) {
		return h, r.Scan(&h.N, &h.Opens, &h.Clicks, &h.MachineOpens, &h.MachineClicks)
	}, hoursOf, begin, id, begin, begin+int64(n)*3600000)
}

// Verdicts counts hits by what they were taken for. Hits from before there was a reason say so by none.
func (t *Tx) Verdicts(ctx context.Context, id newsletter.IssueID) ([]newsletter.VerdictTally, error) {
	return list(ctx, t, func(r scanner) (v newsletter.VerdictTally, err error) {
		var kind string
		err = r.Scan(&kind, &v.Why, &v.N)
		v.Click = kind == "click"
		return v, err
	}, `
		SELECT h.kind, CASE WHEN h.machine = 0 THEN '' WHEN h.why = '' THEN 'agent' ELSE h.why END, COUNT(*)
		FROM deliveries d JOIN hits h ON h.delivery_id = d.id
		WHERE d.issue_id = ? AND d.opened_at IS NOT NULL GROUP BY 1, 2 ORDER BY 1 DESC, 3 DESC`, id)
}

// Providers counts by the domain of the address. Letters of erased readers have none.
func (t *Tx) Providers(ctx context.Context, ids []newsletter.IssueID, limit int) ([]newsletter.Provider, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return list(ctx, t, func(r scanner) (p newsletter.Provider, err error) {
		return p, r.Scan(&p.Domain, &p.Sent, &p.Opened)
	}, `
		SELECT SUBSTR(d.email, {{found}}(d.email, '@') + 1), COUNT(*), COUNT(d.opened_at) FROM deliveries d
		WHERE d.issue_id IN (`+marks(len(ids))+`) AND d.state = 'sent' AND d.email <> ''
		GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?`, append(anyOf(ids), limit)...)
}

// Leavings counts readers whose last letter this was, by their reason.
func (t *Tx) Leavings(ctx context.Context, id newsletter.IssueID) ([]newsletter.Leaving, error) {
	return list(ctx, t, func(r scanner) (l newsletter.Leaving, err error) { return l, r.Scan(&l.Reason, &l.N) }, `
		SELECT s.unsubscribe_reason, COUNT(*) FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
		WHERE d.issue_id = ? AND d.state = 'sent' AND s.unsubscribed_at >= d.done_at
		AND NOT EXISTS (SELECT 1 FROM deliveries n WHERE n.subscriber_id = s.id AND n.state = 'sent' AND n.id > d.id)
		GROUP BY s.unsubscribe_reason ORDER BY 2 DESC, 1 LIMIT 30`, id)
}

// Growth counts by days of a place that is offset from UTC.
func (t *Tx) Growth(ctx context.Context, since time.Time, offset time.Duration) ([]newsletter.Day, error) {
	shift, begin := offset.Milliseconds(), ms(since)
	return list(ctx, t, func(r scanner) (d newsletter.Day, err error) {
		var day int64
		err = r.Scan(&day, &d.Joined, &d.Left)
		d.At = fromMS(day*86400000 - shift)
		return d, err
	}, `
		SELECT day, SUM(joined), SUM(gone) FROM (
			SELECT (COALESCE(confirmed_at, created_at) + ?) / 86400000 AS day, 1 AS joined, 0 AS gone FROM subscribers
			WHERE status <> 'pending' AND COALESCE(confirmed_at, created_at) >= ?
			UNION ALL
			SELECT (unsubscribed_at + ?) / 86400000, 0, 1 FROM subscribers WHERE status = 'unsubscribed' AND unsubscribed_at >= ?) d
		GROUP BY day ORDER BY day`, shift, begin, shift, begin)
}

// Sources counts active readers by where they came from.
func (t *Tx) Sources(ctx context.Context, limit int) ([]newsletter.SourceTally, error) {
	return list(ctx, t, func(r scanner) (s newsletter.SourceTally, err error) { return s, r.Scan(&s.Source, &s.N) },
		`SELECT source, COUNT(*) FROM subscribers WHERE status = 'active' GROUP BY source ORDER BY 2 DESC, 1 LIMIT ?`, limit)
}
