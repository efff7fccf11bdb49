// Package db is the store: SQL on SQLite, in one folder, or on PostgreSQL, for several
// machines. It is the only room that knows database/sql and the drivers.
//
// Read db.go for opening and the three kinds of transaction, tx.go for what a
// transaction offers the SQL files, and dialect.go for every difference between the
// engines. On SQLite all changes pass through one goroutine (writer.go), which commits
// those of many callers together. The nouns (subscribers.go, issues.go, …) keep their
// SQL next to its scan.
package db

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"techissue/newsletter"
)

// Options say which database to open and how.
type Options struct {
	// URL is the path of a SQLite file, or a postgres:// URL.
	URL string
	// MustExist refuses to begin a new, empty SQLite database.
	MustExist bool
	// Folder is set by whoever drives the mailer. SQLite is then verified in the
	// background; see Verified.
	Folder *FolderLock
	// Leavers is the log beside the database: the queue's own suppressions go there as well.
	Leavers newsletter.LeaversLog
	// Conns bounds the reading connections of SQLite and all of PostgreSQL's; 0 means 8 and 16.
	Conns int
	// BusyTimeout is how long a change waits for its turn; 0 means 5 s.
	BusyTimeout time.Duration
	// Migrations replaces the embedded ones, in tests.
	Migrations fs.FS
	Now        func() time.Time
	Log        *slog.Logger
}

func (o *Options) fill() error {
	if o.Now == nil || o.Log == nil {
		return errors.New("db.Open needs Now and Log")
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = 5 * time.Second
	}
	if o.Migrations == nil {
		o.Migrations = embedded()
	}
	return nil
}

// DB is an open store. All methods may be called from several goroutines.
type DB struct {
	dialect    *dialect
	leavers    newsletter.LeaversLog // nil: none
	migrations fs.FS
	now        func() time.Time
	log        *slog.Logger

	pool    *sql.DB // SQLite: the readers; PostgreSQL: everything
	one     *sql.DB // SQLite: the writer's single connection; PostgreSQL: the pool again
	writer  *writer // SQLite only
	path    string  // SQLite only
	use     *fileUse
	check   *check
	closing sync.Once
}

// Open opens the database that o.URL names. It does not migrate: call Migrate or
// CheckSchema next. A SQLite file that looks lost or damaged is refused with *Refused and
// left untouched: an empty database is never begun over a lost one.
func Open(ctx context.Context, o Options) (*DB, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	if IsPostgres(o.URL) {
		return openPostgres(ctx, o)
	}
	return openSQLite(ctx, o)
}

// IsPostgres tells whether a TECHISSUE_DB value names a PostgreSQL server rather than a file.
func IsPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// Engine is "sqlite" or "postgres".
func (d *DB) Engine() string { return d.dialect.name }

// Path is the SQLite file, "" on PostgreSQL.
func (d *DB) Path() string { return d.path }

// Close waits for running changes, refuses waiting ones as Unavailable, and closes.
func (d *DB) Close() error {
	var err error
	d.closing.Do(func() {
		if d.writer == nil {
			err = d.pool.Close()
			return
		}
		d.check.stop()
		d.writer.stop()
		// The writer closes last: only a connection that may write folds the WAL into the file.
		err = errors.Join(d.pool.Close(), d.one.Close())
		d.use.close()
	})
	return err
}

// Ping tells whether the database takes changes now: Unavailable when it does not.
func (d *DB) Ping(ctx context.Context) error {
	return d.Quick(ctx, func(tx *Tx) error {
		var one int
		return tx.queryRow(ctx, `SELECT 1`).Scan(&one)
	})
}

// View runs fn on one consistent state of the database. fn changes nothing.
func (d *DB) View(ctx context.Context, fn func(*Tx) error) error {
	if d.writer != nil {
		return d.inTx(ctx, &sql.TxOptions{}, fn)
	}
	return d.inTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, fn)
}

// Update runs fn in a transaction and returns after it is on disk; an error from fn
// undoes all it did. fn may run again after a conflict, so it touches nothing but tx,
// and neither talks to a network nor calls Update. The order of Updates is that of some
// serial execution. Unavailable: the database is busy, full or away, and nothing was
// changed (a connection to PostgreSQL lost during the commit leaves that open).
func (d *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	if d.writer != nil {
		return d.writer.update(ctx, fn)
	}
	return d.again(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable}, fn)
}

// Quick is Update for single statements that guard themselves by compare-and-swap
// (claim, gate, settle): READ COMMITTED on PostgreSQL, where SERIALIZABLE would make
// the queue's workers fail each other. On SQLite it is Update.
func (d *DB) Quick(ctx context.Context, fn func(*Tx) error) error {
	if d.writer != nil {
		return d.writer.update(ctx, fn)
	}
	return d.again(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, fn)
}

// inTx runs fn in one transaction of the pool.
func (d *DB) inTx(ctx context.Context, opts *sql.TxOptions, fn func(*Tx) error) error {
	stx, err := d.pool.BeginTx(ctx, opts)
	if err != nil {
		return d.dialect.wrap(err)
	}
	tx := &Tx{on: stx, dialect: d.dialect, leavers: d.leavers}
	defer func() {
		tx.end()
		_ = stx.Rollback() // after a Commit it does nothing; after a panic it is all there is to do
	}()
	if err := fn(tx); err != nil {
		return d.dialect.wrap(err)
	}
	if d.writer != nil {
		return nil
	}
	return d.dialect.wrap(stx.Commit())
}

func unavailable(err error) error {
	return &newsletter.Error{Kind: newsletter.Unavailable, Msg: "지금은 저장소를 쓸 수 없어요. 잠시 뒤에 다시 해 주세요.", Err: err}
}
