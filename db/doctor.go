package db

import (
	"context"
	"fmt"
	"time"
)

// Check reads every page of a SQLite file now: nil or *Damaged. On PostgreSQL it is nil.
func (d *DB) Check(ctx context.Context) error {
	if d.writer == nil {
		return nil
	}
	return d.quickCheck(ctx)
}

// JournalMode is SQLite's, "wal" when all is well; "" on PostgreSQL.
func (d *DB) JournalMode(ctx context.Context) (mode string, err error) {
	if d.writer == nil {
		return "", nil
	}
	if err := d.pool.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return "", fmt.Errorf("read the journal mode: %w", d.dialect.wrap(err))
	}
	return mode, nil
}

// LatestRecord is the latest time that stands in the append-only tables, zero in an empty house. Only their newest rows are looked at:
// a clock that was set back shows there.
func (t *Tx) LatestRecord(ctx context.Context) (latest time.Time, err error) {
	for _, q := range []string{
		`SELECT COALESCE(MAX(at), 0) FROM (SELECT at FROM audit ORDER BY id DESC LIMIT 100) newest`,
		`SELECT COALESCE(MAX(at), 0) FROM (SELECT at FROM attempts ORDER BY id DESC LIMIT 100) newest`,
		`SELECT COALESCE(MAX(at), 0) FROM (SELECT at FROM consents ORDER BY id DESC LIMIT 100) newest`,
	} {
		var at time.Time
		if err := t.queryRow(ctx, q).Scan(asTime(&at)); err != nil {
			return time.Time{}, err
		}
		if at.After(latest) {
			latest = at
		}
	}
	return latest, nil
}

// HasAdverts tells whether the house sends advertising: an issue of that kind, or a reader who agreed to it.
func (t *Tx) HasAdverts(ctx context.Context) (ads bool, err error) {
	return ads, t.queryRow(ctx, `
		SELECT CASE WHEN EXISTS (SELECT 1 FROM issues WHERE kind = 'ad') OR EXISTS (SELECT 1 FROM subscribers WHERE ad_consent = 1 AND status = 'active')
		THEN 1 ELSE 0 END`).Scan(asFlag(&ads))
}
