package db

import (
	"context"

	"techissue/newsletter"
)

// Audit appends to the record of the desk.
func (t *Tx) Audit(ctx context.Context, e newsletter.AuditEntry) error {
	_, err := t.exec(ctx, `INSERT INTO audit (at, actor, action, object, detail, ip) VALUES (?, ?, ?, ?, ?, ?)`, ms(e.At), e.Actor, e.Action, e.Object, e.Detail, e.IP)
	return err
}

// AuditLog lists it, newest first.
func (t *Tx) AuditLog(ctx context.Context, cursor int64, limit int) ([]newsletter.AuditEntry, error) {
	var w where
	if cursor > 0 {
		w.and(`id < ?`, cursor)
	}
	return list(ctx, t, func(r scanner) (e newsletter.AuditEntry, err error) {
		return e, r.Scan(&e.ID, asTime(&e.At), &e.Actor, &e.Action, &e.Object, &e.Detail, &e.IP)
	}, `SELECT id, at, actor, action, object, detail, ip FROM audit WHERE TRUE`+w.text+` ORDER BY id DESC LIMIT ?`, append(w.args, limit+1)...)
}
