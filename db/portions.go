package db

import (
	"context"
	"time"

	"techissue/newsletter"
)

// deferBehind ranks readers by when they last clicked or opened one of the ten newest issues, then by how lately they confirmed. The rank does not
// hang on due_at, so that one call after another finds everybody in the same place.
const deferBehind = `
WITH lively AS (
	SELECT d.subscriber_id AS reader, MAX(COALESCE(d.clicked_at, d.opened_at)) AS seen_at FROM deliveries d
	WHERE d.issue_id IN (SELECT i.id FROM issues i WHERE i.state = 'done' ORDER BY i.id DESC LIMIT 10) AND (d.opened_at IS NOT NULL OR d.clicked_at IS NOT NULL)
	GROUP BY d.subscriber_id),
ranked AS (
	SELECT d.id AS id, ROW_NUMBER() OVER (ORDER BY COALESCE(l.seen_at, 0) DESC, COALESCE(s.confirmed_at, s.created_at) DESC, d.id) AS place
	FROM deliveries d
	JOIN subscribers s ON s.id = d.subscriber_id
	LEFT JOIN lively l ON l.reader = d.subscriber_id
	WHERE d.issue_id = ? AND d.state = 'queued')
UPDATE deliveries SET due_at = ? FROM ranked WHERE deliveries.id = ranked.id AND ranked.place > ?`

// DeferBehind puts off letters behind the first n.
func (t *Tx) DeferBehind(ctx context.Context, id newsletter.IssueID, n int64, due time.Time) error {
	_, err := t.exec(ctx, deferBehind, id, ms(due), n)
	return err
}

// CountSentUpTo counts sent letters, most at most.
func (t *Tx) CountSentUpTo(ctx context.Context, id newsletter.IssueID, most int64) (n int64, err error) {
	err = t.queryRow(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM deliveries WHERE issue_id = ? AND state = 'sent' LIMIT ?) q`, id, most).Scan(&n)
	return n, err
}
