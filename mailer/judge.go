package mailer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"techissue/newsletter"
)

// Kinds of alerts that the mailer raises. Those of the house (issue 0) are the transport's.
const (
	alertSame   = "same_reply"
	alertDomain = "domain:" // and the domain behind it
)

const (
	domainRest = 15 * time.Minute // a provider that does not want mail of ours now
	lostRest   = 5 * time.Second  // a connection lost before the final dot
	lossesFree = 3                // before the final dot; from then on the connection is not to blame
	panicsMost = 3
)

// settle writes a result. A store that cannot write now is asked again: the result is known only here, and a
// worker that waits claims nothing. A lost lease means somebody else decided.
func (q *Queue) settle(ctx context.Context, s newsletter.Settlement) {
	wait := 100 * time.Millisecond
	for {
		err := q.opt.Store.Settle(ctx, s)
		if err == nil || errors.Is(err, newsletter.ErrLeaseLost) {
			q.settled(&s, err)
			return
		}
		if ctx.Err() != nil {
			q.opt.Log.Error("result not stored: the letter will be uncertain", "letter", s.ID, "single", s.Single, "err", err)
			return
		}
		q.opt.Log.Error("settle", "letter", s.ID, "single", s.Single, "err", err)
		q.rest(ctx, wait)
		wait = min(2*wait, 5*time.Second)
	}
}

// settled hears what the store said to a result.
func (q *Queue) settled(s *newsletter.Settlement, err error) {
	if err != nil {
		q.opt.Log.Warn("lease lost", "letter", s.ID, "single", s.Single, "state", s.State)
	}
}

// unfit settles a letter that cannot be made: as things stand it never can, unless a bug was in the way.
func (q *Queue) unfit(ctx context.Context, c composed) {
	if errors.Is(c.err, errPanic) {
		q.panicked(ctx, c, false)
		return
	}
	q.opt.Log.Error("compose", "letter", c.ID, "single", c.Single, "err", c.err)
	q.settle(ctx, newsletter.Settlement{
		Ticket: c.Ticket, State: newsletter.Failed, Reason: newsletter.ReasonCompose, Outcome: "failed", At: q.opt.Now(), Charge: true,
		Reply: newsletter.Reply{Text: newsletter.CleanReply(c.err.Error())},
	})
}

// panicked: a bug. Behind the gate nobody knows how far the letter came; before it, it gets two more tries.
func (q *Queue) panicked(ctx context.Context, c composed, gated bool) {
	now := q.opt.Now()
	s := newsletter.Settlement{
		Ticket: c.Ticket, State: newsletter.Queued, Outcome: "retry", Charge: true, At: now, DueAt: now.Add(q.opt.Retries.After(1, c.ID)),
		Reply: newsletter.Reply{Text: newsletter.ReasonPanic},
	}
	switch {
	case gated:
		s.State, s.Outcome, s.Reason = newsletter.Uncertain, "uncertain", newsletter.ReasonPanic
	case c.Attempts+1 >= panicsMost:
		s.State, s.Outcome, s.Reason = newsletter.Failed, "failed", newsletter.ReasonPanic
	}
	q.settle(ctx, s)
}

// dialFailed puts the letter back uncharged and lets the transport rest.
func (q *Queue) dialFailed(ctx context.Context, c composed, r *route, pass *leave, err error) {
	reply := newsletter.Reply{Stage: newsletter.StageConnect, Text: newsletter.CleanReply(err.Error())}
	var de *DialError
	if errors.As(err, &de) {
		reply = de.Reply
		if reply.Text == "" {
			reply.Text = newsletter.CleanReply(err.Error())
		}
	}
	q.apply(ctx, c.Claimed, reply, newsletter.Classify(reply), r, pass)
}

// accepted: good news for everybody concerned.
func (q *Queue) accepted(ctx context.Context, c newsletter.Claimed, r *route, pass *leave) {
	q.same.reset()
	if r.pace.accepted(pass) {
		q.stopEnded(ctx, r, stopQuota)
	}
	if q.rests.woke(domainOf(c.Email)) && !c.Single {
		q.complain("clear alert", q.opt.Store.Clear(ctx, c.Issue, alertDomain+domainOf(c.Email), q.opt.Now()))
	}
}

// judge turns what happened into what is written.
func (q *Queue) judge(ctx context.Context, c newsletter.Claimed, res Result, r *route, pass *leave) {
	if res.Outcome == newsletter.GateRefused {
		var refused *newsletter.GateError
		if errors.As(res.Err, &refused) || errors.Is(res.Err, newsletter.ErrLeaseLost) {
			return // the gate settled the row, or somebody else has it
		}
		// Whether the gate was committed is not known; a letter that comes back under its lease is owed in either case.
		q.opt.Log.Error("gate", "letter", c.ID, "single", c.Single, "err", res.Err)
		now := q.opt.Now()
		q.settle(ctx, newsletter.Settlement{Ticket: c.Ticket, State: newsletter.Queued, DueAt: now.Add(lostRest), Outcome: "released", At: now})
		return
	}
	if errors.Is(res.Err, ErrLetter) {
		q.settle(ctx, newsletter.Settlement{
			Ticket: c.Ticket, State: newsletter.Failed, Reason: newsletter.ReasonCompose, Charge: true, Outcome: "failed", Relay: r.Addr(), At: q.opt.Now(),
			Reply: newsletter.Reply{Stage: res.Reply.Stage, Text: newsletter.CleanReply(res.Err.Error())},
		})
		return
	}
	verdict := newsletter.Classify(res.Reply)
	if res.Outcome == newsletter.InDoubt {
		verdict = newsletter.Verdict{Blame: newsletter.BlameLetter, Action: newsletter.ActUncertain}
	}
	q.apply(ctx, c, res.Reply, verdict, r, pass)
}

// apply writes a verdict: the letter's row, its attempt, and what has to wait or pause.
func (q *Queue) apply(ctx context.Context, c newsletter.Claimed, reply newsletter.Reply, v newsletter.Verdict, r *route, pass *leave) {
	now := q.opt.Now()
	s := newsletter.Settlement{Ticket: c.Ticket, Reply: reply, Relay: r.Addr(), At: now, Charge: true}
	run, ours := q.same.note(c, reply, v)
	action := v.Action
	if reply.Code == 0 && v.Blame == newsletter.BlameLetter {
		r.pace.lost(pass)
	}
	cursed := false
	if action == newsletter.ActRequeue && v.Blame == newsletter.BlameLetter {
		if cursed = q.losses.add(c.Ticket) > lossesFree; cursed {
			action = newsletter.ActRetry // it is this letter that ends connections
		}
	}
	switch {
	case ours:
		s.State, s.Outcome, s.DueAt, s.Charge = newsletter.Queued, "requeued", now, false
		s.Pause, s.Alert = alertSame, sameText(reply)
	case action == newsletter.ActRetry:
		q.retryLater(&s, c, now)
		if cursed && s.State == newsletter.Expired {
			s.State, s.Outcome, s.Reason = newsletter.Failed, "failed", newsletter.ReasonLost
		}
	case action == newsletter.ActFail:
		s.State, s.Outcome, s.Reason = newsletter.Failed, "failed", newsletter.ReasonRefused
		if v.Suppress == newsletter.SuppressHard {
			s.Suppress = newsletter.SuppressedHard
		}
	case action == newsletter.ActUncertain:
		s.State, s.Outcome, s.Reason = newsletter.Uncertain, "uncertain", string(reply.Stage)
	case action == newsletter.ActPause && c.Single: // no issue to pause: the letter waits its turn
		q.retryLater(&s, c, now)
	case action == newsletter.ActPause:
		s.State, s.Outcome, s.DueAt, s.Charge = newsletter.Queued, "requeued", now, false
		s.Pause, s.Alert = newsletter.ReasonRefused, "메일 서버가 이 호를 받지 않아 멈췄어요: "+oneLine(reply)
	default:
		s.State, s.Outcome, s.Charge = newsletter.Queued, "requeued", false
		s.DueAt = q.wait(ctx, c, reply, v, r, pass)
	}
	if s.State != newsletter.Queued {
		q.losses.forget(c.Ticket)
	}
	q.settle(ctx, s)
	if s.State == newsletter.Failed && !c.Single && q.same.spoken(reply) {
		run = append(run, c.Ticket)
	}
	if len(run) > 0 {
		q.takeBack(ctx, c.Issue, run, reply)
	}
}

func (q *Queue) retryLater(s *newsletter.Settlement, c newsletter.Claimed, now time.Time) {
	s.State, s.Outcome, s.DueAt = newsletter.Queued, "retry", now.Add(q.opt.Retries.After(c.Attempts+1, c.ID))
	if newsletter.RetryOver(c.FirstDue, now, c.Attempts+1, c.ExpiresAt) {
		s.State, s.Outcome, s.Reason = newsletter.Expired, "expired", newsletter.ReasonExpired
	}
}

// wait lets whoever is to blame rest, and says when the letter is due again.
func (q *Queue) wait(ctx context.Context, c newsletter.Claimed, reply newsletter.Reply, v newsletter.Verdict, r *route, pass *leave) time.Time {
	now := q.opt.Now()
	switch {
	case v.Stop:
		q.halt(ctx, r, pass, stopAuth, "메일 서버가 로그인을 받지 않아 모든 발송을 멈췄어요("+r.Addr()+"): "+oneLine(reply))
	case v.QuotaWords:
		q.halt(ctx, r, pass, stopQuota, "메일 서버의 한도에 닿아 기다리는 중이에요. 15분마다 한 통으로 다시 물어봐요("+r.Addr()+"): "+oneLine(reply))
	case v.Crowded:
		r.pace.tooMany(pass)
	case v.RateWords:
		r.pace.slower(pass)
	case v.Blame == newsletter.BlameTransport:
		r.pace.fault(pass)
	case v.Blame == newsletter.BlameDomain:
		return q.domainWaits(ctx, c, reply)
	default:
		return now.Add(lostRest)
	}
	return now
}

// domainWaits lets letters to one domain wait, with one alert of the issue.
func (q *Queue) domainWaits(ctx context.Context, c newsletter.Claimed, reply newsletter.Reply) time.Time {
	domain, now := domainOf(c.Email), q.opt.Now()
	until := now.Add(domainRest)
	if q.rests.until(domain, until) && !c.Single {
		q.raise(ctx, newsletter.Alert{
			Issue: c.Issue, Kind: alertDomain + domain, At: now, Text: domain + "에서 지금은 우리 편지를 받지 않아요. 15분 뒤에 다시 보내요: " + oneLine(reply),
		})
	}
	return until
}

func (q *Queue) raise(ctx context.Context, a newsletter.Alert) {
	news, err := q.opt.Store.Raise(ctx, a)
	q.complain("raise alert", err)
	if news {
		q.opt.Log.Warn("alert", "issue", a.Issue, "kind", a.Kind, "text", a.Text)
	}
}

// halt stops the transport and tells it once.
func (q *Queue) halt(ctx context.Context, r *route, pass *leave, kind, text string) {
	if r.pace.halt(pass, kind, text) {
		q.complain("tell a stop", q.tellStop(ctx, r.pace))
	}
}

// tellStop raises the alert of a stop that was not told yet. Only then may the alert's absence mean that somebody cleared it.
func (q *Queue) tellStop(ctx context.Context, p *pace) error {
	q.telling.Lock()
	defer q.telling.Unlock()
	kind, untold := p.stopped()
	if untold == "" {
		return nil
	}
	now := q.opt.Now()
	for _, other := range []string{stopAuth, stopQuota} {
		if other == kind {
			continue
		}
		if err := q.opt.Store.Clear(ctx, 0, other, now); err != nil {
			return err
		}
	}
	news, err := q.opt.Store.Raise(ctx, newsletter.Alert{Kind: kind, At: now, Text: untold})
	if err != nil {
		return err
	}
	if news {
		q.opt.Log.Warn("alert", "kind", kind, "text", untold)
	}
	p.tell(kind)
	return nil
}

// stopEnded closes the transport's alerts: the probe went through.
func (q *Queue) stopEnded(ctx context.Context, r *route, after string) {
	q.telling.Lock()
	defer q.telling.Unlock()
	if kind, _ := r.pace.stopped(); kind != "" {
		return // stopped again meanwhile
	}
	q.opt.Log.Info("transport works again", "after", after)
	for _, kind := range []string{stopAuth, stopQuota} {
		q.complain("clear alert", q.opt.Store.Clear(ctx, 0, kind, q.opt.Now()))
	}
}

// lookAtStop: an alert that somebody cleared (resume does) asks for a probe at once.
func (q *Queue) lookAtStop(ctx context.Context) error {
	p := q.routes.current.Load().pace
	if err := q.tellStop(ctx, p); err != nil {
		return err
	}
	q.telling.Lock()
	defer q.telling.Unlock()
	kind, untold := p.stopped()
	if kind == "" || untold != "" {
		return nil
	}
	open, err := q.opt.Store.Raised(ctx, 0, kind)
	if err == nil && !open {
		p.probe(kind)
	}
	return err
}

func (q *Queue) takeBack(ctx context.Context, issue newsletter.IssueID, run []newsletter.Ticket, reply newsletter.Reply) {
	alert := newsletter.Alert{Kind: alertSame, Text: sameText(reply)}
	q.complain("take refusals back", q.opt.Store.TakeBack(ctx, issue, run, alert, q.opt.Now()))
}

func sameText(reply newsletter.Reply) string {
	return "여러 곳의 주소에 같은 답이 왔어요. 받는 분들의 문제가 아니라 우리 쪽 문제로 보여 멈췄고, 아무도 차단하지 않았어요: " + oneLine(reply)
}

func oneLine(r newsletter.Reply) string {
	return strings.TrimSpace(strings.TrimSpace(fmt.Sprintf("%d %s", r.Code, r.Enhanced)) + " " + r.Text)
}
