package mailer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

// street is a send in a time of its own: who is served when, without a machine that has other things to do. Only fair is real.
type street struct {
	fair  *fair
	at    time.Time
	row   []newsletter.Claimed // not claimed yet, in order
	takes func(domain string) time.Duration
	busy  []delivery
	done  map[string]time.Time // when a domain's last letter was taken
	most  map[string]int       // connections a domain held at once while quick ones had letters
}

type delivery struct {
	newsletter.Claimed
	began, ends time.Time
}

// claim does what feed does all the time, and reports whether there was something to do.
func (s *street) claim(full int) bool {
	room, crowded := s.fair.want(full)
	if room < full/2 {
		return false
	}
	var got, left []newsletter.Claimed
	for _, c := range s.row {
		if len(got) < room && !slices.Contains(crowded, domainOf(c.Email)) {
			got = append(got, c)
		} else {
			left = append(left, c)
		}
	}
	s.row = left
	s.fair.put(got)
	s.fair.mayBeMore(len(got) > 0)
	return len(got) > 0
}

func (s *street) run(connections int) {
	for {
		for s.claim(claimRoom(connections)) {
		}
		for len(s.busy) < connections {
			c, ok := s.fair.next()
			if !ok {
				break
			}
			s.busy = append(s.busy, delivery{c, s.at, s.at.Add(s.takes(domainOf(c.Email)))})
		}
		if len(s.busy) == 0 {
			return
		}
		s.look()
		slices.SortStableFunc(s.busy, func(a, b delivery) int { return a.ends.Compare(b.ends) })
		d := s.busy[0]
		s.busy = s.busy[1:]
		s.at = d.ends
		s.fair.done(d.Email, d.ends.Sub(d.began))
		s.done[domainOf(d.Email)] = s.at
	}
}

func (s *street) look() {
	held := map[string]int{}
	for _, d := range s.busy {
		held[domainOf(d.Email)]++
	}
	waits := map[string]bool{}
	for _, c := range s.row {
		waits[domainOf(c.Email)] = true
	}
	for _, l := range s.fair.ring {
		waits[l.domain] = true
	}
	for domain, n := range held {
		for other := range waits {
			if other != domain && !strings.HasPrefix(other, "slow") {
				s.most[domain] = max(s.most[domain], n)
			}
		}
	}
}

func send(connections int, takes func(string) time.Duration, groups ...string) *street {
	s := &street{at: time.Unix(0, 0), takes: takes, done: map[string]time.Time{}, most: map[string]int{}}
	s.fair = newFair(connections, claimRoom(connections)/2, func() time.Time { return s.at })
	for _, g := range groups {
		var n int
		var domain string
		_, _ = fmt.Sscanf(g, "%d %s", &n, &domain)
		for i := range n {
			s.row = append(s.row, newsletter.Claimed{Email: fmt.Sprintf("reader%d@%s", i, domain)})
		}
	}
	s.run(connections)
	return s
}

// The others keep four fifths of the rate that they have without the slow domain, wherever its letters stand, and it never holds more than
// an eighth of the connections while they have work.
func TestOthersKeepTheirRate(t *testing.T) {
	takes := func(domain string) time.Duration {
		if strings.HasPrefix(domain, "slow") {
			return 2 * time.Second
		}
		return 50 * time.Millisecond
	}
	for _, tt := range []struct {
		name  string
		slow  []string
		quick []string
		keep  float64
	}{
		{"two hundred slow ones first", []string{"200 slow.example"}, []string{"200 quick.example"}, 0.8},
		{"a thousand slow ones first", []string{"1000 slow.example"}, []string{"400 quick.example"}, 0.8},
		{"two slow domains first, an eighth each", []string{"300 slow.example", "300 slow2.example"}, []string{"400 a.example", "400 b.example", "400 c.example"}, 0.7},
		{"many quick domains", []string{"1000 slow.example"}, []string{"200 a.example", "200 b.example", "200 c.example", "200 d.example", "200 e.example"}, 0.8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const connections = 16
			alone := send(connections, takes, tt.quick...)
			both := send(connections, takes, append(slices.Clone(tt.slow), tt.quick...)...)
			for _, g := range tt.quick {
				var n int
				var domain string
				_, _ = fmt.Sscanf(g, "%d %s", &n, &domain)
				without, with := alone.done[domain].Sub(time.Unix(0, 0)), both.done[domain].Sub(time.Unix(0, 0))
				if rate := without.Seconds() / with.Seconds(); rate < tt.keep {
					t.Errorf("%s keeps %.0f %% of its rate: %s instead of %s", domain, 100*rate, with, without)
				}
			}
			for domain, n := range both.most {
				if most := connections / 8; strings.HasPrefix(domain, "slow") && n > most {
					t.Errorf("%s held %d of %d connections", domain, n, connections)
				}
			}
		})
	}
}

// With nobody else in sight a slow domain has what there is.
func TestSlowDomainAloneUsesAllConnections(t *testing.T) {
	s := send(8, func(string) time.Duration { return time.Second }, "800 slow.example")
	if took := s.at.Sub(time.Unix(0, 0)); took > 102*time.Second {
		t.Errorf("800 letters of a second by 8 connections took %s", took)
	}
}
