// Package dbtest gives tests a real store, empty and migrated: a SQLite file, or a
// PostgreSQL database of a private server that lives as long as the test process. Each
// test gets its own, so tests run in parallel.
//
// A package that uses PostgreSQL has
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
package dbtest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"techissue/db"
)

// Start is what the clock of these stores shows unless Now is given.
var Start = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

// Option changes how a store is opened.
type Option func(*db.Options)

// Now sets the store's clock.
func Now(now func() time.Time) Option { return func(o *db.Options) { o.Now = now } }

// Each runs test once per engine, as parallel subtests "sqlite" and "postgres".
func Each(t *testing.T, test func(t *testing.T, d *db.DB), opts ...Option) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, SQLite(t, opts...))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, Postgres(t, opts...))
	})
}

// New is SQLite: for tests that need a store and do not care which.
func New(t testing.TB, opts ...Option) *db.DB {
	t.Helper()
	return SQLite(t, opts...)
}

// SQLite opens a migrated SQLite store in a folder of its own; it is closed at the end.
func SQLite(t testing.TB, opts ...Option) *db.DB {
	t.Helper()
	return Open(t, SQLitePath(t), opts...)
}

// Postgres opens a migrated PostgreSQL store; it is closed and dropped at the end. Without
// a server the test is skipped, or fails when CI is set.
func Postgres(t testing.TB, opts ...Option) *db.DB {
	t.Helper()
	return Open(t, PostgresURL(t), opts...)
}

// Open opens the store at a path or URL without migrating; it is closed at the end.
func Open(t testing.TB, url string, opts ...Option) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), options(t, url, opts...))
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return d
}

func options(t testing.TB, url string, opts ...Option) db.Options {
	o := db.Options{URL: url, Conns: 4, Now: func() time.Time { return Start }, Log: Log(t)}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// Log writes warnings and errors to the test's own log.
func Log(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// SQLitePath makes a migrated SQLite file in a folder of its own and returns its path.
func SQLitePath(t testing.TB) string {
	t.Helper()
	file, err := migratedFile()
	if err != nil {
		t.Fatalf("make a SQLite store: %v", err)
	}
	path := filepath.Join(t.TempDir(), "techissue.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// migratedFile runs the migrations once per process; tests copy the outcome.
var migratedFile = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "techissue-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "techissue.db")
	if err := migrate(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// migrate makes the store at url ready for copying: migrated and closed.
func migrate(url string) error {
	ctx := context.Background()
	d, err := db.Open(ctx, db.Options{
		URL: url, Now: func() time.Time { return Start }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	if err := d.Migrate(ctx); err != nil {
		return fmt.Errorf("%w (and closing: %v)", err, d.Close())
	}
	return d.Close()
}

// Silent is for tests that damage something on purpose.
func Silent() *slog.Logger { return slog.New(slog.DiscardHandler) }
