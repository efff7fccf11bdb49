package db_test

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
)

const second = `-- +goose Up
CREATE TABLE more (id {{id}}, at {{bigint}} NOT NULL DEFAULT ({{now_ms}}));
INSERT INTO more (id) VALUES (1);
`

// The program's own migrations, from nothing, on each engine.
func TestSchemaOfTheProgram(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if err := d.CheckSchema(t.Context()); err != nil {
			t.Error(err)
		}
		steps, err := d.MigrationStatus(t.Context())
		if err != nil || len(steps) == 0 {
			t.Fatal(steps, err)
		}
		for _, s := range steps {
			if s.AppliedAt.IsZero() {
				t.Errorf("%s is pending", s.Name)
			}
		}
	})
}

func TestMigrateStepByStep(t *testing.T) {
	t.Parallel()
	eachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		d := dbtest.Open(t, url, with(small))
		var older *db.OlderSchema
		if err := d.CheckSchema(ctx); !errors.As(err, &older) || older.Have != 0 || older.Know != 1 {
			t.Errorf("an empty store: %v", err)
		}
		if steps, err := d.MigrationStatus(ctx); err != nil || len(steps) != 1 || steps[0].Name != "0001_step.sql" || !steps[0].AppliedAt.IsZero() {
			t.Errorf("an empty store: %v %v", steps, err)
		}
		for range 2 {
			if err := errors.Join(d.Migrate(ctx), d.CheckSchema(ctx)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(add(ctx, d, "kept"), d.Close()); err != nil {
			t.Fatal(err)
		}

		d = dbtest.Open(t, url, with(small, second))
		if err := d.CheckSchema(ctx); !errors.As(err, &older) || newsletter.KindOf(err) != newsletter.Unavailable {
			t.Errorf("a program that is newer: %v", err)
		}
		if err := errors.Join(d.Migrate(ctx), d.CheckSchema(ctx)); err != nil {
			t.Fatal(err)
		}
		steps, err := d.MigrationStatus(ctx)
		if err != nil || len(steps) != 2 || time.Since(steps[1].AppliedAt).Abs() > time.Minute {
			t.Errorf("migrated: %v %v", steps, err)
		}
		if d.Engine() == "sqlite" {
			copied := dbtest.Open(t, url+".before-v2", with(small))
			if err := copied.CheckSchema(ctx); err != nil || len(names(t, copied)) != 1 {
				t.Errorf("the copy made before holds %v: %v", names(t, copied), err)
			}
		}

		old := dbtest.Open(t, url, with(small))
		var newer *db.NewerSchema
		for _, err := range []error{old.Migrate(ctx), old.CheckSchema(ctx)} {
			if !errors.As(err, &newer) || newer.Have != 2 || newer.Know != 1 || newsletter.KindOf(err) != newsletter.Unavailable {
				t.Errorf("a program that is older: %v", err)
			}
		}
	})
}

func TestFailedMigrationLeavesNothing(t *testing.T) {
	t.Parallel()
	eachURL(t, func(t *testing.T, url string) {
		broken := second + "INSERT INTO more (id) VALUES (1);\n"
		d := dbtest.Open(t, url, with(small, broken))
		if err := d.Migrate(t.Context()); err == nil {
			t.Fatal("it passed")
		}
		err := d.View(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Int(t.Context(), `SELECT COUNT(*) FROM more`)
			return err
		})
		if err == nil {
			t.Error("half of it is there")
		}
		var older *db.OlderSchema
		if err := d.CheckSchema(t.Context()); !errors.As(err, &older) || older.Have != 1 {
			t.Errorf("the schema: %v", err)
		}
	})
}

func TestMigrationWithUnknownWord(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, newPath(t), with("-- +goose Up\nCREATE TABLE x (id {{serial}});\n"))
	if err := d.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "{{serial}}") {
		t.Errorf("gave %v", err)
	}
}

func TestEmptyMigrations(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, newPath(t), func(o *db.Options) { o.Migrations = fstest.MapFS{} })
	if err := d.Migrate(t.Context()); err == nil {
		t.Error("a program without a schema migrated")
	}
}

func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	eachURL(t, func(t *testing.T, url string) {
		var all sync.WaitGroup
		for range 3 {
			d := dbtest.Open(t, url, with(small, second))
			all.Go(func() {
				if err := errors.Join(d.Migrate(t.Context()), d.CheckSchema(t.Context())); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

// A SQLite schema does not change under a program that has the file open.
func TestMigrateWaitsForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := newPath(t)
		running := dbtest.Open(t, path, with(small))
		if err := running.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		next := dbtest.Open(t, path, with(small, second))
		err := next.Migrate(t.Context())
		if newsletter.KindOf(err) != newsletter.Unavailable || !strings.Contains(err.Error(), "stop it first") {
			t.Errorf("beside a running one: %v", err)
		}
		if err := running.Close(); err != nil {
			t.Fatal(err)
		}
		if err := next.Migrate(t.Context()); err != nil {
			t.Errorf("alone: %v", err)
		}
		if _, err := os.Stat(path + ".before-v2"); err != nil {
			t.Error(err)
		}
	})
}
