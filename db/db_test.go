package db_test

import (
	"context"
	"io/fs"
	"path/filepath"
	"testing"
	"testing/fstest"

	"techissue/db"
	"techissue/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// small is a schema for the tests of this package, so that they tell of the store and
// not of what it keeps. A child may name its parent late: only the commit finds out.
const small = `-- +goose Up
CREATE TABLE things (
    id     {{id}},
    name   TEXT NOT NULL UNIQUE,
    n      {{bigint}} NOT NULL DEFAULT 0,
    at     {{bigint}},
    body   {{blob}},
    on_    INTEGER NOT NULL DEFAULT 0,
    parent {{bigint}} REFERENCES things (id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO things (name, n) VALUES ('root?', 0); -- why?
`

func schema(steps ...string) fs.FS {
	files := fstest.MapFS{}
	for i, text := range steps {
		files["000"+string(rune('1'+i))+"_step.sql"] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func with(steps ...string) dbtest.Option {
	return func(o *db.Options) { o.Migrations = schema(steps...) }
}

// each runs test on a store of the small schema, per engine.
func each(t *testing.T, test func(t *testing.T, d *db.DB)) {
	t.Parallel()
	eachURL(t, func(t *testing.T, url string) {
		d := dbtest.Open(t, url, with(small))
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		test(t, d)
	})
}

// eachURL runs test on an empty place for a store, per engine.
func eachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, newPath(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, dbtest.EmptyPostgresURL(t))
	})
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "techissue.db") }

// newSQLite opens a SQLite store of the small schema.
func newSQLite(t *testing.T, opts ...dbtest.Option) *db.DB {
	t.Helper()
	d := dbtest.Open(t, newPath(t), append([]dbtest.Option{with(small)}, opts...)...)
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func add(ctx context.Context, d *db.DB, name string) error {
	return d.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Insert(ctx, `INSERT INTO things (name) VALUES (?) RETURNING id`, name)
		return err
	})
}

// names lists what is stored and committed, but for the root.
func names(t *testing.T, d *db.DB) (all []string) {
	t.Helper()
	err := d.View(t.Context(), func(tx *db.Tx) (err error) {
		all, err = tx.Texts(t.Context(), `SELECT name FROM things WHERE name <> ? ORDER BY name`, "root?")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
