package db_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
)

func TestPragmas(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	read := func(begin string, pragma string, want int64) {
		t.Helper()
		fn := func(tx *db.Tx) error {
			n, err := tx.Int(t.Context(), "PRAGMA "+pragma)
			if n != want {
				t.Errorf("%s: %s is %d, want %d", begin, pragma, n, want)
			}
			return err
		}
		run := d.View
		if begin == "update" {
			run = d.Update
		}
		if err := run(t.Context(), fn); err != nil {
			t.Error(err)
		}
	}
	read("update", "synchronous", 2) // FULL
	read("update", "foreign_keys", 1)
	read("update", "secure_delete", 1)
	read("update", "busy_timeout", 5000)
	read("view", "query_only", 1)
	err := d.View(t.Context(), func(tx *db.Tx) error {
		mode, err := tx.Texts(t.Context(), `PRAGMA journal_mode`)
		if !slices.Equal(mode, []string{"wal"}) {
			t.Errorf("journal mode %v", mode)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNewHouse(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"techissue.db", "a b?mode=memory#c%20d.db", "테크.db", "new/folder/x.db"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			path := filepath.Join(folder, name)
			if _, err := open(t, path, func(o *db.Options) { o.MustExist = true }); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("one that must exist gives %v", err)
			}
			d := dbtest.Open(t, path, with(small))
			if err := errors.Join(d.Migrate(t.Context()), add(t.Context(), d, "x"), d.Close()); err != nil {
				t.Fatal(err)
			}
			files, err := os.ReadDir(filepath.Dir(path))
			if err != nil || len(files) != 1 || files[0].Name() != filepath.Base(name) {
				t.Errorf("after closing the folder holds %v (%v)", files, err)
			}
			if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
				t.Errorf("the file's mode is %v", info.Mode())
			}
			again := dbtest.Open(t, path, with(small))
			if got := names(t, again); !slices.Equal(got, []string{"x"}) {
				t.Errorf("opened again it holds %v", got)
			}
		})
	}
}

// open opens without failing the test.
func open(t *testing.T, path string, opts ...dbtest.Option) (*db.DB, error) {
	o := db.Options{URL: path, Migrations: schema(small), Now: time.Now, Log: dbtest.Log(t)}
	for _, opt := range opts {
		opt(&o)
	}
	d, err := db.Open(t.Context(), o)
	if err == nil {
		t.Cleanup(func() { d.Close() })
	}
	return d, err
}

// killed copies a store as a kill leaves it: with a WAL that no checkpoint has moved.
func killed(t *testing.T) (path string) {
	t.Helper()
	d := newSQLite(t)
	for _, name := range []string{"a", "b", "c"} {
		if err := add(t.Context(), d, name); err != nil {
			t.Fatal(err)
		}
	}
	path = newPath(t)
	for _, end := range []string{"", "-wal", "-shm"} {
		b, err := os.ReadFile(d.Path() + end)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path+end, b)
	}
	return path
}

// closed makes a store that was closed, large enough to have pages to damage.
func closed(t *testing.T) (path string) {
	t.Helper()
	d := newSQLite(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		if err := add(t.Context(), d, strings.Repeat(name, 900)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return d.Path()
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// change rewrites a file.
func change(t *testing.T, path string, how func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, how(b))
}

func lock(t *testing.T, path string) dbtest.Option {
	t.Helper()
	l, err := db.LockFolder(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Release() })
	return func(o *db.Options) { o.Folder = l }
}

func TestKilledStoreComesBack(t *testing.T) {
	t.Parallel()
	path := killed(t)
	d := dbtest.Open(t, path, with(small), lock(t, path))
	if got := names(t, d); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("it holds %v", got)
	}
	if err := d.Verified(t.Context()); err != nil {
		t.Errorf("verified: %v", err)
	}
}

// A store that looks lost or damaged is refused, and left as it is for whoever mends it.
func TestLostOrDamagedIsRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		says string
		make func(t *testing.T) string
		want string
	}{
		{"0 bytes", func(t *testing.T) string {
			path := newPath(t)
			write(t, path, nil)
			return path
		}, "0 bytes"},
		{"missing beside its WAL", func(t *testing.T) string {
			path := killed(t)
			remove(t, path)
			return path
		}, "missing"},
		{"missing beside the leavers' log", beside("leavers.log"), "leavers.log"},
		{"missing beside a copy made before a migration", beside("techissue.db.before-v2"), "before-v2"},
		{"missing beside another database", beside("old.db"), "old.db"},
		{"something else", func(t *testing.T) string {
			path := newPath(t)
			write(t, path, bytes.Repeat([]byte("letter "), 1000))
			return path
		}, "no SQLite database"},
		{"a few bytes", func(t *testing.T) string {
			path := newPath(t)
			write(t, path, []byte("SQLite format 3\x00"))
			return path
		}, "header"},
		{"cut off", func(t *testing.T) string {
			path := closed(t)
			change(t, path, func(b []byte) []byte { return b[:len(b)-4096] })
			return path
		}, "cut off"},
		{"WAL deleted", func(t *testing.T) string {
			path := killed(t)
			remove(t, path+"-wal")
			return path
		}, "-wal file, which holds the latest commits, is missing"},
		{"WAL emptied", walChanged(func(b []byte) []byte { return nil }), "damaged"},
		{"WAL cut off", walChanged(func(b []byte) []byte { return b[:len(b)-100] }), "pages are whole"},
		{"WAL with a flipped bit", walChanged(func(b []byte) []byte { b[len(b)-2000] ^= 1; return b }), "pages are whole"},
		{"WAL with a damaged header", walChanged(func(b []byte) []byte { b[5] ^= 1; return b }), "damaged"},
	} {
		t.Run(row.says, func(t *testing.T) {
			t.Parallel()
			path := row.make(t)
			before := content(t, path)
			_, err := open(t, path)
			var refused *db.Refused
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("opening gives %v", err)
			}
			if after := content(t, path); after != before {
				t.Errorf("it was touched:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

func walChanged(how func([]byte) []byte) func(t *testing.T) string {
	return func(t *testing.T) string {
		path := killed(t)
		change(t, path+"-wal", how)
		return path
	}
}

func beside(name string) func(t *testing.T) string {
	return func(t *testing.T) string {
		path := newPath(t)
		write(t, filepath.Join(filepath.Dir(path), name), []byte("x"))
		return path
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// content sums up a folder.
func content(t *testing.T, path string) string {
	t.Helper()
	var b strings.Builder
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for _, c := range text {
			sum = sum*31 + int(c)
		}
		b.WriteString(strings.Join([]string{e.Name(), string(rune('0' + len(text)%10)), string(rune(sum & 0xffff))}, " ") + "\n")
	}
	return b.String()
}

func TestDamagedPageHoldsTheLetters(t *testing.T) {
	t.Parallel()
	path := closed(t)
	change(t, path, func(b []byte) []byte {
		copy(b[len(b)-4096:], bytes.Repeat([]byte{0xAA}, 4096))
		return b
	})
	folder, err := db.LockFolder(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	d := dbtest.Open(t, path, with(small), func(o *db.Options) { o.Folder = folder }, quiet)
	var damaged *db.Damaged
	if err := d.Verified(t.Context()); !errors.As(err, &damaged) || len(damaged.Findings) == 0 {
		t.Errorf("verified: %v", err)
	}
	if err := errors.Join(d.Close(), folder.Release()); err != nil {
		t.Fatal(err)
	}
	again, err := db.LockFolder(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Release()
	if !again.Crashed() {
		t.Error("the next one would trust the file")
	}
}

func quiet(o *db.Options) { o.Log = dbtest.Silent() }

// A command works beside the server: it opens the same file and shuts nobody out.
func TestTwoHandles(t *testing.T) {
	t.Parallel()
	one := newSQLite(t)
	two := dbtest.Open(t, one.Path(), with(small))
	if err := errors.Join(two.Migrate(t.Context()), add(t.Context(), one, "1"), add(t.Context(), two, "2")); err != nil {
		t.Fatal(err)
	}
	if got := names(t, one); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("one sees %v", got)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, two); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("two sees %v", got)
	}
}

// F30: while somebody reads for long the WAL grows, and no change waits for them; then it is folded in and its disk given back.
func TestTheWALShrinksBehindALongReader(t *testing.T) {
	t.Parallel()
	d, ctx := newSQLite(t), t.Context()
	exec := func(query string) {
		t.Helper()
		err := d.Update(ctx, func(tx *db.Tx) error { _, err := tx.Exec(ctx, query); return err })
		if err != nil {
			t.Fatal(err)
		}
	}
	size := func() int64 {
		info, err := os.Stat(d.Path() + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	exec(`INSERT INTO things (name) WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 3000) SELECT printf('%3000d', x) FROM c`)
	err := d.View(ctx, func(tx *db.Tx) error {
		before, err := tx.Int(ctx, `SELECT SUM(n) FROM things`)
		if err != nil {
			return err
		}
		for range 7 {
			exec(`UPDATE things SET n = n + 1`)
		}
		after, err := tx.Int(ctx, `SELECT SUM(n) FROM things`)
		if before != after {
			t.Errorf("the reader saw %d and then %d", before, after)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if size() < 70<<20 {
		t.Fatalf("the WAL holds %d MB: this test proves nothing", size()>>20)
	}
	exec(`UPDATE things SET n = 0 WHERE id = 1`) // folds it in behind its commit
	exec(`UPDATE things SET n = 0 WHERE id = 2`) // begins it anew
	if size() > 64<<20 {
		t.Errorf("the WAL still has %d MB", size()>>20)
	}
}
