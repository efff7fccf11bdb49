package db

import (
	"context"
	"encoding/json"

	"techissue/newsletter"
)

// takeBack makes a worker that holds a letter of the edition before lose it at the gate: a correction reaches everybody not
// yet handed, whenever the letter was claimed.
const takeBack = `UPDATE deliveries SET state = 'queued', lease = lease + 1 WHERE state = 'leased' AND issue_id = ? AND variant = ?`

// AddEdition freezes a snapshot. Letters that are leased are queued again, to be claimed with it.
func (t *Tx) AddEdition(ctx context.Context, e newsletter.Edition) error {
	_, err := t.exec(ctx, `INSERT INTO editions (issue_id, number, variant, reason, snapshot, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
		e.Issue, e.Number, e.Variant, e.Reason, jsonText(e.Snapshot), ms(e.CreatedAt))
	if err != nil {
		return taken(err, "number", "이미 있는 판이에요.")
	}
	_, err = t.exec(ctx, takeBack, e.Issue, e.Variant)
	return err
}

// Editions lists an issue's snapshots, oldest first.
func (t *Tx) Editions(ctx context.Context, id newsletter.IssueID) ([]newsletter.Edition, error) {
	return list(ctx, t, func(r scanner) (newsletter.Edition, error) {
		e := newsletter.Edition{Issue: id}
		var snapshot string
		if err := r.Scan(&e.Number, &e.Variant, &e.Reason, &snapshot, asTime(&e.CreatedAt)); err != nil {
			return e, err
		}
		return e, json.Unmarshal([]byte(snapshot), &e.Snapshot)
	}, `SELECT number, variant, reason, snapshot, created_at FROM editions WHERE issue_id = ? ORDER BY number`, id)
}

const editionTallies = `
SELECT e.number, e.variant, e.reason, e.created_at, COUNT(d.id)
FROM editions e
LEFT JOIN deliveries d ON d.issue_id = e.issue_id AND d.edition = e.number AND d.state = 'sent'
WHERE e.issue_id = ?
GROUP BY e.number, e.variant, e.reason, e.created_at ORDER BY e.number`

// EditionTallies counts who got which edition.
func (t *Tx) EditionTallies(ctx context.Context, id newsletter.IssueID) ([]newsletter.EditionTally, error) {
	return list(ctx, t, func(r scanner) (e newsletter.EditionTally, err error) {
		return e, r.Scan(&e.Number, &e.Variant, &e.Reason, asTime(&e.CreatedAt), &e.Sent)
	}, editionTallies, id)
}
