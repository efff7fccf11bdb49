package mailer

import (
	"slices"
	"strings"
	"sync"
	"time"

	"techissue/newsletter"
)

// fair holds claimed letters by the domain they go to and gives them out in turn, so that one provider that is slow, or that
// most readers use, does not keep the others waiting. A domain holds at most half of the connections while others have
// work; one that takes ten times as long as the others' median, an eighth. It counts letters from the moment they are
// given out to be composed until their result is known.
type fair struct {
	room  int // letters held back at most for one domain while others have work
	slots int // connections
	now   func() time.Time

	mu      sync.Mutex
	changed sync.Cond
	lanes   map[string]*lane
	ring    []*lane // those with letters, in the order of their turns
	waiting int
	closed  bool
	median  medianCache
}

// lane is what waits for, and what is known of, one domain.
type lane struct {
	domain  string
	letters []newsletter.Claimed
	busy    int
	took    time.Duration // moving average from gate to result
	seen    time.Time
}

type medianCache struct {
	at    time.Time
	value time.Duration
}

const (
	slowFactor    = 10                    // times the others' median
	slowShare     = 8                     // a slow domain gets an eighth
	averageOver   = 8                     // letters that the moving average remembers
	slowAtLeast   = 20 * time.Millisecond // below this nobody is slow, only uneven
	medianLasts   = time.Second
	forgottenLane = 10 * time.Minute
)

func newFair(slots, room int, now func() time.Time) *fair {
	f := &fair{room: room, slots: slots, now: now, lanes: map[string]*lane{}}
	f.changed.L = &f.mu
	return f
}

func domainOf(email string) string { return email[strings.LastIndexByte(email, '@')+1:] }

// put takes letters in and returns those for which there is no room: their domain has more than its share waiting.
func (f *fair) put(letters []newsletter.Claimed) (surplus []newsletter.Claimed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget()
	for _, c := range letters {
		l := f.lane(domainOf(c.Email))
		if len(l.letters) >= f.room && len(f.ring) > 1 {
			surplus = append(surplus, c)
			continue
		}
		if len(l.letters) == 0 {
			f.ring = append(f.ring, l)
		}
		l.letters = append(l.letters, c)
		f.waiting++
	}
	f.changed.Broadcast()
	return surplus
}

func (f *fair) lane(domain string) *lane {
	l := f.lanes[domain]
	if l == nil {
		l = &lane{domain: domain}
		f.lanes[domain] = l
	}
	l.seen = f.now()
	return l
}

// forget drops domains that were not met for a while: a big list has tens of thousands of them.
func (f *fair) forget() {
	if len(f.lanes) < 1000 {
		return
	}
	for domain, l := range f.lanes {
		if len(l.letters) == 0 && l.busy == 0 && (l.took < slowAtLeast || f.now().Sub(l.seen) > forgottenLane) {
			delete(f.lanes, domain)
		}
	}
}

// take waits for a letter whose domain may have one more connection. false: closed.
func (f *fair) take() (newsletter.Claimed, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if f.closed {
			return newsletter.Claimed{}, false
		}
		if c, ok := f.next(); ok {
			return c, true
		}
		f.changed.Wait()
	}
}

// next is the next letter in turn. Where every domain with letters has its share already, the first goes on if
// nobody else could use the connection.
func (f *fair) next() (newsletter.Claimed, bool) {
	alone := len(f.ring) == 1
	for n, l := range f.ring {
		if !alone && l.busy >= f.share(l) {
			continue
		}
		c := l.letters[0]
		l.letters = l.letters[1:]
		l.busy++
		f.waiting--
		f.ring = slices.Delete(f.ring, n, n+1)
		if len(l.letters) > 0 {
			f.ring = append(f.ring, l)
		} else {
			l.letters = nil
		}
		return c, true
	}
	return newsletter.Claimed{}, false
}

func (f *fair) share(l *lane) int {
	if l.took >= slowAtLeast && l.took >= slowFactor*f.usual() {
		return max(1, f.slots/slowShare)
	}
	return max(1, f.slots/2)
}

// usual is the median of what domains take, looked up once a second; of two it is the faster one.
func (f *fair) usual() time.Duration {
	now := f.now()
	if age := now.Sub(f.median.at); age >= 0 && age < medianLasts {
		return f.median.value
	}
	var all []time.Duration
	for _, l := range f.lanes {
		if l.took > 0 {
			all = append(all, l.took)
		}
	}
	slices.Sort(all)
	f.median = medianCache{at: now, value: all[(len(all)-1)/2]} // the one who asks has a pace
	return f.median.value
}

// done ends what take began. took 0 says nothing about the domain's pace.
func (f *fair) done(email string, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.lane(domainOf(email))
	l.busy--
	switch {
	case took <= 0:
	case l.took == 0:
		l.took = took
	default:
		l.took += (took - l.took) / averageOver
	}
	f.changed.Broadcast()
}

// hungry tells how many letters there is room for.
func (f *fair) hungry(full int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return full - f.waiting
}

// empty gives back what nobody took.
func (f *fair) empty() (left []newsletter.Claimed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.ring {
		left = append(left, l.letters...)
		l.letters = nil
	}
	f.ring, f.waiting = nil, 0
	return left
}

// close ends all taking.
func (f *fair) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.changed.Broadcast()
}
