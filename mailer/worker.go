package mailer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"techissue/newsletter"
)

// lettersAConnection is how many letters one connection carries: relays count, and many close after a hundred.
const lettersAConnection = 100

// idleConnection closes a connection nobody used for a while, before the relay does.
const idleConnection = 20 * time.Second

// worker sends letters over one connection, one after the other. stop ends the claiming elsewhere; hard ends a letter
// in flight.
//
// The result of a letter that was accepted waits for the gate of the next one, if there is one already, and both are committed
// together. Between two letters that is the only wait for the disk.
type worker struct {
	q          *Queue
	stop, hard context.Context
	from       <-chan composed
	single     bool
	answers    chan answer

	route   *route
	pass    *leave // to connect to route; nil: none
	conn    *Conn
	pending *newsletter.Settlement
}

func (q *Queue) work(stop, hard context.Context, from <-chan composed, single bool) {
	w := &worker{q: q, stop: stop, hard: hard, from: from, single: single, answers: make(chan answer, 1)}
	defer w.leave()
	defer w.flush()
	for {
		c, ok := w.next()
		if !ok {
			return
		}
		began := time.Now()
		if w.letter(c) {
			c.letter.Release()
		}
		if !single {
			q.fair.done(c.Email, time.Since(began))
		}
		q.drop(c.Ticket)
	}
}

// next is the next letter. A result waits for it only if it is there already. Nobody takes a letter of an issue before they have
// leave to connect: it would wait in their hands while others could send it. Single letters have one worker only.
func (w *worker) next() (c composed, ok bool) {
	for {
		if w.pending != nil {
			select {
			case c, ok = <-w.from:
				return c, ok
			default:
				w.flush()
			}
		}
		if !w.mayConnect() && !w.single {
			select {
			case <-w.stop.Done(): // what is left goes back, or by those who have a connection
				c, ok = <-w.from
				return c, ok
			default:
				continue
			}
		}
		patience := idleConnection
		if w.conn == nil && w.pass != nil && w.pass.probe {
			patience = lookAgain // others may have a letter to try it with
		}
		idle := time.NewTimer(patience)
		select {
		case c, ok = <-w.from:
			idle.Stop()
			return c, ok
		case <-idle.C:
			w.leave()
		}
	}
}

// mayConnect sees to the leave to connect, and gives it back when it is over.
func (w *worker) mayConnect() bool {
	now := w.q.routes.current.Load()
	if w.pass != nil && (w.route != now || !now.pace.holds(w.pass)) {
		w.leave()
	}
	if w.pass != nil || w.single {
		return w.pass != nil
	}
	switch pass, err := now.pace.acquire(w.stop, false); {
	case err == nil:
		w.route, w.pass = now, pass
		return true
	case errors.Is(err, errResting):
		t := time.NewTimer(lookAgain)
		defer t.Stop()
		select {
		case <-t.C:
		case <-w.stop.Done():
		}
	}
	return false
}

// letter takes one from leased to its result. A bug on the way costs this letter's attempt and the connection, and leaves its
// bytes to the collector: whole tells that nobody reads them any more.
func (w *worker) letter(c composed) (whole bool) {
	gated := false
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		w.q.opt.Log.Error("panic", "letter", c.ID, "single", c.Single, "panic", p, "stack", string(debug.Stack()))
		if w.conn != nil {
			w.conn.Close() // nobody knows its state
		}
		w.flush()
		w.q.panicked(w.lasting(), c, gated)
	}()
	if c.err != nil {
		w.q.unfit(w.lasting(), c)
		return false
	}
	if !w.mayGo() || !w.ready(c) {
		return true
	}
	if !w.conn.Pipelining() {
		w.flush() // the gate comes two round trips later
	}
	fresh := w.conn.Letters() == 0
	gate := func(context.Context) error {
		if gated {
			return nil
		}
		err := w.gate(c)
		gated = err == nil
		return err
	}
	res := w.conn.Send(w.hard, c.letter, gate)
	if !fresh && closedBetween(res) {
		// A relay may close a connection between two letters. Nothing of this one was said: it goes by another connection as if
		// nothing had been, under the gate it may have passed already.
		if !w.ready(c) {
			return true
		}
		res = w.conn.Send(w.hard, c.letter, gate)
	}
	w.result(c, res)
	if w.conn != nil && !w.conn.Usable() {
		w.hangUp()
	}
	return true
}

func (w *worker) lasting() context.Context { return context.WithoutCancel(w.hard) }

// closedBetween: the first command found the connection closed.
func closedBetween(r Result) bool {
	return r.Outcome == newsletter.NotHanded && r.Reply.Stage == newsletter.StageMail && r.Reply.Code == 0 && !errors.Is(r.Err, ErrLetter) &&
		!errors.Is(r.Err, errNonsense) && !isTimeout(r.Err)
}

// mayGo waits for the rate.
func (w *worker) mayGo() bool {
	bucket := w.q.routes.current.Load().pace.bucket()
	if bucket == nil || w.single {
		return true
	}
	turn := bucket.Reserve()
	wait := turn.Delay()
	if wait == 0 {
		return true
	}
	w.flush()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.stop.Done():
		turn.Cancel()
		return true // it may still go within the grace time
	}
}

// ready sees to a connection of the transport in use; false means that the letter went back.
func (w *worker) ready(c composed) bool {
	now := w.q.routes.current.Load()
	if w.pass != nil && (w.route != now || !now.pace.holds(w.pass)) {
		w.leave()
	}
	if w.pass == nil && w.single {
		if pass, err := now.pace.acquire(w.stop, true); err == nil {
			w.route, w.pass = now, pass
		}
	}
	if w.pass == nil {
		w.back(c)
		return false
	}
	if w.conn != nil && w.conn.Usable() && w.conn.Letters() < lettersAConnection {
		return true
	}
	w.hangUp()
	w.flush()
	if !w.route.pace.dial(w.pass) {
		w.back(c)
		w.leave()
		return false
	}
	conn, err := Dial(w.hard, w.route.Transport)
	if err != nil {
		w.q.dialFailed(w.lasting(), c, w.route, w.pass, err)
		w.leave()
		return false
	}
	w.conn = conn
	ended, ok := w.route.pace.ready(w.pass)
	if ended {
		w.q.stopEnded(w.lasting(), w.route, stopAuth)
	}
	if !ok { // a fault came while we dialled
		w.back(c)
		w.leave()
	}
	return ok
}

// back gives a letter back that could not be tried.
func (w *worker) back(c composed) {
	now := w.q.opt.Now()
	w.q.settle(w.lasting(), newsletter.Settlement{Ticket: c.Ticket, State: newsletter.Queued, DueAt: now, Outcome: "released", At: now})
}

// hangUp ends the connection and keeps the leave for another; leave gives that back too.
func (w *worker) hangUp() {
	if w.conn != nil {
		w.conn.Quit()
		w.conn = nil
		w.route.pace.hungUp(w.pass)
	}
}

func (w *worker) leave() {
	w.hangUp()
	if w.pass != nil {
		w.route.pace.release(w.pass)
		w.pass = nil
	}
}

// gate commits that the letter is about to leave, together with the result of the last one.
func (w *worker) gate(c composed) error {
	if c.Single {
		return w.q.opt.Store.Gate(w.lasting(), c.Ticket, w.q.opt.Now())
	}
	last, ticket := w.pending, c.Ticket // a copy: its address leaves this goroutine, and the whole letter would go with it
	a := w.q.ledger.turn(newsletter.Turn{Settle: last, Gate: &ticket}, w.answers)
	if a.err != nil {
		return fmt.Errorf("gate: %w", a.err) // the pending result is kept
	}
	w.pending = nil
	w.q.settled(last, a.Settled)
	return a.Gated
}

// flush writes the pending result now.
func (w *worker) flush() {
	last := w.pending
	if last == nil {
		return
	}
	w.pending = nil
	a := w.q.ledger.turn(newsletter.Turn{Settle: last}, w.answers)
	if a.err != nil {
		w.q.settle(w.lasting(), *last)
		return
	}
	w.q.settled(last, a.Settled)
}

// result judges what became of the letter.
func (w *worker) result(c composed, res Result) {
	if res.Outcome != newsletter.Accepted {
		w.flush()
		w.q.judge(w.lasting(), c.Claimed, res, w.route, w.pass)
		return
	}
	w.q.accepted(w.lasting(), c.Claimed, w.route, w.pass)
	s := &newsletter.Settlement{
		Ticket: c.Ticket, State: newsletter.Sent, Charge: true, Reply: res.Reply, RelayID: newsletter.RelayID(res.Reply.Text),
		Relay: w.route.Addr(), Outcome: "sent", At: w.q.opt.Now(),
	}
	if !s.Plain() {
		w.q.settle(w.lasting(), *s)
		return
	}
	w.pending = s
}
