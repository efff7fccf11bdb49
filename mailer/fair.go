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
// work; an eighth when it takes ten times as long as the others' median, and until its first letter tells how long it takes. What
// others cannot use a domain of an ordinary pace may have, and any domain when nobody else has letters at all, here or
// in the store (feed.go looks). It counts letters from the moment they are given out to be composed until their result is known.
type fair struct {
	room  int // letters of one domain from which on no more of them are claimed
	slots int // connections
	now   func() time.Time

	mu      sync.Mutex
	changed sync.Cond
	lanes   map[string]*lane
	ring    []*lane // those with letters, in the order of their turns
	others  bool    // the store may hold letters of domains that are not here
	closed  bool
	median  medianCache
}

// lane is what waits for, and what is known of, one domain.
type lane struct {
	domain  string
	letters []newsletter.Claimed
	busy    int
	moved   time.Time     // when the last letter came back, or the only one went out
	took    time.Duration // moving average from gate to result
	seen    time.Time
}

type medianCache struct {
	at    time.Time
	value time.Duration
}

const (
	slowFactor    = 10                    // times the others' median
	evenFactor    = 2                     // times the quickest is about as quick
	slowShare     = 8                     // a slow domain gets an eighth
	hangsAfter    = 5 * time.Second       // without a result
	crowdedMost   = 8                     // domains of which many letters wait; beyond, nothing is claimed
	averageOver   = 8                     // letters that the moving average remembers
	slowAtLeast   = 20 * time.Millisecond // below this nobody is slow, only uneven
	medianLasts   = time.Second
	forgottenLane = 10 * time.Minute
)

func newFair(slots, room int, now func() time.Time) *fair {
	f := &fair{room: room, slots: slots, now: now, lanes: map[string]*lane{}, others: true}
	f.changed.L = &f.mu
	return f
}

func domainOf(email string) string { return email[strings.LastIndexByte(email, '@')+1:] }

// put takes letters in.
func (f *fair) put(letters []newsletter.Claimed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget()
	for _, c := range letters {
		l := f.lane(domainOf(c.Email))
		if len(l.letters) == 0 {
			f.ring = append(f.ring, l)
		}
		l.letters = append(l.letters, c)
	}
	f.changed.Broadcast()
}

// mayBeMore tells whether the store may hold letters of domains that are not here.
func (f *fair) mayBeMore(others bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.others != others {
		f.others = others
		f.changed.Broadcast()
	}
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

// next is the next letter in turn: of a domain below its share; else, to be ready for the next free connection, of one that is about as
// quick as the quickest with letters; else, with nobody else in sight, of any. Were the second for everybody who is not slow, a domain of a
// fifth of the others' pace would fill one connection after another, because its letters stay there.
func (f *fair) next() (newsletter.Claimed, bool) {
	for n, l := range f.ring {
		if l.busy < f.share(l) {
			return f.give(n), true
		}
	}
	most := evenFactor * max(f.quickest(), slowAtLeast)
	for n, l := range f.ring {
		if l.took > 0 && l.took <= most && !f.slow(l) {
			return f.give(n), true
		}
	}
	if f.others || len(f.ring) > 1 && slices.ContainsFunc(f.ring, func(l *lane) bool { return !f.slow(l) }) {
		return newsletter.Claimed{}, false // somebody's first letter will tell soon
	}
	for n, l := range f.ring {
		if len(f.ring) == 1 || l.busy < max(1, f.slots/2) {
			return f.give(n), true
		}
	}
	return newsletter.Claimed{}, false
}

// quickest is the pace of the quickest domain with letters, 0 when none of them has one.
func (f *fair) quickest() (best time.Duration) {
	for _, l := range f.ring {
		if l.took > 0 && (best == 0 || l.took < best) {
			best = l.took
		}
	}
	return best
}

// give takes the nth lane's next letter.
func (f *fair) give(n int) newsletter.Claimed {
	l := f.ring[n]
	c := l.letters[0]
	l.letters = l.letters[1:]
	if l.busy++; l.busy == 1 {
		l.moved = f.now()
	}
	f.ring = slices.Delete(f.ring, n, n+1)
	if len(l.letters) > 0 {
		f.ring = append(f.ring, l)
	} else {
		l.letters = nil
	}
	return c
}

func (f *fair) share(l *lane) int {
	if l.took == 0 || f.slow(l) {
		return max(1, f.slots/slowShare)
	}
	return max(1, f.slots/2)
}

func (f *fair) slow(l *lane) bool {
	if l.busy > 0 && f.now().Sub(l.moved) > hangsAfter {
		return true
	}
	return l.took >= slowAtLeast && l.took >= slowFactor*f.usual()
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
	l.moved = f.now()
	switch {
	case took <= 0:
	case l.took == 0:
		l.took = took
	default:
		l.took += (took - l.took) / averageOver
	}
	f.changed.Broadcast()
}

// want tells how many letters there is room for, and which domains have enough waiting.
func (f *fair) want(full int) (n int, crowded []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = full
	for _, l := range f.ring {
		if len(l.letters) >= f.room {
			crowded = append(crowded, l.domain)
		} else {
			n -= len(l.letters)
		}
	}
	if len(crowded) > crowdedMost {
		n = 0
	}
	return n, crowded
}

// empty gives back what nobody took.
func (f *fair) empty() (left []newsletter.Claimed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.ring {
		left = append(left, l.letters...)
		l.letters = nil
	}
	f.ring = nil
	return left
}

// close ends all taking.
func (f *fair) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.changed.Broadcast()
}
