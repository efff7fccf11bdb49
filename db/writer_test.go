package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"techissue/db"
	"techissue/newsletter"
)

// queue is a writer that is held by a first change while others gather behind it. It
// lives in a synctest bubble, which knows when all of them wait.
type queue struct {
	t       *testing.T
	d       *db.DB
	release chan struct{}
	all     sync.WaitGroup
}

func hold(t *testing.T, d *db.DB) *queue {
	q := &queue{t: t, d: d, release: make(chan struct{})}
	q.add(func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO things (name) VALUES ('first')`)
		<-q.release
		return err
	}, nil)
	return q
}

// add puts a change behind the others; check gets its outcome.
func (q *queue) add(fn func(*db.Tx) error, check func(error)) {
	q.all.Go(func() {
		err := q.d.Update(q.t.Context(), fn)
		if check != nil {
			check(err)
		} else if err != nil {
			q.t.Error(err)
		}
	})
	synctest.Wait()
}

func (q *queue) run() {
	close(q.release)
	q.all.Wait()
}

func insert(ctx context.Context, name string, then error) func(*db.Tx) error {
	return func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO things (name) VALUES (?)`, name); err != nil {
			return err
		}
		return then
	}
}

// bubble gives each test a writer whose callers can be counted.
func bubble(t *testing.T, test func(t *testing.T, d *db.DB)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newSQLite(t)) })
}

func TestGatheredChangesShareACommit(t *testing.T) {
	bubble(t, func(t *testing.T, d *db.DB) {
		q := hold(t, d)
		var seen []int // what was committed when each change ran
		for i := range 99 {
			q.add(func(tx *db.Tx) error {
				seen = append(seen, len(names(t, d)))
				return insert(t.Context(), fmt.Sprint("n", i), nil)(tx)
			}, nil)
		}
		q.run()
		want := slices.Concat(slices.Repeat([]int{0}, 63), slices.Repeat([]int{64}, 36))
		if !slices.Equal(seen, want) {
			t.Errorf("committed before each: %v", seen)
		}
		if n := len(names(t, d)); n != 100 {
			t.Errorf("%d of 100 are stored", n)
		}
	})
}

func TestFailedChangeLeavesTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T, d *db.DB) {
		q := hold(t, d)
		no := errors.New("no")
		q.add(insert(t.Context(), "bad", no), func(err error) {
			if !errors.Is(err, no) {
				t.Errorf("the failed one got %v", err)
			}
		})
		q.all.Go(func() {
			_ = d.Update(t.Context(), func(tx *db.Tx) error {
				_ = insert(t.Context(), "left", nil)(tx)
				runtime.Goexit() // as t.FailNow does
				return nil
			})
		})
		synctest.Wait()
		q.add(insert(t.Context(), "good", nil), nil)
		q.add(insert(t.Context(), "good", nil), func(err error) {
			if newsletter.KindOf(err) != newsletter.Conflict {
				t.Errorf("the second of a name got %v", err)
			}
		})
		q.run()
		if got := names(t, d); !slices.Equal(got, []string{"first", "good"}) {
			t.Errorf("stored %v", got)
		}
	})
}

func TestFailedCommitFailsAll(t *testing.T) {
	bubble(t, func(t *testing.T, d *db.DB) {
		var failed atomic.Int32
		failing := func(err error) {
			if err != nil {
				failed.Add(1)
			}
		}
		release := make(chan struct{})
		q := &queue{t: t, d: d, release: release}
		q.add(func(tx *db.Tx) error {
			<-release
			return insert(t.Context(), "first", nil)(tx)
		}, failing)
		q.add(func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO things (name, parent) VALUES ('orphan', 999)`)
			return err
		}, failing)
		q.add(insert(t.Context(), "refused", errors.New("seen something that was never kept")), failing)
		q.run()
		if got := names(t, d); failed.Load() != 3 || len(got) != 0 {
			t.Errorf("%d of 3 failed, stored %v", failed.Load(), got)
		}
		if err := add(t.Context(), d, "next"); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}

func TestCallerMayLeaveBeforeItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T, d *db.DB) {
		q := hold(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		q.all.Go(func() {
			err := d.Update(ctx, func(*db.Tx) error { t.Error("it ran"); return nil })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("it got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		q.add(insert(t.Context(), "other", nil), nil)
		q.run()
		if got := names(t, d); !slices.Equal(got, []string{"first", "other"}) {
			t.Errorf("stored %v", got)
		}
	})
}

// SQLite undoes the whole transaction when it interrupts a statement: a caller who
// leaves in the middle must not take the others along.
func TestCallerMayLeaveDuringItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T, d *db.DB) {
		q := hold(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		q.add(func(tx *db.Tx) error {
			cancel()
			return insert(ctx, "gone", nil)(tx)
		}, func(err error) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("it got %v", err)
			}
		})
		q.add(insert(t.Context(), "other", nil), nil)
		q.run()
		if got := names(t, d); !slices.Equal(got, []string{"first", "other"}) {
			t.Errorf("stored %v", got)
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	bubble(t, func(t *testing.T, d *db.DB) {
		q := hold(t, d)
		began := time.Now()
		q.all.Go(func() {
			err := d.Update(t.Context(), func(*db.Tx) error { t.Error("it ran"); return nil })
			if newsletter.KindOf(err) != newsletter.Unavailable {
				t.Errorf("it got %v", err)
			}
			if waited := time.Since(began); waited != 5*time.Second {
				t.Errorf("it waited %v", waited)
			}
			close(q.release)
		})
		q.all.Wait()
	})
}

func TestCloseAnswersThoseWhoWait(t *testing.T) {
	bubble(t, func(t *testing.T, d *db.DB) {
		q := hold(t, d)
		q.all.Go(func() {
			err := d.Update(t.Context(), func(*db.Tx) error { return nil })
			if newsletter.KindOf(err) != newsletter.Unavailable {
				t.Errorf("it got %v", err)
			}
		})
		synctest.Wait()
		q.all.Go(func() { _ = d.Close() })
		synctest.Wait()
		q.run()
	})
}

// Another program holds the file: waits, says Unavailable, and goes on afterwards.
func TestBusyFile(t *testing.T) {
	t.Parallel()
	d := newSQLite(t, func(o *db.Options) { o.BusyTimeout = 50 * time.Millisecond })
	other, err := sql.Open("sqlite3", "file:"+d.Path()+"?mode=rw&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := add(t.Context(), d, "x"); newsletter.KindOf(err) != newsletter.Unavailable {
			t.Errorf("while it is held: %v", err)
		}
	}
	if got := names(t, d); len(got) != 0 { // reading goes on
		t.Errorf("stored %v", got)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := add(t.Context(), d, "x"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A roomy cache ends with the commit of the change that asked for it.
func TestRoomyCacheIsGivenBack(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	size := func(tx *db.Tx) int64 {
		n, err := tx.Int(t.Context(), `PRAGMA cache_size`)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var usual, within, after int64
	for _, change := range []func(*db.Tx) error{
		func(tx *db.Tx) error { usual = size(tx); return nil },
		func(tx *db.Tx) error {
			err := tx.Roomy(t.Context())
			within = size(tx)
			return err
		},
		func(tx *db.Tx) error { after = size(tx); return nil },
	} {
		if err := d.Update(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	if within >= usual || after != usual { // negative: KiB
		t.Errorf("cache: %d, within the change %d, after it %d", usual, within, after)
	}
}
