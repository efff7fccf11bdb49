package db

import (
	"context"
	"time"

	"techissue/newsletter"
)

const putAlert = `
INSERT INTO alerts (issue_id, kind, text, at) VALUES (?, ?, ?, ?)
ON CONFLICT (issue_id, kind) WHERE cleared_at IS NULL DO NOTHING`

// PutAlert raises an alert unless the same one is open.
func (t *Tx) PutAlert(ctx context.Context, a *newsletter.Alert) error {
	_, err := t.exec(ctx, putAlert, a.Issue, a.Kind, a.Text, ms(a.At))
	return err
}

// ClearAlerts closes an issue's alerts of a kind, "" for all of them.
func (t *Tx) ClearAlerts(ctx context.Context, id newsletter.IssueID, kind string, now time.Time) error {
	_, err := t.exec(ctx, `UPDATE alerts SET cleared_at = ? WHERE issue_id = ? AND cleared_at IS NULL AND (kind = ? OR ? = '')`, ms(now), id, kind, kind)
	return err
}

// Alerts lists the open ones.
func (t *Tx) Alerts(ctx context.Context, id newsletter.IssueID) ([]newsletter.Alert, error) {
	return list(ctx, t, func(r scanner) (a newsletter.Alert, err error) {
		return a, r.Scan(&a.ID, &a.Issue, &a.Kind, &a.Text, asTime(&a.At))
	}, `SELECT id, issue_id, kind, text, at FROM alerts WHERE issue_id = ? AND cleared_at IS NULL ORDER BY id`, id)
}
