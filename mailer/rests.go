package mailer

import (
	"sync"
	"time"

	"techissue/newsletter"
)

// domainRests remembers which domains wait.
type domainRests struct {
	mu  sync.Mutex
	end map[string]time.Time
}

// until reports whether the domain was awake before.
func (d *domainRests) until(domain string, t time.Time) (news bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.end == nil {
		d.end = map[string]time.Time{}
	}
	_, known := d.end[domain]
	d.end[domain] = t
	return !known
}

// resting gives the end of a domain's rest, zero when it is awake.
func (d *domainRests) resting(domain string, now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.end[domain]; now.Before(t) {
		if most := now.Add(domainRest); t.After(most) { // the clock was set back
			t = most
			d.end[domain] = t
		}
		return t
	}
	return time.Time{}
}

// woke forgets a domain and reports whether it had been resting.
func (d *domainRests) woke(domain string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, known := d.end[domain]
	delete(d.end, domain)
	return known
}

// losses counts connections that a letter saw end in its body.
type losses struct {
	mu sync.Mutex
	n  map[newsletter.Ticket]int
}

func (l *losses) add(k newsletter.Ticket) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	k.Lease = 0
	if l.n == nil || len(l.n) > 10_000 {
		l.n = map[newsletter.Ticket]int{}
	}
	l.n[k]++
	return l.n[k]
}

func (l *losses) forget(k newsletter.Ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k.Lease = 0
	delete(l.n, k)
}
