package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"techissue/newsletter"
)

// HouseRest tells why the house sends nothing, if so.
func (t *Tx) HouseRest(ctx context.Context) (r newsletter.HouseRest, err error) {
	return r, t.queryRow(ctx, `SELECT resting, leavers_from, leavers_until FROM house WHERE id = 1`).
		Scan(&r.Why, asTime(&r.LeaversFrom), asTime(&r.LeaversUntil))
}

// PutHouseRest changes it.
func (t *Tx) PutHouseRest(ctx context.Context, r newsletter.HouseRest) error {
	_, err := t.exec(ctx, `UPDATE house SET resting = ?, leavers_from = ?, leavers_until = ? WHERE id = 1`, r.Why, orNull(r.LeaversFrom), orNull(r.LeaversUntil))
	return err
}

// HoldNotices cancels single letters that are owed, takes the second try from those in doubt, and ends what programs were still to be told.
func (t *Tx) HoldNotices(ctx context.Context, reason string, now time.Time) (int64, error) {
	if _, err := t.exec(ctx, `UPDATE notices SET resent = 1 WHERE state = 'handing' OR state = 'uncertain'`); err != nil {
		return 0, err
	}
	if _, err := t.exec(ctx, `UPDATE webhook_messages SET state = 'failed', error = ?, done_at = ? WHERE state = 'queued'`, reason, ms(now)); err != nil {
		return 0, err
	}
	if _, err := t.exec(ctx, `UPDATE outbox SET done_at = ? WHERE done_at IS NULL`, ms(now)); err != nil {
		return 0, err
	}
	return t.exec(ctx, `UPDATE notices SET state = 'cancelled', reason = ?, done_at = ? WHERE state = 'queued' OR state = 'leased'`, reason, ms(now))
}

// NewestLeaver is the newest line of the leavers' table.
func (t *Tx) NewestLeaver(ctx context.Context) (l newsletter.Leaver, err error) {
	err = t.queryRow(ctx, `SELECT addr_key, at, kind FROM leavers ORDER BY id DESC LIMIT 1`).Scan(&l.Key, asTime(&l.At), &l.Kind)
	return l, missing(err, "아무도 떠나지 않았어요.")
}

// HasLeaver tells whether this very line stands in the table.
func (t *Tx) HasLeaver(ctx context.Context, l newsletter.Leaver) (has bool, err error) {
	return has, t.queryRow(ctx, `
		SELECT CASE WHEN EXISTS (SELECT 1 FROM leavers WHERE addr_key = ? AND at = ? AND kind = ?) THEN 1 ELSE 0 END`, l.Key, ms(l.At), l.Kind).Scan(asFlag(&has))
}

// PutBackup inserts (ID 0), or writes what reading it back found.
func (t *Tx) PutBackup(ctx context.Context, b *newsletter.Backup) error {
	if b.ID == 0 {
		return t.queryRow(ctx, `INSERT INTO backups (at, path, bytes, kind, verified_at, fault) VALUES (?, ?, ?, ?, ?, ?) RETURNING id`,
			ms(b.At), b.Path, b.Bytes, b.Kind, orNull(b.VerifiedAt), b.Fault).Scan(&b.ID)
	}
	_, err := t.exec(ctx, `UPDATE backups SET verified_at = ?, fault = ? WHERE id = ?`, orNull(b.VerifiedAt), b.Fault, b.ID)
	return err
}

// Backups lists what was written and not removed, newest first.
func (t *Tx) Backups(ctx context.Context, limit int) ([]newsletter.Backup, error) {
	return list(ctx, t, func(r scanner) (b newsletter.Backup, err error) {
		return b, r.Scan(&b.ID, asTime(&b.At), &b.Path, &b.Bytes, &b.Kind, asTime(&b.VerifiedAt), &b.Fault)
	}, `SELECT id, at, path, bytes, kind, verified_at, fault FROM backups WHERE removed_at IS NULL ORDER BY at DESC, id DESC LIMIT ?`, limit)
}

// RemoveBackup notes that the file is gone.
func (t *Tx) RemoveBackup(ctx context.Context, id int64, now time.Time) error {
	_, err := t.exec(ctx, `UPDATE backups SET removed_at = ? WHERE id = ? AND removed_at IS NULL`, ms(now), id)
	return err
}

// StripKeys takes the keys out of this database, for a copy that goes to strange hands: those of tokens, and the one of address
// hashes.
func (d *DB) StripKeys(ctx context.Context) error {
	err := d.Update(ctx, func(tx *Tx) error {
		if _, err := tx.exec(ctx, `DELETE FROM token_keys`); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `UPDATE house SET addr_key = NULL WHERE id = 1`)
		return err
	})
	if err != nil {
		return fmt.Errorf("take the keys out: %w", err)
	}
	return nil
}

// Keys are what StripKeys takes away.
type Keys struct {
	Address []byte
	Tokens  []newsletter.TokenKey
}

// ErrNoKeys says that the database was made without its keys.
var ErrNoKeys = errors.New("this backup carries no keys: restore it onto the folder of the house it comes from, or use a backup made without --without-keys")

// ReadKeys reads them; an Address of nil means that they were taken out.
func (d *DB) ReadKeys(ctx context.Context) (k Keys, err error) {
	err = d.View(ctx, func(tx *Tx) (err error) {
		if err := tx.queryRow(ctx, `SELECT addr_key FROM house WHERE id = 1`).Scan(&k.Address); err != nil {
			return err
		}
		k.Tokens, err = tx.TokenKeys(ctx)
		return err
	})
	return k, err
}

// PutKeys puts them back where they are missing.
func (d *DB) PutKeys(ctx context.Context, k Keys) error {
	return d.Update(ctx, func(tx *Tx) error {
		if _, err := tx.exec(ctx, `UPDATE house SET addr_key = ? WHERE id = 1 AND addr_key IS NULL`, k.Address); err != nil {
			return err
		}
		for _, key := range k.Tokens {
			if err := tx.PutTokenKey(ctx, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// logLeaver appends to the log beside the database, where there is one, before the transaction commits.
func (t *Tx) logLeaver(ctx context.Context, l newsletter.Leaver) error {
	if err := t.AddLeaver(ctx, l); err != nil || t.leavers == nil {
		return err
	}
	if err := t.leavers.Append(ctx, l); err != nil {
		return unavailable(err)
	}
	return nil
}

// InFlight counts letters that a worker holds, on the wire or before it.
func (t *Tx) InFlight(ctx context.Context) (n int64, err error) {
	return n, t.queryRow(ctx, `
		SELECT (SELECT COUNT(*) FROM deliveries WHERE state = 'handing') + (SELECT COUNT(*) FROM notices WHERE state = 'leased' OR state = 'handing')`).Scan(&n)
}

// CountLeavers counts the lines of a kind from then on.
func (t *Tx) CountLeavers(ctx context.Context, kind string, since time.Time) (n int64, err error) {
	return n, t.queryRow(ctx, `SELECT COUNT(*) FROM leavers WHERE kind = ? AND at >= ?`, kind, ms(since)).Scan(&n)
}

// Leavers lists every line, oldest first.
func (t *Tx) Leavers(ctx context.Context) ([]newsletter.Leaver, error) {
	return list(ctx, t, func(r scanner) (l newsletter.Leaver, err error) {
		return l, r.Scan(&l.Key, asTime(&l.At), &l.Kind)
	}, `SELECT addr_key, at, kind FROM leavers ORDER BY id`)
}
