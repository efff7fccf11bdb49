package db_test

import (
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
)

func newPostgres(t *testing.T) *db.DB {
	t.Helper()
	d := dbtest.Open(t, dbtest.EmptyPostgresURL(t), with(small))
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// Two changes that each read what the other writes: READ COMMITTED would let both pass.
func TestPostgresUpdateIsSerializable(t *testing.T) {
	t.Parallel()
	d := newPostgres(t)
	ctx := t.Context()
	runs := 0
	err := d.Update(ctx, func(tx *db.Tx) error {
		runs++
		n, err := tx.Int(ctx, `SELECT COUNT(*) FROM things WHERE n = 5`)
		if err != nil {
			return err
		}
		if runs == 1 {
			err := d.Update(ctx, func(tx *db.Tx) error {
				if _, err := tx.Int(ctx, `SELECT COUNT(*) FROM things WHERE n = 6`); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, `INSERT INTO things (name, n) VALUES ('inner', 5)`)
				return err
			})
			if err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `INSERT INTO things (name, n) VALUES ('outer', ?)`, 6+10*n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if runs != 2 {
		t.Errorf("the function ran %d times, want a second time after the conflict", runs)
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		n, err := tx.Int(ctx, `SELECT n FROM things WHERE name = 'outer'`)
		if n != 16 {
			t.Errorf("the second run did not see the other change: %d", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPostgresServerGone(t *testing.T) {
	t.Parallel()
	d := newPostgres(t)
	err := d.Update(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `SELECT pg_terminate_backend(pg_backend_pid())`)
		return err
	})
	if newsletter.KindOf(err) != newsletter.Unavailable {
		t.Errorf("a connection that was cut gives %v", err)
	}
	if err := add(t.Context(), d, "next"); err != nil {
		t.Errorf("the next one: %v", err)
	}
	_, err = db.Open(t.Context(), db.Options{URL: "postgres://nobody@/x?host=" + t.TempDir(), Now: time.Now, Log: dbtest.Log(t)})
	if newsletter.KindOf(err) != newsletter.Unavailable {
		t.Errorf("no server gives %v", err)
	}
}

func TestPostgresText(t *testing.T) {
	t.Parallel()
	d := newPostgres(t)
	if err := add(t.Context(), d, "nul\x00"); newsletter.KindOf(err) != newsletter.Invalid {
		t.Errorf("a NUL gives %v", err)
	}
}

func TestPostgresLocksEndInUnavailable(t *testing.T) {
	t.Parallel()
	url := dbtest.EmptyPostgresURL(t)
	d := dbtest.Open(t, url, with(small), func(o *db.Options) { o.BusyTimeout = 50e6 })
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	touch := func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE things SET n = n + 1`)
		return err
	}
	err := d.Quick(ctx, func(tx *db.Tx) error {
		if err := touch(tx); err != nil {
			return err
		}
		if err := d.Quick(ctx, touch); newsletter.KindOf(err) != newsletter.Unavailable {
			t.Errorf("a row held by another gives %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
