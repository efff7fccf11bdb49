package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// smallFile is the size up to which the whole file is read at every boot, not only
// after a crash: it takes less than a second.
const smallFile = 64 << 20

// check is the reading of the whole file in the background.
type check struct {
	done   chan struct{}
	err    error // read after done
	cancel context.CancelFunc
}

// Damaged tells that SQLite found the file inconsistent.
type Damaged struct {
	Path     string
	Findings []string
}

func (e *Damaged) Error() string {
	return fmt.Sprintf("the database %s is damaged: no letter leaves; restore the newest backup with `techissue restore FILE` (%s)",
		e.Path, strings.Join(e.Findings, "; "))
}

var errUnchecked = errors.New("the database was closed before its check had ended")

// passed is a check that need not be made.
func passed() *check {
	c := &check{done: make(chan struct{}), cancel: func() {}}
	close(c.done)
	return c
}

// Verified waits for the check of the file that Open began because Options.Folder was
// set, and tells what it found: nil or *Damaged. No letter leaves before it has
// returned nil. On PostgreSQL, and for those who do not drive the mailer, it is nil at once.
func (d *DB) Verified(ctx context.Context) error {
	select {
	case <-d.check.done:
		return d.check.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// verify reads the whole file in the background. After a crash it always does.
func (d *DB) verify(folder *FolderLock, unclean bool) {
	unclean = unclean || folder.Crashed()
	if info, err := os.Stat(d.path); err == nil && !unclean && info.Size() > smallFile {
		return
	}
	if unclean {
		d.log.Warn("the last stop was not clean: the database is checked before letters leave", "path", d.path)
		folder.suspect.Store(true)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &check{done: make(chan struct{}), cancel: cancel}
	d.check = c
	go func() {
		defer close(c.done)
		began := d.now()
		c.err = d.quickCheck(ctx)
		var damaged *Damaged
		switch {
		case errors.As(c.err, &damaged):
			folder.suspect.Store(true)
			d.log.Error("database damaged", "path", d.path, "findings", damaged.Findings)
		case c.err == nil:
			folder.suspect.Store(false)
			d.log.Debug("database checked", "path", d.path, "took", d.now().Sub(began).Round(time.Millisecond))
		}
	}()
}

// quickCheck reads every page: PRAGMA quick_check, which answers "ok" or up to 20 faults.
func (d *DB) quickCheck(ctx context.Context) error {
	findings, err := d.faults(ctx)
	if ctx.Err() != nil {
		return errUnchecked
	}
	if err != nil {
		findings = append(findings, err.Error()) // too broken to be checked
	}
	if len(findings) == 1 && findings[0] == "ok" {
		return nil
	}
	return &Damaged{Path: d.path, Findings: findings}
}

func (d *DB) faults(ctx context.Context) (all []string, err error) {
	rows, err := d.pool.QueryContext(ctx, `PRAGMA quick_check(20)`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// stop ends a running check.
func (c *check) stop() {
	c.cancel()
	<-c.done
}
