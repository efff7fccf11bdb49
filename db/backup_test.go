package db_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
)

// While changes go on: the copy is whole, of one moment, and stops none of them.
func TestBackupWhileWriting(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	ctx := t.Context()
	fill := func(tx *db.Tx) error { // enough for several steps of the copy
		for i := range 3000 {
			name := strings.Repeat("x", 3000) + string(rune('가'+i))
			if _, err := tx.Exec(ctx, `INSERT INTO things (name) VALUES (?)`, name); err != nil {
				return err
			}
		}
		return nil
	}
	if err := d.Update(ctx, fill); err != nil {
		t.Fatal(err)
	}
	writing, stop := context.WithCancel(ctx)
	var writer sync.WaitGroup
	began := make(chan struct{})
	changes := 0
	writer.Go(func() {
		for writing.Err() == nil {
			err := d.Update(ctx, func(tx *db.Tx) error { // two rows change as one
				_, err := tx.Exec(ctx, `UPDATE things SET n = n + 1 WHERE id IN (1, 3000)`)
				return err
			})
			if err != nil {
				t.Error(err)
				return
			}
			if changes++; changes == 1 {
				close(began)
			}
		}
	})
	<-began
	dest := filepath.Join(t.TempDir(), "copy.db")
	err := d.Backup(ctx, dest)
	stop()
	writer.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if changes < 2 {
		t.Error("nothing changed meanwhile")
	}
	if info, err := os.Stat(dest); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	copied := dbtest.Open(t, dest, with(small), lock(t, dest))
	if err := errors.Join(copied.Verified(ctx), copied.CheckSchema(ctx)); err != nil {
		t.Error(err)
	}
	err = copied.View(ctx, func(tx *db.Tx) error {
		rows, err := tx.Int(ctx, `SELECT COUNT(*) FROM things`)
		if rows != 3001 {
			t.Errorf("%d rows of 3001", rows)
		}
		same, err2 := tx.Int(ctx, `SELECT COUNT(DISTINCT n) FROM things WHERE id IN (1, 3000)`)
		if same != 1 {
			t.Error("the copy is of two moments")
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestBackupThatFailsLeavesTheOldOne(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	folder := t.TempDir()
	dest := filepath.Join(folder, "copy.db")
	write(t, dest, []byte("yesterday's"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Backup(ctx, dest); !errors.Is(err, context.Canceled) {
		t.Errorf("gave %v", err)
	}
	if err := d.Backup(t.Context(), filepath.Join(folder, "nowhere", "copy.db")); err == nil {
		t.Error("it wrote into a folder that is not there")
	}
	entries, err := os.ReadDir(folder)
	if b, _ := os.ReadFile(dest); err != nil || len(entries) != 1 || string(b) != "yesterday's" {
		t.Errorf("left %v, %q (%v)", entries, b, err)
	}
	if err := d.Backup(t.Context(), dest); err != nil {
		t.Error(err)
	}
	dbtest.Open(t, dest, with(small))
}

func TestBackupOfPostgres(t *testing.T) {
	t.Parallel()
	d := newPostgres(t)
	if err := d.Backup(t.Context(), filepath.Join(t.TempDir(), "x")); newsletter.KindOf(err) != newsletter.Invalid {
		t.Errorf("gave %v", err)
	}
}
