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

	limit    int // connections, learned
	open     int
	calm     time.Time     // of the last complaint or raise
	patience time.Duration // without complaint until one more is tried
	refused  int           // the number of connections that was too many, 0: none yet

	limiter *rate.Limiter // nil: no limit
	eased   time.Time     // when the rate was last raised

	rest     time.Time // nobody connects before
	fails    int       // faults in a row
	stop     string    // why a person or a window has to end the rest: auth, quota; "" for the breaker
	probing  bool      // after a rest one goes first
	trial    bool      // and until its letter is accepted, nobody follows
	counting rateMeter
}

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
// beyond the limit.
func (p *pace) acquire(ctx context.Context, single bool) error {
	for {
		p.mu.Lock()
		if p.rest.Sub(p.now()) > longWait {
			p.mu.Unlock()
			return errResting
		}
		p.raise()
		if !p.now().Before(p.rest) && !p.probing && (single || p.open < p.limit) && !(p.trial && p.open > 0) {
			if !single {
				p.open++
			}
			p.probing = p.fails > 0 || p.stop != ""
			p.mu.Unlock()
			return nil
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
			return ctx.Err()
		}
		t.Stop()
	}
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

func (p *pace) release(single bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !single {
		p.open--
	}
	p.probing = false
	p.wake()
}

// crowded tells a worker that its connection is one too many by now.
func (p *pace) crowded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open > p.limit
}

// resting tells whether nobody may send now.
func (p *pace) resting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now().Before(p.rest)
}

// stopped names the stop that is on, "" for none.
func (p *pace) stopped() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stop
}

// ready: the relay let us in. That ends a fault of the way there, and a refused password. It reports whether a stop ended.
func (p *pace) ready() (ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probing = false
	p.trial = p.fails > 0 || p.stop == stopQuota // one letter first
	if p.stop == stopAuth {
		p.stop, ended = "", true
	}
	p.wake()
	return ended
}

// accepted: a letter was taken. It reports whether that ended a stop.
func (p *pace) accepted() (ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ended = p.stop != ""
	if ended || p.trial || p.fails > 0 {
		p.stop, p.trial, p.fails, p.rest = "", false, 0, time.Time{}
		p.wake()
	}
	p.counting.add(p.now())
	p.ease()
	return ended
}

// fault counts one fault of the transport; those of connections that were open at the same time count once.
func (p *pace) fault() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Before(p.rest) {
		return
	}
	factor := 1 << min(p.fails, maxFails)
	p.rest = now.Add(time.Duration(min(factor, longestRest)) * p.first)
	p.fails++
	p.wake()
}

// halt stops all sending until a probe succeeds. It reports whether this is news.
func (p *pace) halt(why string) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	news = p.stop == ""
	p.stop, p.trial = why, false
	p.rest = p.now().Add(stopRest)
	p.wake()
	return news
}

// probe ends the rest at once: somebody says that the cause is mended.
func (p *pace) probe() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest, p.stop, p.fails = time.Time{}, "", max(p.fails, 1)
	p.wake()
}

// slower halves the rate, and the connections with it. Without a rate set, half of what went out lately is the new one.
func (p *pace) slower() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Before(p.rest) {
		return // said to several connections at once
	}
	was := p.counting.perSecond(now)
	if p.limiter != nil {
		was = float64(p.limiter.Limit())
	}
	p.setRate(max(was/2, slowestRate))
	p.lower(max(1, p.limit/2))
	p.eased = now
	p.rest = now.Add(p.first / throttleRest)
	p.wake()
}

// tooMany: the relay refused a connection because of those that are open (this one included).
func (p *pace) tooMany() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open > p.limit {
		return // the others of the same burst say the same
	}
	p.refused = p.open
	p.lower(max(1, p.open-1))
	p.wake()
}

func (p *pace) lower(to int) {
	now := p.now()
	if now.Sub(p.calm) < p.patience+raiseAfter && p.limit < p.max {
		p.patience = min(2*p.patience, longestCalm) // the last try was too early
	}
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
		p.calm = now
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
