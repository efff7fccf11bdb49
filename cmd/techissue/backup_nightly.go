package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"techissue/newsletter"
)

const (
	backupHour   = 3*time.Hour + 30*time.Minute // of the house's day
	backupGrace  = 2 * time.Minute              // after a start that comes too late for it
	backupKept   = 14 * 24 * time.Hour
	backupFewest = 3 // are kept however old they are
	alertBackup  = "backup"
)

// keepBackups writes a backup each night, reads it back, and takes old ones away. PostgreSQL is backed up by its own tools.
func (a *app) keepBackups(ctx context.Context) error {
	if a.cfg.postgres() {
		return nil
	}
	started := now()
	for {
		last, err := a.lastScheduled(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.Error("read the list of backups", "err", err)
		}
		wait := backupDue(last, started, a.cfg.loc).Sub(now())
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(min(max(wait, 0), 10*time.Minute)): // in steps: the clock may be set
		}
		if now().Before(backupDue(last, started, a.cfg.loc)) {
			continue
		}
		if err := a.nightly(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("nightly backup failed", "err", err)
		}
	}
}

// backupDue is when the next scheduled backup is: at half past three after the last one. A house that has none waits for the next night,
// one that was off at night for its start to settle.
func backupDue(last, started time.Time, loc *time.Location) time.Time {
	if last.IsZero() {
		last = started
	}
	local := last.In(loc)
	due := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, loc).Add(backupHour)
	if !due.After(last) {
		due = time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, loc).Add(backupHour)
	}
	if settled := started.Add(backupGrace); due.Before(settled) {
		return settled
	}
	return due
}

func (a *app) lastScheduled(ctx context.Context) (last time.Time, err error) {
	err = a.store.View(ctx, func(tx newsletter.Tx) error {
		all, err := tx.Backups(ctx, 100)
		for _, b := range all {
			if b.Kind == "scheduled" {
				last = b.At
				break
			}
		}
		return err
	})
	return last, err
}

// nightly writes one backup, verifies it, copies it to the second place, and cleans up. A failure is noted, raises an alert, and counts
// as tonight's: the next try is tomorrow's, or techissue backup.
func (a *app) nightly(ctx context.Context) error {
	folder := filepath.Join(a.cfg.Data, "backups")
	err := os.MkdirAll(folder, 0o700)
	var b newsletter.Backup
	if err == nil {
		name := "techissue-" + now().In(a.cfg.loc).Format("20060102-150405") + ".tar.gz"
		b, err = a.writeBackup(ctx, filepath.Join(folder, name), backupOptions{kind: "scheduled", keys: true})
	}
	if err == nil {
		err = a.readBack(ctx, &b)
	}
	if err == nil && a.cfg.BackupTo != "" {
		err = copyFile(ctx, b.Path, filepath.Join(a.cfg.BackupTo, filepath.Base(b.Path)))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(err, a.noteNightly(ctx, b, err), a.cleanBackups(ctx))
}

// readBack unpacks a backup elsewhere and looks at it as doctor does.
func (a *app) readBack(ctx context.Context, b *newsletter.Backup) error {
	checks, err := examineBackup(ctx, a.cfg, b.Path)
	if err != nil {
		return err
	}
	for _, k := range checks {
		if k.Level == levelFail {
			return fmt.Errorf("read it back: %s", k.Text)
		}
	}
	b.VerifiedAt = now()
	return nil
}

func (a *app) noteNightly(ctx context.Context, b newsletter.Backup, failed error) error {
	return a.store.Update(ctx, func(tx newsletter.Tx) error {
		if b.At.IsZero() {
			b.At, b.Kind = now(), "scheduled"
		}
		if failed == nil {
			if err := tx.ClearAlerts(ctx, 0, alertBackup, now()); err != nil {
				return err
			}
			return tx.PutBackup(ctx, &b)
		}
		b.Fault = failed.Error()
		if err := tx.PutBackup(ctx, &b); err != nil {
			return err
		}
		return tx.PutAlert(ctx, &newsletter.Alert{Kind: alertBackup, Text: "백업하지 못했어요: " + b.Fault, At: now()})
	})
}

// cleanBackups takes scheduled backups away that are older than two weeks, here and at the second place; the newest few stay.
func (a *app) cleanBackups(ctx context.Context) error {
	var old []newsletter.Backup
	err := a.store.View(ctx, func(tx newsletter.Tx) error {
		all, err := tx.Backups(ctx, 1000)
		if err != nil {
			return err
		}
		whole := 0
		for _, b := range all {
			if b.Kind != "scheduled" {
				continue
			}
			if b.Fault == "" {
				whole++
			}
			if whole > backupFewest && now().Sub(b.At) > backupKept || b.Fault != "" && now().Sub(b.At) > backupKept {
				old = append(old, b)
			}
		}
		return nil
	})
	for _, b := range old {
		if err != nil {
			return err
		}
		for _, path := range []string{b.Path, filepath.Join(a.cfg.BackupTo, filepath.Base(b.Path))} {
			if b.Path == "" || path != b.Path && a.cfg.BackupTo == "" {
				continue
			}
			if rm := os.Remove(path); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
				return fmt.Errorf("take an old backup away: %w", rm)
			}
		}
		err = a.store.Update(ctx, func(tx newsletter.Tx) error { return tx.RemoveBackup(ctx, b.ID, now()) })
	}
	return err
}

// copyFile copies to another place, whole or not at all.
func copyFile(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(to), ".techissue-*") // 0600
	if err != nil {
		return fmt.Errorf("copy to TECHISSUE_BACKUP_TO: %w", err)
	}
	defer os.Remove(out.Name())
	_, err = io.Copy(out, &ctxReader{ctx, in})
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil {
		err = os.Rename(out.Name(), to)
	}
	if err != nil {
		return fmt.Errorf("copy to TECHISSUE_BACKUP_TO: %w", err)
	}
	return syncFolder(filepath.Dir(to))
}
