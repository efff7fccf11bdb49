package db

import (
	"context"

	"techissue/newsletter"
)

// PutOpinion keeps the last word on a letter.
func (t *Tx) PutOpinion(ctx context.Context, o newsletter.Opinion) error {
	_, err := t.exec(ctx, `
		INSERT INTO opinions (delivery_id, issue_id, verdict, at) VALUES (?, ?, ?, ?)
		ON CONFLICT (delivery_id) DO UPDATE SET verdict = excluded.verdict, at = excluded.at`, o.Delivery, o.Issue, o.Verdict, ms(o.At))
	return err
}

// Opinions counts an issue's by verdict.
func (t *Tx) Opinions(ctx context.Context, id newsletter.IssueID) (map[string]int64, error) {
	counts := map[string]int64{}
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var verdict string
		var n int64
		err := r.Scan(&verdict, &n)
		counts[verdict] = n
		return struct{}{}, err
	}, `SELECT verdict, count(*) FROM opinions WHERE issue_id = ? GROUP BY verdict`, id)
	return counts, err
}
