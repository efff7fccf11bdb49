package db

import (
	"context"

	"techissue/newsletter"
)

// PutImport inserts one or notes how far it came at i.SeenAt.
func (t *Tx) PutImport(ctx context.Context, i *newsletter.Import) error {
	if i.ID == 0 {
		id, err := t.insert(ctx, `
			INSERT INTO imports (state, file, format, as_status, consent_source, dry_run, seen_at, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			i.State, i.File, i.Format, i.As, i.ConsentSource, flag(i.DryRun), orNull(i.SeenAt), ms(i.CreatedAt))
		i.ID = id
		return err
	}
	return t.swap(ctx, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 가져오기예요."}, `
		UPDATE imports SET state = ?, format = ?, rows_read = ?, created = ?, updated = ?, unsubscribed = ?, rejected = ?, error = ?, seen_at = ?, done_at = ? WHERE id = ?`,
		i.State, i.Format, i.Rows, i.Created, i.Updated, i.Unsubscribed, i.Rejected, i.Error, orNull(i.SeenAt), orNull(i.DoneAt), i.ID)
}

// Import returns one run.
func (t *Tx) Import(ctx context.Context, id int64) (newsletter.Import, error) {
	i := newsletter.Import{ID: id}
	err := t.queryRow(ctx, `
		SELECT state, file, format, as_status, consent_source, dry_run, rows_read, created, updated, unsubscribed, rejected, error, seen_at, created_at, done_at
		FROM imports WHERE id = ?`, id).
		Scan(&i.State, &i.File, &i.Format, &i.As, &i.ConsentSource, asFlag(&i.DryRun), &i.Rows, &i.Created, &i.Updated, &i.Unsubscribed, &i.Rejected, &i.Error,
			asTime(&i.SeenAt), asTime(&i.CreatedAt), asTime(&i.DoneAt))
	return i, missing(err, "없는 가져오기예요.")
}

// AddRejects keeps refused lines; a line met again by a second run of a chunk stays as it is.
func (t *Tx) AddRejects(ctx context.Context, id int64, rejects []newsletter.Reject) error {
	for _, r := range rejects {
		_, err := t.exec(ctx, `INSERT INTO import_rejects (import_id, line, value, reason) VALUES (?, ?, ?, ?) ON CONFLICT (import_id, line) DO NOTHING`, id, r.Line, r.Value, r.Reason)
		if err != nil {
			return err
		}
	}
	return nil
}

// Rejects lists refused lines in the order of the file.
func (t *Tx) Rejects(ctx context.Context, id int64, after int64, limit int) ([]newsletter.Reject, error) {
	return list(ctx, t, func(r scanner) (j newsletter.Reject, err error) {
		return j, r.Scan(&j.Line, &j.Value, &j.Reason)
	}, `SELECT line, value, reason FROM import_rejects WHERE import_id = ? AND line > ? ORDER BY line LIMIT ?`, id, after, limit+1)
}
