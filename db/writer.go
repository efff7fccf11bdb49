package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mattn/go-sqlite3"

	"techissue/newsletter"
)

// batchSize is how many changes share a commit at most.
const batchSize = 64

// writer is the one goroutine that changes a SQLite database. It begins a transaction,
// gives those who wait their turn one after another, each inside a savepoint, and
// answers all after the commit. It commits as soon as nobody waits any more and never
// waits for more to come: with synchronous=FULL a commit costs one fsync, whoever comes
// during that one shares the next. (A timer of 5 ms was measured at 5,066 letters a
// second where this gave 30,040.)
type writer struct {
	db       *sql.DB
	dialect  *dialect
	leavers  newsletter.LeaversLog
	patience time.Duration // how long a caller waits for its turn
	jobs     chan *job     // unbuffered: those blocked in sending are the queue
	closing  chan struct{}
	stopped  chan struct{}
}

// job is one caller's change. The function runs in its caller's goroutine while the
// writer waits, so a panic or a test's FailNow meets its own caller only.
type job struct {
	turn chan *Tx      // unbuffered; writer to caller: go ahead
	ran  chan error    // caller to writer: how fn ended
	done chan error    // writer to caller: how the commit ended, or why there was no turn
	gone chan struct{} // closed by a caller that left before its turn
}

var (
	errClosed   = errors.New("the database is closed")
	errPatience = errors.New("the database was busy for too long")
	errPanicked = errors.New("the function did not return")
)

func startWriter(db *sql.DB, d *dialect, leavers newsletter.LeaversLog, patience time.Duration) *writer {
	w := &writer{
		db: db, dialect: d, leavers: leavers, patience: patience,
		jobs: make(chan *job), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	go w.run()
	return w
}

// stop ends the writer after the batch it is in.
func (w *writer) stop() {
	close(w.closing)
	<-w.stopped
}

func (w *writer) run() {
	defer close(w.stopped)
	for {
		select {
		case j := <-w.jobs:
			w.batch(j)
		case <-w.closing:
			return
		}
	}
}

// update is the caller's side.
func (w *writer) update(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{
		turn: make(chan *Tx), ran: make(chan error, 1), done: make(chan error, 1), gone: make(chan struct{}),
	}
	patience := time.NewTimer(w.patience)
	defer patience.Stop()
	select {
	case w.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-patience.C:
		return unavailable(errPatience)
	case <-w.closing:
		return unavailable(errClosed)
	}
	select {
	case tx := <-j.turn:
		err := j.run(tx, fn)
		// Even a refusal may rest on what an earlier change of this batch wrote, so it
		// holds only when that is on disk.
		if failed := <-j.done; failed != nil {
			return failed
		}
		return w.dialect.wrap(err)
	case err := <-j.done:
		return err
	case <-ctx.Done():
		close(j.gone)
		return ctx.Err()
	case <-patience.C:
		close(j.gone)
		return unavailable(errPatience)
	}
}

func (j *job) run(tx *Tx, fn func(*Tx) error) (err error) {
	ended := errPanicked
	defer func() {
		tx.end()
		j.ran <- ended
	}()
	err = fn(tx)
	ended = err
	return err
}

// batch is the writer's side: one transaction.
func (w *writer) batch(first *job) {
	ctx := context.Background() // an interrupted statement would undo the whole batch; see Tx.begin
	conn, err := w.db.Conn(ctx)
	if err != nil {
		first.done <- unavailable(err)
		return
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		first.done <- w.dialect.wrap(err)
		return
	}
	var waiting []*job
	wide := false
	for j := first; j != nil; j = w.next(len(waiting)) {
		var took bool
		took, err = w.give(ctx, conn, j, &wide)
		if took {
			waiting = append(waiting, j)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// SQLite may have rolled back by itself; then this one has nothing to do and says so.
		_, _ = conn.ExecContext(ctx, "ROLLBACK")
		err = w.dialect.wrap(fmt.Errorf("commit: %w", err))
	}
	for _, j := range waiting {
		j.done <- err
	}
	if wide {
		_, _ = conn.ExecContext(ctx, usualCache) // a cache that stays large is no fault
	}
}

// next takes one more of those who wait, nil when there is none or the batch is full.
func (w *writer) next(n int) *job {
	if n >= batchSize {
		return nil
	}
	select {
	case j := <-w.jobs:
		return j
	default:
		return nil
	}
}

// give lets j run inside a savepoint and reports whether j waits for the commit, and
// whether it took a roomy cache. An error means that the whole transaction is lost.
func (w *writer) give(ctx context.Context, conn *sql.Conn, j *job, wide *bool) (bool, error) {
	select {
	case <-j.gone:
		return false, nil
	default:
	}
	if _, err := conn.ExecContext(ctx, "SAVEPOINT turn"); err != nil {
		j.done <- w.dialect.wrap(err)
		return false, err
	}
	var failed error
	tx := &Tx{on: conn, dialect: w.dialect, leavers: w.leavers, shared: true}
	select {
	case j.turn <- tx:
		failed = <-j.ran
		*wide = *wide || tx.wide
	case <-j.gone:
		failed = context.Canceled
	}
	// A full disk, an I/O error or want of memory can make SQLite undo all of it.
	if lost, err := rolledBack(conn); err != nil || lost {
		return true, errors.Join(err, failed, errors.New("SQLite gave the transaction up"))
	}
	end := "RELEASE turn"
	if failed != nil {
		end = "ROLLBACK TO turn; RELEASE turn"
	}
	_, err := conn.ExecContext(ctx, end)
	return true, err
}

func rolledBack(conn *sql.Conn) (lost bool, err error) {
	err = conn.Raw(func(c any) error {
		lost = c.(*sqlite3.SQLiteConn).AutoCommit()
		return nil
	})
	return lost, err
}
