package db

import (
	"context"

	"techissue/newsletter"
)

const suppressionColumns = `SELECT id, addr_key, email, reason, evidence, created_at FROM suppressions WHERE TRUE`

func scanSuppression(r scanner) (s newsletter.Suppression, err error) {
	return s, r.Scan(&s.ID, &s.AddrKey, &s.Email, &s.Reason, &s.Evidence, asTime(&s.CreatedAt))
}

// SuppressionByKey returns what stands against an address.
func (t *Tx) SuppressionByKey(ctx context.Context, key newsletter.AddressKey) (newsletter.Suppression, error) {
	s, err := scanSuppression(t.queryRow(ctx, suppressionColumns+` AND addr_key = ?`, key))
	return s, missing(err, "막혀 있지 않은 주소예요.")
}

// Suppression returns one by id.
func (t *Tx) Suppression(ctx context.Context, id int64) (newsletter.Suppression, error) {
	s, err := scanSuppression(t.queryRow(ctx, suppressionColumns+` AND id = ?`, id))
	return s, missing(err, "없는 수신 차단이에요.")
}

// The stronger reason stays: soft, hard, manual, complaint.
const putSuppression = `
INSERT INTO suppressions (addr_key, email, reason, evidence, created_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (addr_key) DO UPDATE SET reason = excluded.reason, evidence = excluded.evidence
WHERE CASE excluded.reason WHEN 'soft' THEN 1 WHEN 'hard' THEN 2 WHEN 'manual' THEN 3 ELSE 4 END
	> CASE suppressions.reason WHEN 'soft' THEN 1 WHEN 'hard' THEN 2 WHEN 'manual' THEN 3 ELSE 4 END`

// PutSuppression forbids letters to an address. It locks the reader as an unsubscribe does, which makes it wait for
// a gate that is open, so that after its answer none opens.
func (t *Tx) PutSuppression(ctx context.Context, s *newsletter.Suppression) error {
	if err := t.lock(ctx, `SELECT id FROM subscribers WHERE addr_key = ? {{for_update}}`, s.AddrKey); err != nil {
		return err
	}
	if _, err := t.exec(ctx, putSuppression, s.AddrKey, s.Email, s.Reason, s.Evidence, ms(s.CreatedAt)); err != nil {
		return err
	}
	stored, err := t.SuppressionByKey(ctx, s.AddrKey)
	if err == nil {
		*s = stored
	}
	return err
}

// DeleteSuppression lifts one.
func (t *Tx) DeleteSuppression(ctx context.Context, id int64) error {
	return t.swap(ctx, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 수신 차단이에요."}, `DELETE FROM suppressions WHERE id = ?`, id)
}

// Suppressions lists them, newest first.
func (t *Tx) Suppressions(ctx context.Context, query string, cursor int64, limit int) ([]newsletter.Suppression, error) {
	var w where
	if query != "" {
		w.and(`email {{like}} ? ESCAPE '\'`, contains(query))
	}
	if cursor > 0 {
		w.and(`id < ?`, cursor)
	}
	return list(ctx, t, scanSuppression, suppressionColumns+w.text+` ORDER BY id DESC LIMIT ?`, append(w.args, limit+1)...)
}

// AddLeaver appends to the leavers.
func (t *Tx) AddLeaver(ctx context.Context, l newsletter.Leaver) error {
	_, err := t.exec(ctx, `INSERT INTO leavers (addr_key, at, kind) VALUES (?, ?, ?)`, l.Key, ms(l.At), l.Kind)
	return err
}

// LastLeaver returns the newest line about an address.
func (t *Tx) LastLeaver(ctx context.Context, key newsletter.AddressKey) (newsletter.Leaver, error) {
	l := newsletter.Leaver{Key: key}
	err := t.queryRow(ctx, `SELECT at, kind FROM leavers WHERE addr_key = ? ORDER BY id DESC LIMIT 1`, key).Scan(asTime(&l.At), &l.Kind)
	return l, missing(err, "떠난 적이 없는 주소예요.")
}
