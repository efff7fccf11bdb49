package mailer

import (
	"context"
	"errors"
	"sync"
	"time"

	"techissue/newsletter"
)

// lettersAConnection is how many letters one connection carries: relays count, and many close after a hundred.
const lettersAConnection = 100

// idleConnection closes a connection nobody used for a while, before the relay does.
const idleConnection = 20 * time.Second

// work sends letters over one connection, one after the other. stop ends the claiming elsewhere; hard
// ends a letter in flight.
func (q *Queue) work(stop, hard context.Context, from <-chan newsletter.Claimed) {
	var conn *Conn
	defer func() {
		if conn != nil {
			conn.Quit()
		}
	}()
	idle := time.NewTimer(idleConnection)
	defer idle.Stop()
	for {
		idle.Reset(idleConnection)
		select {
		case c, ok := <-from:
			if !ok {
				return
			}
			conn = q.one(stop, hard, conn, c)
		case <-idle.C:
			if conn != nil {
				conn.Quit()
				conn = nil
			}
		}
	}
}

// one takes a letter from leased to its result and returns the connection if it is good for another.
func (q *Queue) one(stop, hard context.Context, conn *Conn, c newsletter.Claimed) *Conn {
	lasting := context.WithoutCancel(hard)
	if q.limiter != nil {
		if err := q.limiter.Wait(stop); err != nil {
			q.release(lasting, c)
			return conn
		}
	}
	if q.breaker.open(q.opt.Now()) {
		q.release(lasting, c)
		return conn
	}
	letter, err := q.compose(lasting, c)
	if err != nil {
		q.opt.Log.Error("compose", "letter", c.ID, "single", c.Single, "err", err)
		now := q.opt.Now()
		q.settle(lasting, newsletter.Settlement{
			Ticket: c.Ticket, State: newsletter.Failed, Reason: newsletter.ReasonCompose, Outcome: "failed", At: now, Charge: true,
			Reply: newsletter.Reply{Text: newsletter.CleanReply(err.Error())},
		})
		return conn
	}
	if conn == nil || !conn.Usable() || conn.Letters() >= lettersAConnection {
		if conn != nil {
			conn.Quit()
		}
		if conn, err = Dial(hard, q.opt.Transport); err != nil {
			q.dialFailed(lasting, c, err)
			return nil
		}
	}
	res := conn.Send(hard, letter, func(ctx context.Context) error {
		return q.opt.Store.Gate(context.WithoutCancel(ctx), c.Ticket, q.opt.Now())
	})
	q.judge(lasting, c, res, conn.Relay())
	if !conn.Usable() {
		return nil
	}
	return conn
}

func (q *Queue) compose(ctx context.Context, c newsletter.Claimed) (Letter, error) {
	if c.Single {
		return q.opt.Composer.ComposeNotice(ctx, c.Notice)
	}
	e, err := q.edition(ctx, c)
	if err != nil {
		return Letter{}, err
	}
	return q.opt.Composer.ComposeDelivery(ctx, c, e)
}

// dialFailed puts the letter back uncharged and lets the transport rest.
func (q *Queue) dialFailed(ctx context.Context, c newsletter.Claimed, err error) {
	reply := newsletter.Reply{Stage: newsletter.StageConnect, Text: newsletter.CleanReply(err.Error())}
	var de *DialError
	if errors.As(err, &de) {
		reply = de.Reply
		if reply.Text == "" {
			reply.Text = newsletter.CleanReply(err.Error())
		}
	}
	q.apply(ctx, c, reply, newsletter.Classify(reply), q.opt.Transport.Addr())
}

// judge turns a result into what is written.
func (q *Queue) judge(ctx context.Context, c newsletter.Claimed, res Result, relay string) {
	switch res.Outcome {
	case newsletter.GateRefused:
		var refused *newsletter.GateError
		if errors.As(res.Err, &refused) || errors.Is(res.Err, newsletter.ErrLeaseLost) {
			return // the gate settled the row, or somebody else has it
		}
		q.opt.Log.Error("gate", "letter", c.ID, "single", c.Single, "err", res.Err)
		q.release(ctx, c)
		return
	case newsletter.Accepted:
		q.breaker.success()
		now := q.opt.Now()
		q.settle(ctx, newsletter.Settlement{
			Ticket: c.Ticket, State: newsletter.Sent, Charge: true, Reply: res.Reply, RelayID: newsletter.RelayID(res.Reply.Text),
			Relay: relay, Outcome: "sent", At: now,
		})
		return
	}
	if errors.Is(res.Err, ErrLetter) {
		q.settle(ctx, newsletter.Settlement{
			Ticket: c.Ticket, State: newsletter.Failed, Reason: newsletter.ReasonCompose, Charge: true, Outcome: "failed", Relay: relay, At: q.opt.Now(),
			Reply: newsletter.Reply{Stage: res.Reply.Stage, Text: newsletter.CleanReply(res.Err.Error())},
		})
		return
	}
	verdict := newsletter.Classify(res.Reply)
	if res.Outcome == newsletter.InDoubt {
		verdict = newsletter.Verdict{Blame: newsletter.BlameLetter, Action: newsletter.ActUncertain}
	}
	q.apply(ctx, c, res.Reply, verdict, relay)
}

// apply writes a verdict: the letter's row, its attempt, and what has to wait or pause.
func (q *Queue) apply(ctx context.Context, c newsletter.Claimed, reply newsletter.Reply, v newsletter.Verdict, relay string) {
	now := q.opt.Now()
	s := newsletter.Settlement{Ticket: c.Ticket, Reply: reply, Relay: relay, At: now, Charge: true}
	switch v.Action {
	case newsletter.ActRetry:
		s.State, s.Outcome, s.DueAt = newsletter.Queued, "retry", now.Add(q.opt.Retries.After(c.Attempts+1, c.ID))
		if newsletter.RetryOver(c.FirstDue, now, c.Attempts+1, c.ExpiresAt) {
			s.State, s.Outcome, s.Reason = newsletter.Expired, "expired", newsletter.ReasonExpired
		}
	case newsletter.ActFail:
		s.State, s.Outcome, s.Reason = newsletter.Failed, "failed", newsletter.ReasonRefused
		if v.Suppress == newsletter.SuppressHard {
			s.Suppress = newsletter.SuppressedHard
		}
	case newsletter.ActUncertain:
		s.State, s.Outcome, s.Reason = newsletter.Uncertain, "uncertain", string(reply.Stage)
	case newsletter.ActPause:
		s.State, s.Outcome, s.DueAt, s.Charge = newsletter.Queued, "requeued", now, false
		s.Pause, s.Alert = newsletter.ReasonRefused, "서버가 이 호를 받지 않았어요: "+reply.Text
		if c.Single { // no issue to pause: the letter waits its turn
			s.Pause, s.Alert, s.Charge, s.Outcome = "", "", true, "retry"
			s.DueAt = now.Add(q.opt.Retries.After(c.Attempts+1, c.ID))
		}
	default: // requeue
		s.State, s.Outcome, s.DueAt, s.Charge = newsletter.Queued, "requeued", now, false
		s.DueAt = q.wait(v, now)
	}
	q.settle(ctx, s)
}

// wait lets the transport rest where it is to blame, and says when the letter is due again.
func (q *Queue) wait(v newsletter.Verdict, now time.Time) time.Time {
	const stopped, domainRest, lostRest = 15 * time.Minute, 15 * time.Minute, 5 * time.Second
	switch {
	case v.Stop || v.QuotaWords:
		q.breaker.until(now.Add(stopped))
	case v.RateWords:
		if q.limiter != nil {
			q.limiter.SetLimit(max(q.limiter.Limit()/2, 0.1))
		}
		q.breaker.until(now.Add(q.opt.Breaker))
	case v.Blame == newsletter.BlameTransport:
		q.breaker.fail(now)
	case v.Blame == newsletter.BlameDomain:
		return now.Add(domainRest)
	default:
		return now.Add(lostRest) // a connection lost before the final dot: this letter only
	}
	return now
}

// breaker keeps a transport at rest after a fault: first, then twice as long each time, at most thirty times.
type breaker struct {
	first time.Duration

	mu    sync.Mutex
	fails int
	rest  time.Time
}

func (b *breaker) open(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	// A clock that was set back must not keep it open for days.
	return now.Before(b.rest) && b.rest.Sub(now) <= 30*b.first+15*time.Minute
}

func (b *breaker) success() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails, b.rest = 0, time.Time{}
}

func (b *breaker) until(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.After(b.rest) {
		b.rest = t
	}
}

// fail counts one fault; faults of connections that were open at the same time count once.
func (b *breaker) fail(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.rest) {
		return
	}
	b.rest = now.Add(min(b.first<<min(b.fails, 5), 30*b.first))
	b.fails++
}
