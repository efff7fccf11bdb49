package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"

	"techissue/newsletter"
)

// backupStep is how many pages are copied between two looks at the context.
const backupStep = 1024

// Backup writes a copy of the SQLite database to dest, replacing a file of that name
// when the copy is complete and on disk. It is the state of one moment; changes go on
// beside it unhindered. On PostgreSQL it is Invalid: pg_dump does that.
func (d *DB) Backup(ctx context.Context, dest string) (err error) {
	if d.writer == nil {
		return &newsletter.Error{Kind: newsletter.Invalid, Err: errors.New("a PostgreSQL database is backed up with pg_dump")}
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("back up the database: %w", d.dialect.wrap(err))
		}
	}()
	dest, err = filepath.Abs(dest)
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(dest), "."+filepath.Base(dest)+".part-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	defer part.Close()
	if err := d.copyTo(ctx, part.Name()); err != nil {
		return err
	}
	if err := part.Sync(); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), dest); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(dest))
}

// copyTo copies within one read transaction. In WAL mode that stops no writer, and
// the copy does not start over when one commits, as the backup API does when each
// step reads for itself.
func (d *DB) copyTo(ctx context.Context, path string) error {
	// No journal and no syncs: a copy cut short is thrown away, a complete one is synced once.
	to, err := sql.Open("sqlite3", dsn(path, "mode=rw&_journal_mode=OFF&_synchronous=OFF", time.Second))
	if err != nil {
		return err
	}
	defer to.Close()
	toConn, err := to.Conn(ctx)
	if err != nil {
		return err
	}
	defer toConn.Close()
	fromConn, err := d.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer fromConn.Close()
	tx, err := fromConn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_master`).Scan(&n); err != nil { // the moment
		return err
	}
	return toConn.Raw(func(dst any) error {
		return fromConn.Raw(func(src any) error {
			return steps(ctx, dst.(*sqlite3.SQLiteConn), src.(*sqlite3.SQLiteConn))
		})
	})
}

func steps(ctx context.Context, dst, src *sqlite3.SQLiteConn) error {
	b, err := dst.Backup("main", src, "main")
	if err != nil {
		return err
	}
	for {
		left := b.Remaining()
		done, err := b.Step(backupStep)
		if err == nil && !done {
			err = ctx.Err()
		}
		if err == nil && !done && left > 0 && b.Remaining() >= left {
			err = sqlite3.Error{Code: sqlite3.ErrBusy} // the API reports it as "go on"
		}
		if done || err != nil {
			return errors.Join(err, b.Finish())
		}
	}
}
