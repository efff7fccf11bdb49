package db_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"techissue/newsletter"
)

func TestSubscriberComesBackWhole(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		sub := reader(s.T, "min.ji+letter@example.com", newsletter.Active)
		sub.Name, sub.Tags, sub.Source = "김민지 'O''Hara", []string{"나", "가", "나"}, "form"
		sub.AdConsent, sub.AdConsentAt, sub.ConsentAt, sub.ConfirmedAt = true, t0.Add(1), t0.Add(time.Millisecond), t0.Add(time.Second)
		sub.AdConsentAt = t0.Add(2 * time.Millisecond)
		sub.PausedUntil, sub.NoTracking = t0.Add(time.Hour), true
		s.do(func(tx newsletter.Tx) error { return tx.PutSubscriber(s.ctx, &sub) })
		if sub.ID == 0 {
			s.Fatal("no id was set")
		}
		equal(s, "tags", sub.Tags, []string{"가", "나"})
		for _, by := range []func(tx newsletter.Tx) (newsletter.Subscriber, error){
			func(tx newsletter.Tx) (newsletter.Subscriber, error) { return tx.Subscriber(s.ctx, sub.ID) },
			func(tx newsletter.Tx) (newsletter.Subscriber, error) { return tx.SubscriberByKey(s.ctx, sub.AddrKey) },
		} {
			equal(s, "read", read(s, by), sub)
		}
		sub.Status, sub.UnsubscribedAt, sub.UnsubscribeReason, sub.Tags = newsletter.Unsubscribed, t0.Add(time.Minute), "너무 잦아요", nil
		sub.Email = address(s, "new@example.com")
		sub.AddrKey = sub.Email.Key([]byte("k"))
		s.do(func(tx newsletter.Tx) error { return tx.PutSubscriber(s.ctx, &sub) })
		equal(s, "changed", read(s, func(tx newsletter.Tx) (newsletter.Subscriber, error) { return tx.Subscriber(s.ctx, sub.ID) }), sub)
	})
}

func TestSubscriberNotThereOrTaken(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		one, two := s.put("one@example.com", newsletter.Active), s.put("two@example.com", newsletter.Active)
		missing(s, func(tx newsletter.Tx) (newsletter.Subscriber, error) { return tx.Subscriber(s.ctx, 99) })
		missing(s, func(tx newsletter.Tx) (newsletter.Subscriber, error) { return tx.SubscriberByKey(s.ctx, "nobody") })
		s.refused(newsletter.NotFound, func(tx newsletter.Tx) error {
			gone := one
			gone.ID, gone.AddrKey = 99, "x"
			return tx.PutSubscriber(s.ctx, &gone)
		})
		s.refused(newsletter.NotFound, func(tx newsletter.Tx) error { return tx.EraseSubscriber(s.ctx, 99, t0) })
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error {
			again := reader(s.T, "ONE@Example.com", newsletter.Pending)
			return tx.PutSubscriber(s.ctx, &again)
		})
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error {
			moved := two
			moved.Email, moved.AddrKey = one.Email, one.AddrKey
			return tx.PutSubscriber(s.ctx, &moved)
		})
		equal(s, "untouched", read(s, func(tx newsletter.Tx) (newsletter.Subscriber, error) { return tx.Subscriber(s.ctx, two.ID) }), two)
	})
}

func TestSubscriberLists(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		named := func(name string, tags ...string) func(*newsletter.Subscriber) {
			return func(sub *newsletter.Subscriber) { sub.Name, sub.Tags = name, tags }
		}
		s.put("a_b@example.com", newsletter.Active, named("김민지", "vip", "서울"))
		s.put("axb@example.com", newsletter.Active, named("50% 할인"))
		hard := s.put("hard@example.com", newsletter.Active, named(`back\slash`, "vip"))
		waits := s.put("waits@example.com", newsletter.Pending, named("김민수"))
		left := s.put("left@example.com", newsletter.Unsubscribed)
		s.put("free@example.com", newsletter.Pending)
		for _, sub := range []newsletter.Subscriber{hard, waits, left} {
			s.block(sub, newsletter.SuppressedHard)
		}
		for _, row := range []struct {
			says string
			f    newsletter.SubscriberFilter
			want []string // newest first
		}{
			{"everybody", newsletter.SubscriberFilter{}, []string{"free", "left", "waits", "hard", "axb", "a_b"}},
			{"active and free", newsletter.SubscriberFilter{Status: newsletter.Active}, []string{"axb", "a_b"}},
			{"pending and free", newsletter.SubscriberFilter{Status: newsletter.Pending}, []string{"free"}},
			{"who left counts as left", newsletter.SubscriberFilter{Status: newsletter.Unsubscribed}, []string{"left"}},
			{"suppressed, active and pending", newsletter.SubscriberFilter{Status: newsletter.Suppressed}, []string{"waits", "hard"}},
			{"an underscore is itself", newsletter.SubscriberFilter{Query: "a_b"}, []string{"a_b"}},
			{"a percent sign is itself", newsletter.SubscriberFilter{Query: "50%"}, []string{"axb"}},
			{"a lone percent sign is not everything", newsletter.SubscriberFilter{Query: "%"}, []string{"axb"}},
			{"a backslash is itself", newsletter.SubscriberFilter{Query: `k\s`}, []string{"hard"}},
			{"Hangul", newsletter.SubscriberFilter{Query: "김민"}, []string{"waits", "a_b"}},
			{"part of a syllable is no match", newsletter.SubscriberFilter{Query: "기"}, nil},
			{"Latin letters in any case", newsletter.SubscriberFilter{Query: "AXB@EX"}, []string{"axb"}},
			{"quotes do no harm", newsletter.SubscriberFilter{Query: `' OR '1'='1`}, nil},
			{"a tag", newsletter.SubscriberFilter{Tag: "vip"}, []string{"hard", "a_b"}},
			{"a tag and a status", newsletter.SubscriberFilter{Tag: "vip", Status: newsletter.Active}, []string{"a_b"}},
			{"a tag is no pattern", newsletter.SubscriberFilter{Tag: "v%"}, nil},
			{"behind a cursor", newsletter.SubscriberFilter{Cursor: int64(hard.ID)}, []string{"axb", "a_b"}},
		} {
			for _, limit := range []int{1, 2, 200} {
				got := pages(s, limit, func(sub newsletter.Subscriber) int64 { return int64(sub.ID) }, func(tx newsletter.Tx, cursor int64) ([]newsletter.Subscriber, error) {
					f := row.f
					f.Limit = limit
					if cursor > 0 {
						f.Cursor = cursor
					}
					return tx.Subscribers(s.ctx, f)
				})
				var names []string
				for _, sub := range got {
					names = append(names, sub.Email.String()[:len(sub.Email.String())-len("@example.com")])
				}
				if !slices.Equal(names, row.want) {
					s.Errorf("%s, limit %d: %v, want %v", row.says, limit, names, row.want)
				}
				for _, sub := range got {
					if sub.AddrKey == hard.AddrKey && (!slices.Equal(sub.Tags, []string{"vip"}) || sub.Shown() != newsletter.Suppressed) {
						s.Errorf("%s: the list shows %+v", row.says, sub)
					}
				}
			}
		}
	})
}

func TestPendingBefore(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		at := func(d time.Duration) func(*newsletter.Subscriber) {
			return func(sub *newsletter.Subscriber) { sub.CreatedAt = t0.Add(d) }
		}
		s.put("second@example.com", newsletter.Pending, at(2*time.Hour))
		s.put("first@example.com", newsletter.Pending, at(time.Hour))
		s.put("active@example.com", newsletter.Active, at(time.Hour))
		s.put("border@example.com", newsletter.Pending, at(3*time.Hour))
		list := func(limit int) []string {
			return each2(read(s, func(tx newsletter.Tx) ([]newsletter.Subscriber, error) {
				return tx.PendingBefore(s.ctx, t0.Add(3*time.Hour), limit)
			}), func(sub newsletter.Subscriber) string { return sub.Email.String() })
		}
		equal(s, "all", list(9), []string{"first@example.com", "second@example.com"})
		equal(s, "the oldest", list(0), []string{"first@example.com"})
	})
}

// shownCounts counts in the plain way.
func (s *shelf) shownCounts() map[newsletter.Status]int64 {
	s.Helper()
	counts := map[newsletter.Status]int64{}
	for _, sub := range read(s, func(tx newsletter.Tx) ([]newsletter.Subscriber, error) {
		return tx.Subscribers(s.ctx, newsletter.SubscriberFilter{Limit: 10_000})
	}) {
		counts[sub.Shown()]++
	}
	return counts
}

func (s *shelf) checkCounts(when string) {
	s.Helper()
	got := read(s, func(tx newsletter.Tx) (map[newsletter.Status]int64, error) { return tx.CountSubscribers(s.ctx) })
	want := s.shownCounts()
	for _, status := range []newsletter.Status{newsletter.Pending, newsletter.Active, newsletter.Unsubscribed, newsletter.Suppressed} {
		if got[status] != want[status] {
			s.Errorf("%s: %d %s, want %d", when, got[status], status, want[status])
		}
	}
}

func TestCountSubscribersFollowsEveryChange(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		s.checkCounts("an empty house")
		var subs []newsletter.Subscriber
		for n := range 9 {
			subs = append(subs, s.put(fmt.Sprintf("r%d@example.com", n), []newsletter.Status{newsletter.Pending, newsletter.Active, newsletter.Unsubscribed}[n%3]))
		}
		s.checkCounts("inserted")
		blocks := map[int]newsletter.Suppression{}
		for _, n := range []int{0, 1, 2} {
			blocks[n] = s.block(subs[n], newsletter.SuppressedSoft)
		}
		s.checkCounts("suppressed")
		s.block(subs[1], newsletter.SuppressedComplaint)
		s.block(subs[1], newsletter.SuppressedSoft)
		s.checkCounts("suppressed again")
		for _, status := range []newsletter.Status{newsletter.Unsubscribed, newsletter.Active, newsletter.Pending} {
			for _, n := range []int{1, 4} {
				subs[n].Status = status
				s.do(func(tx newsletter.Tx) error { return tx.PutSubscriber(s.ctx, &subs[n]) })
			}
			s.checkCounts("set " + string(status))
		}
		stranger := reader(s.T, "stranger@example.com", newsletter.Active)
		s.block(stranger, newsletter.SuppressedManual)
		s.checkCounts("a stranger suppressed")
		subs[5].Email, subs[5].AddrKey = stranger.Email, stranger.AddrKey
		s.do(func(tx newsletter.Tx) error { return tx.PutSubscriber(s.ctx, &subs[5]) })
		subs[0].Email, subs[0].AddrKey = address(s, "moved@example.com"), address(s, "moved@example.com").Key([]byte("k"))
		s.do(func(tx newsletter.Tx) error { return tx.PutSubscriber(s.ctx, &subs[0]) })
		s.checkCounts("moved to and from a suppressed address")
		s.do(func(tx newsletter.Tx) error { return tx.DeleteSuppression(s.ctx, blocks[1].ID) })
		s.checkCounts("lifted")
		for _, n := range []int{1, 2, 5, 7} {
			s.do(func(tx newsletter.Tx) error { return tx.EraseSubscriber(s.ctx, subs[n].ID, t0) })
		}
		s.checkCounts("erased")
		blocked := reader(s.T, "bulk1@example.com", newsletter.Active)
		s.block(blocked, newsletter.SuppressedHard)
		many := []newsletter.Subscriber{blocked, reader(s.T, "bulk2@example.com", newsletter.Pending), reader(s.T, "bulk3@example.com", newsletter.Unsubscribed)}
		s.do(func(tx newsletter.Tx) error { return tx.InsertSubscribers(s.ctx, many) })
		s.checkCounts("imported")
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error {
			fresh := []newsletter.Subscriber{reader(s.T, "x@example.com", newsletter.Active), many[0]}
			return tx.InsertSubscribers(s.ctx, fresh)
		})
		s.checkCounts("an import undone")
		s.sound()
	})
}
