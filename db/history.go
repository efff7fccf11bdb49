package db

import (
	"context"

	"techissue/newsletter"
)

const versionColumns = `SELECT id, kind, object_id, version, actor, auto, content, begun_at, at FROM history WHERE TRUE`

func scanVersion(r scanner) (v newsletter.Version, err error) {
	return v, r.Scan(&v.ID, &v.Kind, &v.Object, &v.Version, &v.Actor, asFlag(&v.Auto), &v.Content, asTime(&v.BegunAt), asTime(&v.At))
}

// PutVersion inserts a row, or lets it stand for a later save too.
func (t *Tx) PutVersion(ctx context.Context, v *newsletter.Version) (err error) {
	if v.ID != 0 {
		return t.swap(ctx, errNoVersion(), `UPDATE history SET version = ?, auto = ?, content = ?, at = ? WHERE id = ?`, v.Version, flag(v.Auto), v.Content, ms(v.At), v.ID)
	}
	v.ID, err = t.insert(ctx, `INSERT INTO history (kind, object_id, version, actor, auto, content, begun_at, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		v.Kind, v.Object, v.Version, v.Actor, flag(v.Auto), v.Content, ms(v.BegunAt), ms(v.At))
	return err
}

func errNoVersion() error {
	return &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 판이에요."}
}

// LastVersion returns the newest row of an object.
func (t *Tx) LastVersion(ctx context.Context, kind string, object int64) (newsletter.Version, error) {
	v, err := scanVersion(t.queryRow(ctx, versionColumns+` AND kind = ? AND object_id = ? ORDER BY id DESC LIMIT 1`, kind, object))
	return v, missing(err, "없는 판이에요.")
}

// VersionByID returns one row.
func (t *Tx) VersionByID(ctx context.Context, id int64) (newsletter.Version, error) {
	v, err := scanVersion(t.queryRow(ctx, versionColumns+` AND id = ?`, id))
	return v, missing(err, "없는 판이에요.")
}

// Versions lists the newest first.
func (t *Tx) Versions(ctx context.Context, kind string, object int64, limit int) ([]newsletter.Version, error) {
	return list(ctx, t, scanVersion, versionColumns+` AND kind = ? AND object_id = ? ORDER BY id DESC LIMIT ?`, kind, object, limit)
}

const cutHistory = `
DELETE FROM history WHERE kind = ? AND object_id = ?
AND id NOT IN (SELECT h.id FROM history h WHERE h.kind = ? AND h.object_id = ? ORDER BY h.id DESC LIMIT ?)`

// CutHistory keeps the newest rows of an object.
func (t *Tx) CutHistory(ctx context.Context, kind string, object int64, keep int) error {
	_, err := t.exec(ctx, cutHistory, kind, object, kind, object, keep)
	return err
}
