package mailer

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace is what this process has learned of its relay: how many connections and letters a second it bears, and whether it is
// to be left alone. It asks for one connection more after a while without complaint and gives half of them back when
// told to slow down; a number that was refused is tried again after a wait that doubles.
type pace struct {
	max     int     // connections at most, as set
	ceiling float64 // letters a second as set; 0: as fast as the relay takes them
	first   time.Duration
	now     func() time.Time

	mu      sync.Mutex
	changed chan struct{} // closed at each change while somebody waits

	limit    int           // connections, learned
	open     int           // leaves that issue letters hold
	dialling int           // of these
	in       int           // of these: the relay let them in
	strained int           // refusals of a connection in a row while fewer were in than it bore before
	bore     int           // connections that were in at once since the last refusal
	hold     time.Time     // nobody dials before; who is in goes on
	calm     time.Time     // of the last complaint or raise
	patience time.Duration // without complaint until one more is tried
	tried    bool          // one more, since the last complaint
	refused  int           // the number of connections that was too many, 0: none yet

	limiter *rate.Limiter // nil: no limit
	eased   time.Time     // when the rate was last raised

	era      int       // grows with each fault: leaves of an earlier era are over
	proven   bool      // the relay let somebody in; before that one goes first
	rest     time.Time // nobody connects before
	fails    int       // faults in a row
	losses   int       // letters in a row whose connection ended before their final dot
	stop     string    // why a person or a window has to end the rest: auth, quota; "" for the breaker
	told     bool      // its alert is on disk
	text     string    // of the alert
	probing  bool      // one goes first: after a rest, and at the very start
	trial    bool      // and until its letter is accepted, nobody follows
	urgent   int       // single letters that wait for leave
	counting rateMeter
}

// leave is permission to connect. It ends with the next fault of the transport: whoever held one asks again, so that after
// a rest one goes first, whoever waited where.
type leave struct {
	era    int
	single bool
	probe  bool
	stage  leaveStage
}

type leaveStage int

const (
	waiting leaveStage = iota
	dialling
	inside
)

// Reasons of a stop that costs one alert.
const (
	stopAuth  = "auth"
	stopQuota = "quota"
)

const (
	stopRest     = 15 * time.Minute // between two probes of a stopped transport
	maxFails     = 5                // 1, 2, 4, 8, 16 and then 30 times the first rest
	longestRest  = 30
	raiseAfter   = time.Minute
	longestCalm  = 30 * time.Minute
	rateStep     = 1.1 // a tenth more a minute
	slowestRate  = 0.1
	meterWindow  = 10 * time.Second
	throttleRest = 30 // a thirtieth of the breaker's first rest: 2 s
	lossesMost   = 5
	strainsMost  = 3
	longWait     = 10 * time.Second
	lookAgain    = 100 * time.Millisecond
)

func newPace(connections int, perSecond float64, first time.Duration, now func() time.Time) *pace {
	p := &pace{max: connections, ceiling: perSecond, first: first, now: now, limit: connections, patience: raiseAfter}
	if perSecond > 0 {
		p.limiter = rate.NewLimiter(rate.Limit(perSecond), 1)
	}
	return p
}

// learned is what survives a restart.
type learned struct {
	Connections int     `json:"connections"`
	Refused     int     `json:"refused,omitempty"`
	Rate        float64 `json:"rate,omitempty"`
}

// remember writes down what was learned, "" when nothing was.
func (p *pace) remember() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := learned{Connections: p.limit, Refused: p.refused}
	if p.limiter != nil && float64(p.limiter.Limit()) != p.ceiling {
		l.Rate = float64(p.limiter.Limit())
	}
	if l.Connections == p.max && l.Rate == 0 {
		return ""
	}
	text, _ := json.Marshal(l)
	return string(text)
}

// recall begins where remember stopped. What it cannot read it leaves.
func (p *pace) recall(text string) {
	var l learned
	if text == "" || json.Unmarshal([]byte(text), &l) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.Connections > 0 {
		p.limit = min(l.Connections, p.max)
	}
	p.refused = l.Refused
	if l.Rate > 0 && (p.ceiling == 0 || l.Rate < p.ceiling) {
		p.setRate(l.Rate)
	}
	p.calm, p.eased = p.now(), p.now()
}

// errResting says that the transport is to be left alone for longer than a letter should be held for it.
var errResting = errors.New("the transport rests")

// acquire waits for leave to open a connection. Whoever gets it calls release. The connection of single letters is one
// beyond the limit, and goes before those of issues.
func (p *pace) acquire(ctx context.Context, single bool) (*leave, error) {
	if single {
		p.hurry(1)
		defer p.hurry(-1)
	}
	for {
		p.mu.Lock()
		p.afterJump(p.now())
		if p.rest.Sub(p.now()) > longWait {
			p.mu.Unlock()
			return nil, errResting
		}
		p.raise()
		if p.admits(single) {
			l := &leave{era: p.era, single: single, probe: p.fails > 0 || p.stop != "" || !p.proven}
			p.probing = l.probe
			if !single {
				p.open++
			}
			p.mu.Unlock()
			return l, nil
		}
		changed := p.wakes()
		p.mu.Unlock()
		// The clock may be a test's: look again soon rather than trust the length of the wait.
		t := time.NewTimer(lookAgain)
		select {
		case <-changed:
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
		t.Stop()
	}
}

func (p *pace) admits(single bool) bool {
	now := p.now()
	switch {
	case now.Before(p.rest), time.Now().Before(p.hold), p.probing, p.trial && p.open > 0:
		return false
	case single:
		return true
	}
	return p.open < p.bearing() && p.urgent == 0
}

// bearing is how many connections there may be now: one fewer for each letter in a row that lost its own. A relay that drops every letter is
// so dialled as often as there are connections, and not twice, before it is left alone; with the next letter it takes all is as before.
func (p *pace) bearing() int { return max(1, p.limit-p.losses) }

// afterJump forgets waits that no fault asked for: the clock was set back since.
func (p *pace) afterJump(now time.Time) {
	if most := now.Add(max(longestRest*p.first, stopRest)); p.rest.After(most) {
		p.rest = most
	}
	if p.calm.After(now) {
		p.calm = now
	}
	if p.eased.After(now) {
		p.eased = now
	}
}

func (p *pace) hurry(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.urgent += n
	p.wake()
}

func (p *pace) wakes() <-chan struct{} {
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

func (p *pace) wake() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// release gives leave back; its connection is closed.
func (p *pace) release(l *leave) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.move(l, waiting)
	if !l.single {
		p.open--
	}
	if l.probe && l.era == p.era {
		p.probing = false
	}
	p.wake()
}

// move counts what a leave is used for.
func (p *pace) move(l *leave, to leaveStage) {
	if !l.single {
		count := map[leaveStage]*int{waiting: new(int), dialling: &p.dialling, inside: &p.in}
		*count[l.stage]--
		*count[to]++
		p.bore = max(p.bore, p.in)
	}
	l.stage = to
}

// holds tells whether leave still holds: no fault came since, and there are not too many.
func (p *pace) holds(l *leave) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stands(l) && (l.single || p.open <= p.bearing() || l.stage == inside && p.in <= p.limit)
}

func (p *pace) stands(l *leave) bool { return l.era == p.era && !p.now().Before(p.rest) }

// dial announces a connection; false: the leave is over.
func (p *pace) dial(l *leave) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stands(l) || !l.single && p.open > p.bearing() {
		return false
	}
	p.move(l, dialling)
	return true
}

// hungUp: the connection of a leave is closed, and another may follow.
func (p *pace) hungUp(l *leave) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.move(l, waiting)
}

// resting tells whether nobody may send now.
func (p *pace) resting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now().Before(p.rest)
}

// stopped names the stop that is on, "" for none, and its alert if that is still to be told.
func (p *pace) stopped() (kind, untold string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop == "" || p.told {
		return p.stop, ""
	}
	return p.stop, p.text
}

// tell: the alert of a stop is on disk.
func (p *pace) tell(kind string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = p.told || p.stop == kind
}

// ready: the relay let us in. That ends a fault of the way there, and a refused password. It reports whether a stop ended;
// ok is false when the leave was over before.
func (p *pace) ready(l *leave) (ended, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stands(l) {
		return false, false
	}
	p.move(l, inside)
	p.strained, p.proven = 0, true
	if l.probe {
		l.probe, p.probing = false, false
		p.trial = p.fails > 0 || p.stop == stopQuota // one letter first
		if p.stop == stopAuth {
			p.stop, ended = "", true
		}
	}
	p.wake()
	return ended, true
}

// accepted: a letter was taken. It reports whether that ended a stop; a letter that was on its way when the fault came says nothing.
func (p *pace) accepted(l *leave) (ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.losses > 0 {
		p.losses = 0
		p.wake()
	}
	if l.era == p.era && (p.stop != "" || p.trial || p.fails > 0) {
		ended = p.stop != ""
		p.stop, p.trial, p.fails, p.rest = "", false, 0, time.Time{}
		p.wake()
	}
	p.counting.add(p.now())
	p.ease()
	return ended
}

// fault counts one fault of the transport; those of connections that were open at the same time count once.
func (p *pace) fault(l *leave) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stands(l) {
		p.breakDown()
	}
}

func (p *pace) breakDown() {
	factor := 1 << min(p.fails, maxFails)
	p.fails++
	p.cease(p.now().Add(time.Duration(min(factor, longestRest)) * p.first))
}

// cease ends every leave and lets the transport rest.
func (p *pace) cease(until time.Time) {
	p.era++
	p.rest, p.probing, p.trial, p.losses = until, false, false, 0
	p.wake()
}

// lost: a connection ended in the middle of a letter. One is that letter's matter; many in a row are the transport's.
func (p *pace) lost(l *leave) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stands(l) {
		return
	}
	if p.losses++; p.fails > 0 || p.losses >= max(lossesMost, p.limit) {
		p.breakDown()
	}
}

// halt stops all sending until a probe succeeds. It reports whether this is news, which then has to be told.
func (p *pace) halt(l *leave, why, text string) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop == why && l.era != p.era {
		return false // said to several connections at once
	}
	if news = p.stop != why; news {
		p.stop, p.told, p.text = why, false, text
	}
	p.cease(p.now().Add(stopRest))
	return news
}

// probe ends the rest at once: somebody says that the cause of this stop is mended.
func (p *pace) probe(kind string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != kind || !p.told {
		return
	}
	p.stop, p.fails = "", max(p.fails, 1)
	p.cease(time.Time{})
}

// slower halves the rate, and the connections with it. Without a rate set, half of what went out lately is the new one.
func (p *pace) slower(l *leave) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if !p.stands(l) {
		return // said to several connections at once
	}
	was := p.counting.perSecond(now)
	if p.limiter != nil {
		was = float64(p.limiter.Limit())
	}
	p.setRate(max(was/2, slowestRate))
	p.lower(max(1, p.limit/2))
	p.eased = now
	p.cease(now.Add(p.first / throttleRest))
}

// tooMany: the relay refused a connection because of those that are open. As many as it let in is what it bears; those
// that are on their way will hear their own answer. Where it bore more a moment ago, it may not have noticed
// yet that one of ours is closed: that is believed only when it comes again.
func (p *pace) tooMany(l *leave) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.move(l, waiting)
	p.hold = time.Now().Add(p.first / throttleRest / 2) // the network's time, not the letters'
	p.wake()
	bears := p.in + p.dialling
	if l.single {
		bears-- // it is one of ours, too, and matters more
	}
	if bears >= p.limit {
		return
	}
	if p.strained++; bears < p.bore && p.strained < strainsMost {
		return
	}
	p.strained, p.bore, p.refused = 0, p.in, max(1, bears)+1
	p.lower(max(1, bears))
}

func (p *pace) lower(to int) {
	now := p.now()
	if p.tried && now.Sub(p.calm) < p.patience+raiseAfter {
		p.patience = min(2*p.patience, longestCalm) // the last try was too early
	}
	p.tried = false
	p.limit, p.calm = min(p.limit, to), now
}

// raise tries one connection more when it was calm for long enough.
func (p *pace) raise() {
	now := p.now()
	if p.limit >= p.max || p.open < p.limit {
		return
	}
	wait := raiseAfter
	if p.refused > 0 && p.limit+1 >= p.refused {
		wait = p.patience
	}
	if now.Sub(p.calm) >= wait {
		p.limit++
		p.calm, p.tried = now, true
	}
}

// ease gives a learned rate a tenth back each minute, up to what is set; without one set, until it no longer binds.
func (p *pace) ease() {
	if p.limiter == nil || float64(p.limiter.Limit()) == p.ceiling {
		return
	}
	now := p.now()
	if now.Sub(p.eased) < raiseAfter {
		return
	}
	p.eased = now
	next := float64(p.limiter.Limit()) * rateStep
	switch {
	case p.ceiling > 0:
		p.setRate(min(next, p.ceiling))
	case next > 20*max(p.counting.perSecond(now), 1):
		p.limiter = nil
	default:
		p.setRate(next)
	}
}

func (p *pace) setRate(perSecond float64) {
	if p.limiter == nil {
		p.limiter = rate.NewLimiter(rate.Limit(perSecond), 1)
		return
	}
	p.limiter.SetLimit(rate.Limit(perSecond))
}

// bucket is the limiter to wait for, nil when there is no limit.
func (p *pace) bucket() *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limiter
}

// rateMeter counts letters in windows of ten seconds.
type rateMeter struct {
	began     time.Time
	n, before int
	span      time.Duration // of before
}

func (m *rateMeter) add(now time.Time) {
	if age := now.Sub(m.began); age >= meterWindow || age < 0 {
		m.before, m.span = m.n, age
		m.began, m.n = now, 0
	}
	m.n++
}

func (m *rateMeter) perSecond(now time.Time) float64 {
	span := now.Sub(m.began) + m.span
	if m.began.IsZero() || span < time.Second {
		span = time.Second
	}
	return float64(m.n+m.before) / span.Seconds()
}
