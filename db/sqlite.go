package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
)

// The pragmas travel in the DSN, so that every connection of a pool has them.
//
// synchronous=FULL: the driver's own NORMAL loses acknowledged commits at a power cut in
// WAL mode (measured: rows lost at 60 of 60 cuts, with FULL 0 of 60). txlock=immediate
// takes the write lock at BEGIN, where busy_timeout works; a transaction that reads
// first and then wants to write fails at once. Never cache=shared: its table locks know
// no busy_timeout. The writer's cache of 8 MB is what sending touches between two commits and more; see Tx.roomy for big changes.
const (
	writing = "mode=rw&_journal_mode=WAL&_synchronous=FULL&_txlock=immediate&_foreign_keys=1&_secure_delete=on&_stmt_cache_size=64&_cache_size=-8192"
	reading = "mode=ro&_query_only=1&_stmt_cache_size=32&_cache_size=-1024"
)

// walKept is how large a WAL stays at most when its content is in the database.
const walKept = 64 << 20

// checkpointAt is how many pages of the log are folded into the file at once, 32 MB instead of the usual 4, so that a page that
// many letters change is written there once.
const checkpointAt = 8192

// dsn needs the prefix "file:": without it SQLite ignores mode= and creates what is
// missing. The path is escaped, a '?' or '#' in it would end it.
func dsn(path, params string, busy time.Duration) string {
	u := url.URL{Path: path}
	return "file:" + u.EscapedPath() + "?" + params + "&_busy_timeout=" + strconv.FormatInt(busy.Milliseconds(), 10)
}

func openSQLite(ctx context.Context, o Options) (_ *DB, err error) {
	path, err := filepath.Abs(o.URL)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	folder := filepath.Dir(path)
	if !o.MustExist {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, fmt.Errorf("open the database: %w", err)
		}
	}
	use, err := useFolder(ctx, folder)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	d := &DB{dialect: sqliteDialect(), leavers: o.Leavers, migrations: o.Migrations, now: o.Now, log: o.Log, path: path, use: use, check: passed()}
	defer func() {
		if err != nil {
			d.abandon()
		}
	}()
	unclean, err := inspect(path, use.alone)
	if errors.Is(err, fs.ErrNotExist) && !o.MustExist {
		err = create(path)
	}
	if err != nil {
		return nil, err
	}
	if err := d.connect(ctx, o); err != nil {
		return nil, fmt.Errorf("open the database %s: %w", path, err)
	}
	use.share()
	d.writer = startWriter(d.one, d.dialect, d.leavers, o.BusyTimeout)
	if o.Folder != nil {
		d.verify(o.Folder, unclean)
	}
	return d, nil
}

// connect opens the pools: the writer first, because a connection that may only read
// cannot begin the WAL.
func (d *DB) connect(ctx context.Context, o Options) (err error) {
	if d.one, err = sql.Open("sqlite3", dsn(d.path, writing, o.BusyTimeout)); err != nil {
		return err
	}
	d.one.SetMaxOpenConns(1)
	// What a savepoint may have to undo stays in memory instead of a file: a third less time for a big import. A WAL that grew because
	// somebody read for long (a checkpoint cannot pass a reader) gives its disk back when it begins anew. The DSN knows
	// none of these; a connection opened anew without them is slower or leaves a large file, and nothing else.
	for _, pragma := range []string{`PRAGMA temp_store = MEMORY`, `PRAGMA wal_autocheckpoint = ` + strconv.Itoa(checkpointAt), `PRAGMA journal_size_limit = ` + strconv.Itoa(walKept)} {
		if _, err = d.one.ExecContext(ctx, pragma); err != nil {
			return d.dialect.wrap(err)
		}
	}
	if d.pool, err = sql.Open("sqlite3", dsn(d.path, reading, o.BusyTimeout)); err != nil {
		return err
	}
	conns := o.Conns
	if conns == 0 {
		conns = 8
	}
	d.pool.SetMaxOpenConns(conns)
	d.pool.SetMaxIdleConns(conns)
	for _, pool := range []*sql.DB{d.one, d.pool} {
		var n int
		if err := pool.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_master`).Scan(&n); err != nil {
			return d.dialect.wrap(err)
		}
	}
	return nil
}

// abandon closes what a failed Open had opened.
func (d *DB) abandon() {
	for _, pool := range []*sql.DB{d.pool, d.one} {
		if pool != nil {
			pool.Close()
		}
	}
	d.use.close()
}

// create makes an empty database under another name and moves it into place, so that a
// crash in between leaves no file of 0 bytes that looks like a lost one.
func create(path string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("create the database %s: %w", path, err)
		}
	}()
	folder, base := filepath.Split(path)
	f, err := os.CreateTemp(folder, "."+base+".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	fresh, err := sql.Open("sqlite3", dsn(f.Name(), writing, time.Second))
	if err != nil {
		return err
	}
	// Connecting sets the journal mode, which writes the first page.
	if err := errors.Join(fresh.Ping(), fresh.Close(), f.Sync()); err != nil {
		return err
	}
	// A link does not replace what somebody else has put there meanwhile.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		if err := os.Rename(f.Name(), path); err != nil {
			return err
		}
	}
	return syncFolder(folder)
}

// syncFolder makes names in a folder survive a power cut.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
