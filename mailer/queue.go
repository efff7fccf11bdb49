package mailer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"techissue/newsletter"
)

// Composer turns a claimed letter into bytes, without touching the network. An error means that this letter cannot be made
// as things stand; it fails with reason compose.
type Composer interface {
	ComposeDelivery(ctx context.Context, c newsletter.Claimed, e newsletter.Edition) (Letter, error)
	ComposeNotice(ctx context.Context, n newsletter.Notice) (Letter, error)
}

// Options is what a Queue is made of. Store, Advance, Composer, Route and Now are needed.
type Options struct {
	Store    newsletter.QueueStore
	Advance  func(context.Context) error // takes issues a step further: newsletter.Service.Advance
	Composer Composer
	// Route names the transport in use. It is asked several times a second, so that a switch needs no restart: the next
	// letter goes by the new one.
	Route func() Transport
	Now   func() time.Time // UTC
	Log   *slog.Logger

	Node        string        // this process's name in the table of nodes
	Alone       bool          // no other process may hold letters: what is in flight at the start is ours (SQLite)
	Connections int           // for issue letters; one more serves single letters. 0: 8
	Rate        float64       // letters per second, 0: as fast as the server takes them
	Grace       time.Duration // for letters in flight at the stop. 0: 30 s
	Retries     newsletter.RetrySchedule
	Breaker     time.Duration // the first rest after a fault of the transport; doubles up to 30 times itself. 0: 1 min
	Poll        time.Duration // how often an idle queue looks. 0: 250 ms
}

// Queue drives the mailer of one process. docs/states.md draws what a letter goes through; each step that may be cut off
// by a crash is on disk before the next begins.
//
//	feed.go    claims letters, a batch at a time, and has them composed on all cores
//	fair.go    whose turn it is among the domains
//	worker.go  one connection: gate, send, result
//	ledger.go  results and gates of all workers, many in one commit
//	judge.go   what a result means for the letter, its issue and the transport
//	pace.go    what the transport bears
type Queue struct {
	opt    Options
	node   int64
	wake   chan struct{}
	ledger *ledger
	fair   *fair
	ready  chan composed // issue letters
	single chan composed
	routes routes
	same   sameReply
	rests  domainRests
	losses losses

	telling sync.Mutex // alerts of the transport are raised, cleared and looked at one after the other

	mu       sync.Mutex
	editions map[editionKey]newsletter.Edition
	held     map[newsletter.Ticket]struct{} // claimed here and not settled: what the store says beyond is forgotten
	doubt    bool                           // a claim failed: its letters may be leased to us all the same
}

type editionKey struct {
	issue  newsletter.IssueID
	number int
}

// NewQueue fills in the defaults.
func NewQueue(o Options) *Queue {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Connections <= 0 {
		o.Connections = 8
	}
	if o.Grace <= 0 {
		o.Grace = 30 * time.Second
	}
	if len(o.Retries) == 0 {
		o.Retries = newsletter.DefaultRetries()
	}
	if o.Breaker <= 0 {
		o.Breaker = time.Minute
	}
	if o.Poll <= 0 {
		o.Poll = 250 * time.Millisecond
	}
	q := &Queue{
		opt: o, wake: make(chan struct{}, 1),
		ledger: newLedger(o.Store, o.Now), fair: newFair(o.Connections, claimRoom(o.Connections)/2, time.Now),
		ready: make(chan composed, o.Connections/4+1), single: make(chan composed),
		editions: map[editionKey]newsletter.Edition{}, held: map[newsletter.Ticket]struct{}{},
	}
	q.routes = routes{opt: &q.opt, paces: map[string]*pace{}}
	return q
}

// Wake tells an idle queue to look at once. It never blocks.
func (q *Queue) Wake() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Run drives the mailer until ctx is done. Then it claims nothing more, lets letters in flight finish within the grace
// time and returns nil when all are settled; what is unanswered by then is settled as uncertain.
func (q *Queue) Run(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx)
	node, err := q.opt.Store.RegisterNode(ctx, q.opt.Node, q.opt.Now())
	if err != nil {
		return fmt.Errorf("register node: %w", err)
	}
	q.node = node
	if q.opt.Alone {
		if err := q.recover(ctx, 0); err != nil {
			return err
		}
	}
	if err := q.routes.refresh(ctx); err != nil {
		return err
	}
	hard, kill := context.WithCancel(lasting)
	defer kill()

	var feeders, composers, workers, scribe sync.WaitGroup
	scribe.Go(func() { q.ledger.run(lasting) })
	feeders.Go(func() { q.feed(ctx) })
	feeders.Go(func() { q.feedSingles(ctx) })
	feeders.Go(func() { q.keepHouse(ctx) })
	for range runtime.GOMAXPROCS(0) {
		composers.Go(func() { q.composeAll(ctx) })
	}
	for range q.opt.Connections {
		workers.Go(func() { q.work(ctx, hard, q.ready, false) })
	}
	workers.Go(func() { q.work(ctx, hard, q.single, true) })

	<-ctx.Done()
	feeders.Wait()
	q.fair.close()
	composers.Wait()
	q.release(lasting, q.fair.empty(), q.opt.Now())
	close(q.ready)
	close(q.single)
	grace := time.AfterFunc(q.opt.Grace, kill)
	workers.Wait()
	grace.Stop()
	close(q.ledger.asks)
	scribe.Wait()
	q.routes.keep(lasting)
	if err := q.opt.Store.StopNode(lasting, node, q.opt.Now()); err != nil {
		return fmt.Errorf("stop node: %w", err)
	}
	return nil
}

func (q *Queue) recover(ctx context.Context, node int64) error {
	r, err := q.opt.Store.Recover(ctx, node, q.opt.Now())
	if err != nil {
		return fmt.Errorf("recover letters in flight: %w", err)
	}
	if r.Requeued+r.Uncertain > 0 {
		q.opt.Log.Warn("letters were in flight when the mailer stopped", "requeued", r.Requeued, "uncertain", r.Uncertain)
	}
	return nil
}

// keepHouse does what is not about one letter: issues that are due, second tries, the heartbeat, dead nodes, the route.
func (q *Queue) keepHouse(ctx context.Context) {
	const beat, silent = 5 * time.Second, 30 * time.Second
	var beaten time.Time                    // of this machine's clock: a clock that jumps must not stop the beat
	seen := q.opt.Now().Add(24 * time.Hour) // nobody knows what the clock showed before we began
	for ctx.Err() == nil {
		seen = q.lookAtClock(ctx, seen)
		if time.Since(beaten) >= beat {
			beaten = time.Now()
			q.complain("beat", q.opt.Store.Beat(ctx, q.node, q.opt.Now()))
			dead, err := q.opt.Store.ReapNodes(ctx, q.node, silent, q.opt.Now())
			q.complain("reap nodes", err)
			for _, node := range dead {
				q.complain("recover a dead node", q.recover(ctx, node))
			}
			q.complain("look for forgotten letters", q.lookForForgotten(ctx))
			q.routes.keep(ctx)
		}
		q.complain("advance issues", q.opt.Advance(ctx))
		_, err := q.opt.Store.SecondTries(ctx, q.opt.Now())
		q.complain("second tries", err)
		q.complain("look at the route", q.routes.refresh(ctx))
		q.complain("look at a stop", q.lookAtStop(ctx))
		q.rest(ctx, q.opt.Poll)
	}
}

// lookAtClock notices a clock that was set back since it was seen last.
func (q *Queue) lookAtClock(ctx context.Context, seen time.Time) time.Time {
	now := q.opt.Now()
	if !now.Before(seen.Add(-time.Minute)) {
		return now
	}
	n, err := q.opt.Store.ClockSetBack(ctx, max(q.opt.Retries.Longest(), domainRest), now)
	if err != nil {
		q.complain("look at the clock", err)
		return seen
	}
	if n > 0 {
		q.opt.Log.Warn("the clock was set back: letters that waited for the old one are due", "letters", n)
	}
	return now
}

func (q *Queue) complain(doing string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		q.opt.Log.Error("queue", "doing", doing, "err", err)
	}
}

// rest waits for d of real time, a wake or the end.
func (q *Queue) rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-q.wake:
	case <-ctx.Done():
	}
}

// edition returns an immutable snapshot, read once.
func (q *Queue) edition(ctx context.Context, c newsletter.Claimed) (newsletter.Edition, error) {
	key := editionKey{c.Issue, c.Edition}
	q.mu.Lock()
	e, ok := q.editions[key]
	q.mu.Unlock()
	if ok {
		return e, nil
	}
	e, err := q.opt.Store.Edition(ctx, c.Issue, c.Edition)
	if err != nil {
		return e, fmt.Errorf("edition %d of issue %d: %w", c.Edition, c.Number, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.editions) > 8 {
		clear(q.editions)
	}
	q.editions[key] = e
	return e, nil
}
