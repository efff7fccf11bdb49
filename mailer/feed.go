package mailer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"techissue/newsletter"
)

// composed is a letter ready to be handed over, or the reason why it cannot be made.
type composed struct {
	newsletter.Claimed
	letter Letter
	err    error
}

// claimRoom is how many claimed letters wait for their turn at most: enough for the domains to differ, few enough to give
// back at a stop. They weigh some hundred bytes each; composed ones weigh fifty thousand and are few.
func claimRoom(connections int) int { return max(256, 16*connections) }

// feed claims letters of issues when half of those claimed before are gone.
func (q *Queue) feed(ctx context.Context) {
	full := claimRoom(q.opt.Connections)
	look := newLookout(q)
	for ctx.Err() == nil {
		room, crowded := q.fair.want(full)
		resting := q.routes.current.Load().pace.resting()
		if resting {
			q.giveBack(ctx)
		}
		if resting || room < full/2 {
			q.rest(ctx, min(q.opt.Poll, 5*time.Millisecond))
			continue
		}
		letters, more, err := look.claim(ctx, room, crowded)
		if err != nil {
			q.claimFailed(ctx, err)
			continue
		}
		q.hold(letters)
		q.fair.put(letters)
		q.fair.mayBeMore(more)
		switch {
		case len(letters) > 0:
		case len(crowded) > 0:
			q.rest(ctx, min(q.opt.Poll, 5*time.Millisecond))
		default:
			q.rest(ctx, q.opt.Poll)
		}
	}
}

// giveBack empties our hands while the transport rests: another node may have a better one.
func (q *Queue) giveBack(ctx context.Context) {
	left := q.fair.empty()
	for more := true; more; {
		select {
		case c := <-q.ready:
			q.fair.done(c.Email, 0)
			left = append(left, c.Claimed)
		default:
			more = false
		}
	}
	q.release(context.WithoutCancel(ctx), left, q.opt.Now())
}

// feedSingles claims single letters, which wait behind nothing but each other.
func (q *Queue) feedSingles(ctx context.Context) {
	for ctx.Err() == nil {
		if q.routes.current.Load().pace.resting() {
			q.rest(ctx, q.opt.Poll)
			continue
		}
		letters, err := q.opt.Store.ClaimNotices(ctx, q.node, 4, q.opt.Now())
		if err != nil {
			q.claimFailed(ctx, err)
			continue
		}
		q.hold(letters)
		for n, c := range letters {
			select {
			case q.single <- q.compose(context.WithoutCancel(ctx), c):
			case <-ctx.Done():
				q.release(context.WithoutCancel(ctx), letters[n:], q.opt.Now())
				return
			}
		}
		if len(letters) == 0 {
			q.rest(ctx, q.opt.Poll)
		}
	}
}

func (q *Queue) claimFailed(ctx context.Context, err error) {
	q.complain("claim", err)
	q.mu.Lock()
	q.doubt = true
	q.mu.Unlock()
	q.rest(ctx, time.Second)
}

// composeAll writes letters whose turn it is, DKIM and all, away from the connections' path.
func (q *Queue) composeAll(ctx context.Context) {
	lasting := context.WithoutCancel(ctx)
	for {
		c, ok := q.fair.take()
		if !ok {
			return
		}
		if end := q.rests.resting(domainOf(c.Email), q.opt.Now()); !end.IsZero() {
			q.fair.done(c.Email, 0)
			q.release(lasting, []newsletter.Claimed{c}, end)
			continue
		}
		select {
		case q.ready <- q.compose(lasting, c):
		case <-ctx.Done():
			q.fair.done(c.Email, 0)
			q.release(lasting, []newsletter.Claimed{c}, q.opt.Now())
		}
	}
}

// errPanic is a bug in a template or in us. It must not end the process, nor the other letters.
var errPanic = errors.New("panic while composing")

func (q *Queue) compose(ctx context.Context, c newsletter.Claimed) (out composed) {
	out.Claimed = c
	defer func() {
		if p := recover(); p != nil {
			q.opt.Log.Error("panic", "letter", c.ID, "single", c.Single, "panic", p, "stack", string(debug.Stack()))
			out.err = errPanic
		}
	}()
	if c.Single && c.Notice.Kind != newsletter.NoticeCopy {
		out.letter, out.err = q.opt.Composer.ComposeNotice(ctx, *c.Notice)
		return out
	}
	e, err := q.edition(ctx, c)
	if err != nil {
		out.err = err
		return out
	}
	if c.Single { // everything in the letter is derived from the delivery that it copies
		c.ID = int64(c.Notice.Payload.Delivery)
	}
	out.letter, out.err = q.opt.Composer.ComposeDelivery(ctx, c, e)
	return out
}

// hold remembers what was claimed until drop.
func (q *Queue) hold(letters []newsletter.Claimed) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range letters {
		q.held[c.Ticket] = struct{}{}
	}
}

func (q *Queue) drop(k newsletter.Ticket) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.held, k)
}

// release gives leased letters back uncharged. What the store cannot take now is found again by lookForForgotten.
func (q *Queue) release(ctx context.Context, letters []newsletter.Claimed, due time.Time) {
	if len(letters) == 0 {
		return
	}
	tickets := make([]newsletter.Ticket, len(letters))
	for n, c := range letters {
		tickets[n] = c.Ticket
		defer q.drop(c.Ticket)
	}
	if err := q.opt.Store.Release(ctx, tickets, due); err != nil {
		q.complain("release", err)
		q.mu.Lock()
		q.doubt = true
		q.mu.Unlock()
	}
}

// lookForForgotten releases letters that are leased to this node and in nobody's hand: a claim whose commit was never
// answered, or a release that failed.
func (q *Queue) lookForForgotten(ctx context.Context) error {
	q.mu.Lock()
	doubt := q.doubt
	q.doubt = false
	q.mu.Unlock()
	if !doubt {
		return nil
	}
	leases, err := q.opt.Store.Leases(ctx, q.node)
	if err == nil {
		err = q.releaseForgotten(ctx, leases)
	}
	if err != nil {
		q.mu.Lock()
		q.doubt = true
		q.mu.Unlock()
		return fmt.Errorf("forgotten letters: %w", err)
	}
	return nil
}

func (q *Queue) releaseForgotten(ctx context.Context, leases []newsletter.Ticket) error {
	var lost []newsletter.Ticket
	q.mu.Lock()
	for _, k := range leases {
		if _, ok := q.held[k]; !ok {
			lost = append(lost, k)
		}
	}
	q.mu.Unlock()
	if len(lost) == 0 {
		return nil
	}
	q.opt.Log.Warn("letters were leased and forgotten", "letters", len(lost))
	return q.opt.Store.Release(ctx, lost, q.opt.Now())
}
