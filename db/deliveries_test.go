package db_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

func TestRecipientsOfAnAudience(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		with := func(ad bool, joined time.Duration, tags ...string) func(*newsletter.Subscriber) {
			return func(sub *newsletter.Subscriber) {
				sub.AdConsent, sub.ConfirmedAt, sub.Tags = ad, t0.Add(joined), tags
			}
		}
		s.put("a@example.com", newsletter.Active, with(true, 0, "가", "나"))
		s.put("b@example.com", newsletter.Active, with(false, -time.Hour, "가"))
		s.put("c@example.com", newsletter.Active, with(true, -2*time.Hour))
		s.put("d@example.com", newsletter.Pending, with(true, 0, "가"))
		s.put("e@example.com", newsletter.Unsubscribed, with(true, 0, "가"))
		s.block(s.put("f@example.com", newsletter.Active, with(true, 0, "가")), newsletter.SuppressedSoft)
		s.put("g@example.com", newsletter.Active, with(true, time.Hour, "가")) // joins after the send is accepted
		yes, no := true, false
		for n, row := range []struct {
			says  string
			r     newsletter.Recipients
			want  string
			count int64 // of now, the later ones included
		}{
			{"all active ones", newsletter.Recipients{}, "abc", 4},
			{"with ad consent", newsletter.Recipients{AdConsent: &yes}, "ac", 3},
			{"without", newsletter.Recipients{AdConsent: &no}, "b", 1},
			{"any of the tags", newsletter.Recipients{Audience: newsletter.Audience{Tags: []string{"가", "나"}}}, "ab", 3},
			{"all of the tags", newsletter.Recipients{Audience: newsletter.Audience{Tags: []string{"가", "나"}, TagsMode: "all"}}, "a", 1},
			{"nobody", newsletter.Recipients{Audience: newsletter.Audience{Tags: []string{"없음"}}}, "", 0},
			{"joined from then on", newsletter.Recipients{Audience: newsletter.Audience{JoinedAfter: t0.Add(-time.Hour)}}, "ab", 3},
			{"joined before", newsletter.Recipients{Audience: newsletter.Audience{JoinedBefore: t0.Add(-time.Hour)}}, "c", 1},
		} {
			if got := read(s, func(tx newsletter.Tx) (int64, error) { return tx.CountRecipients(s.ctx, row.r) }); got != row.count {
				s.Errorf("%s: counted %d, want %d", row.says, got, row.count)
			}
			i := s.issue(n + 1)
			for range 2 { // safe to repeat
				after, seen, chunks := newsletter.SubscriberID(0), 0, 0
				for {
					var last newsletter.SubscriberID
					var looked int
					s.do(func(tx newsletter.Tx) (err error) {
						last, looked, err = tx.Freeze(s.ctx, i.ID, row.r, 0, after, 2, t0)
						return err
					})
					if looked == 0 {
						break
					}
					after, seen, chunks = last, seen+looked, chunks+1
				}
				if seen != len(row.want) || chunks != (seen+1)/2 {
					s.Errorf("%s: looked at %d in %d chunks", row.says, seen, chunks)
				}
			}
			got := ""
			for _, d := range read(s, func(tx newsletter.Tx) ([]newsletter.Delivery, error) {
				return tx.Deliveries(s.ctx, newsletter.DeliveryFilter{Issue: i.ID, Limit: 50})
			}) {
				got += d.Email[:1]
				if d.State != newsletter.Queued || !d.DueAt.Equal(t0) || d.Number != n+1 {
					s.Errorf("%s: frozen as %+v", row.says, d)
				}
			}
			if got != row.want {
				s.Errorf("%s: frozen %q, want %q", row.says, got, row.want)
			}
		}
	})
}

// house10 is an issue of ten letters in every state a letter can have, in the order of the readers.
func house10(s *shelf) (newsletter.Issue, map[newsletter.DeliveryState]newsletter.DeliveryID) {
	s.Helper()
	var subs []newsletter.Subscriber
	for n := range 10 {
		subs = append(subs, s.put(fmt.Sprintf("r_%d@example.com", n), newsletter.Active))
	}
	i := s.issue(1)
	s.send(&i)
	got := s.claim(8, t0) // 0…7; 8 and 9 stay queued
	for n, state := range []newsletter.DeliveryState{newsletter.Sent, newsletter.Failed, newsletter.Uncertain, newsletter.Expired, newsletter.Queued} {
		s.gate(got[n])
		o := result(got[n].Ticket, state)
		if state == newsletter.Expired {
			o.Reason = "expired"
		}
		s.settle(o)
	}
	s.gate(got[5])
	subs[6].Status, subs[6].UnsubscribedAt = newsletter.Unsubscribed, t0
	s.do(func(tx newsletter.Tx) error { return tx.PutSubscriber(s.ctx, &subs[6]) })
	_ = s.Gate(s.ctx, got[6].Ticket, t0)
	by := map[newsletter.DeliveryState]newsletter.DeliveryID{}
	for _, d := range read(s, func(tx newsletter.Tx) ([]newsletter.Delivery, error) {
		return tx.Deliveries(s.ctx, newsletter.DeliveryFilter{Issue: i.ID, Limit: 50})
	}) {
		by[d.State] = d.ID
	}
	equal(s, "the house", s.counts(i), tally{
		newsletter.Queued: 3, newsletter.Leased: 1, newsletter.Handing: 1, newsletter.Sent: 1, newsletter.Uncertain: 1, newsletter.Failed: 1, newsletter.Expired: 1, newsletter.Skipped: 1,
	})
	s.sound()
	return i, by
}

func TestProgressAddsUp(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		i, _ := house10(s)
		s.do(func(tx newsletter.Tx) error {
			return tx.PutAlert(s.ctx, &newsletter.Alert{Issue: i.ID, Kind: "quota", Text: "한도", At: t0})
		})
		p := read(s, func(tx newsletter.Tx) (newsletter.Progress, error) {
			return tx.Progress(s.ctx, i.ID, t0.Add(10*time.Second))
		})
		if p.Deferred != 1 || !p.NextDue.Equal(t0) || len(p.Alerts) != 1 {
			s.Errorf("%+v", p)
		}
		if p.Rate <= 0 || p.Rate > 1 || p.ETA <= 0 {
			s.Errorf("one sent in half a minute: %v a second, %v left", p.Rate, p.ETA)
		}
		p = read(s, func(tx newsletter.Tx) (newsletter.Progress, error) {
			return tx.Progress(s.ctx, i.ID, t0.Add(time.Hour))
		})
		if p.Rate != 0 || p.ETA != 0 {
			s.Errorf("an hour later: %v a second, %v left", p.Rate, p.ETA)
		}
		unsettled := func(second bool) int64 {
			return read(s, func(tx newsletter.Tx) (int64, error) { return tx.CountUnsettled(s.ctx, i.ID, second) })
		}
		if unsettled(false) != 5 || unsettled(true) != 6 {
			s.Errorf("unsettled %d, with a second try %d", unsettled(false), unsettled(true))
		}
	})
}

func TestDeliveryLists(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		i, by := house10(s)
		for _, row := range []struct {
			says string
			f    newsletter.DeliveryFilter
			want int
		}{
			{"all", newsletter.DeliveryFilter{}, 10},
			{"a state", newsletter.DeliveryFilter{State: newsletter.Queued}, 3},
			{"part of an address", newsletter.DeliveryFilter{Query: "R_7"}, 1},
			{"signs are no patterns", newsletter.DeliveryFilter{Query: "r%"}, 0},
			{"of a state", newsletter.DeliveryFilter{Query: "r_8", State: newsletter.Queued}, 1},
		} {
			for _, limit := range []int{1, 2, 100} {
				got := pages(s, limit, func(d newsletter.Delivery) int64 { return int64(d.ID) }, func(tx newsletter.Tx, cursor int64) ([]newsletter.Delivery, error) {
					f := row.f
					f.Issue, f.Cursor, f.Limit = i.ID, cursor, limit
					return tx.Deliveries(s.ctx, f)
				})
				ids := each2(got, func(d newsletter.Delivery) int64 { return int64(d.ID) })
				if len(got) != row.want || !slices.IsSorted(ids) {
					s.Errorf("%s, limit %d: %v", row.says, limit, ids)
				}
			}
		}
		missing(s, func(tx newsletter.Tx) (newsletter.Delivery, error) { return tx.Delivery(s.ctx, 999) })
		d := s.delivery(int64(by[newsletter.Failed]))
		if d.Reply != "550 no" || d.Attempts != 1 || d.Reason != newsletter.ReasonRefused || d.FirstAt.IsZero() || d.DoneAt.IsZero() || d.Edition != 1 {
			s.Errorf("%+v", d)
		}
		log := read(s, func(tx newsletter.Tx) ([]newsletter.Attempt, error) { return tx.Attempts(s.ctx, d.ID) })
		if len(log) != 1 {
			s.Fatal(log)
		}
		log[0].ID = 0
		equal(s, "the attempt", log[0], newsletter.Attempt{
			Delivery: d.ID, Lease: 1, At: t0, Outcome: "failed", Relay: "mx.example:25", Reply: newsletter.Reply{Stage: newsletter.StageDot, Code: 550, Text: "no"},
		})
		second := s.issue(2)
		s.send(&second)
		letters := read(s, func(tx newsletter.Tx) ([]newsletter.Delivery, error) { return tx.DeliveriesOf(s.ctx, d.Subscriber, 5) })
		equal(s, "a reader's, newest first", each2(letters, func(d newsletter.Delivery) int { return d.Number }), []int{2, 1})
	})
}

func TestRequeue(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		i, by := house10(s)
		again := func(ids []newsletter.DeliveryID, states []newsletter.DeliveryState, reasons ...string) (n int64) {
			s.Helper()
			s.do(func(tx newsletter.Tx) (err error) {
				n, err = tx.Requeue(s.ctx, i.ID, ids, states, reasons, t0.Add(time.Hour))
				return err
			})
			return n
		}
		all := newsletter.DeliveryStates[:]
		failed := []newsletter.DeliveryState{newsletter.Failed}
		for says, n := range map[string]int64{
			"no states":              again(nil, nil),
			"none of the letters":    again([]newsletter.DeliveryID{}, all),
			"a letter that was sent": again([]newsletter.DeliveryID{by[newsletter.Sent]}, all),
			"a skipped one":          again([]newsletter.DeliveryID{by[newsletter.Skipped]}, all),
			"one in flight":          again([]newsletter.DeliveryID{by[newsletter.Handing], by[newsletter.Leased]}, all),
			"another reason":         again(nil, failed, "bounced"),
			"another letter":         again([]newsletter.DeliveryID{by[newsletter.Expired]}, failed),
		} {
			if n != 0 {
				s.Errorf("%s: %d", says, n)
			}
		}
		if n := again(nil, failed, newsletter.ReasonRefused, "x"); n != 1 {
			s.Errorf("failed ones: %d", n)
		}
		d := s.delivery(int64(by[newsletter.Failed]))
		if d.State != newsletter.Queued || !d.DueAt.Equal(t0.Add(time.Hour)) || d.Reason != "" || !d.DoneAt.IsZero() || d.Resent || d.Attempts != 1 {
			s.Errorf("queued as %+v", d)
		}
		u := s.delivery(int64(by[newsletter.Uncertain]))
		if n := again(nil, all); n != 2 {
			s.Errorf("uncertain and expired: %d", n)
		}
		if d := s.delivery(int64(u.ID)); d.State != newsletter.Queued || !d.Resent || d.Lease <= u.Lease {
			s.Errorf("a person's second try: %+v", d)
		}
		late := result(newsletter.Ticket{ID: int64(u.ID), Lease: u.Lease}, newsletter.Sent)
		if err := s.Settle(s.ctx, late); err == nil {
			s.Error("the first try's answer was still heard")
		}
		s.sound()
	})
}

func TestRequeueLeavesOutWhoMayNotBeWrittenTo(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		var subs []newsletter.Subscriber
		for n := range 5 {
			subs = append(subs, s.put(fmt.Sprintf("r%d@example.com", n), newsletter.Active))
		}
		i := s.issue(1)
		s.send(&i)
		for _, c := range s.claim(5, t0) {
			s.gate(c)
			s.settle(result(c.Ticket, newsletter.Failed))
		}
		subs[0].Status = newsletter.Unsubscribed
		subs[1].Email, subs[1].AddrKey = address(s, "moved@example.com"), "moved"
		for n := range 2 {
			s.do(func(tx newsletter.Tx) error { return tx.PutSubscriber(s.ctx, &subs[n]) })
		}
		s.block(subs[2], newsletter.SuppressedHard)
		s.do(func(tx newsletter.Tx) error { return tx.EraseSubscriber(s.ctx, subs[3].ID, t0) })
		var n int64
		s.do(func(tx newsletter.Tx) (err error) {
			n, err = tx.Requeue(s.ctx, i.ID, nil, []newsletter.DeliveryState{newsletter.Failed}, nil, t0)
			return err
		})
		if n != 1 {
			s.Errorf("%d queued again, want 1 of 5", n)
		}
		equal(s, "counts", s.counts(i), tally{newsletter.Failed: 4, newsletter.Queued: 1})
		s.sound()
	})
}

func TestCancelQueued(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		i, by := house10(s)
		s.move(&i, newsletter.IssueCancelled)
		var n int64
		s.do(func(tx newsletter.Tx) (err error) { n, err = tx.CancelQueued(s.ctx, i.ID, t0); return err })
		if n != 4 {
			s.Errorf("%d cancelled, want the queued and the leased ones", n)
		}
		equal(s, "counts", s.counts(i), tally{
			newsletter.Cancelled: 4, newsletter.Handing: 1, newsletter.Sent: 1, newsletter.Uncertain: 1, newsletter.Failed: 1, newsletter.Expired: 1, newsletter.Skipped: 1,
		})
		leased := s.delivery(int64(by[newsletter.Leased]))
		if err := s.Gate(s.ctx, newsletter.Ticket{ID: int64(leased.ID), Lease: 1}, t0); err == nil {
			s.Error("a cancelled letter passed its gate")
		}
		handing := s.delivery(int64(by[newsletter.Handing]))
		s.settle(result(newsletter.Ticket{ID: int64(handing.ID), Lease: handing.Lease}, newsletter.Queued))
		if d := s.delivery(int64(handing.ID)); d.State != newsletter.Cancelled || d.Reason != newsletter.ReasonCancelled {
			s.Errorf("one that came back is %s for %q", d.State, d.Reason)
		}
		s.sound()
	})
}

func TestExpireQueuedAndMarkSent(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		i, by := house10(s)
		var n int64
		s.do(func(tx newsletter.Tx) (err error) { n, err = tx.ExpireQueued(s.ctx, i.ID, t0); return err })
		if n != 3 {
			s.Errorf("%d expired", n)
		}
		mark := func(id newsletter.DeliveryID) func(tx newsletter.Tx) error {
			return func(tx newsletter.Tx) error { return tx.MarkSent(s.ctx, id, "admin:1", t0) }
		}
		for _, state := range []newsletter.DeliveryState{newsletter.Failed, newsletter.Handing, newsletter.Sent, newsletter.Skipped} {
			s.refused(newsletter.Conflict, mark(by[state]))
		}
		s.do(mark(by[newsletter.Uncertain]))
		log := read(s, func(tx newsletter.Tx) ([]newsletter.Attempt, error) {
			return tx.Attempts(s.ctx, by[newsletter.Uncertain])
		})
		if last := log[len(log)-1]; last.Outcome != "sent" || last.Reply.Code != 0 || last.Reply.Text != "marked as sent by admin:1" {
			s.Errorf("the attempt %+v", last)
		}
		equal(s, "counts", s.counts(i), tally{
			newsletter.Expired: 4, newsletter.Leased: 1, newsletter.Handing: 1, newsletter.Sent: 2, newsletter.Failed: 1, newsletter.Skipped: 1,
		})
		s.sound()
	})
}

func TestTally(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		var subs []newsletter.Subscriber
		for n := range 3 {
			subs = append(subs, s.put(fmt.Sprintf("r%d@example.com", n), newsletter.Active))
		}
		var issues [2]newsletter.Issue
		for n := range issues {
			issues[n] = s.issue(n + 1)
			s.send(&issues[n])
			for _, c := range s.claim(3, t0) {
				s.gate(c)
				s.settle(result(c.Ticket, newsletter.Sent))
			}
		}
		s.raw(`UPDATE deliveries SET opened_at = 1, clicked_at = CASE WHEN subscriber_id = ? THEN 1 END WHERE issue_id = ? AND subscriber_id <> ?`, subs[0].ID, issues[0].ID, subs[2].ID)
		s.raw(`UPDATE deliveries SET bounced_at = 1 WHERE issue_id = ? AND subscriber_id = ?`, issues[0].ID, subs[2].ID)
		subs[0].Status, subs[0].UnsubscribedAt = newsletter.Unsubscribed, t0.Add(time.Hour)
		s.do(func(tx newsletter.Tx) error { return tx.PutSubscriber(s.ctx, &subs[0]) })
		of := func(n int) newsletter.Tally {
			return read(s, func(tx newsletter.Tx) (newsletter.Tally, error) { return tx.Tally(s.ctx, issues[n].ID) })
		}
		equal(s, "the first", of(0), newsletter.Tally{Opened: 2, Clicked: 1, Bounced: 1})
		equal(s, "who left after the second", of(1), newsletter.Tally{Unsubscribed: 1})
	})
}

// Each invariant is broken by hand, one at a time: a check that finds nothing would pass unnoticed.
func TestViolationsFindWhatIsBroken(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		i, by := house10(s)
		for _, row := range []struct {
			says, breaks, mends string
			args                []any
		}{
			{"add up", `UPDATE issues SET recipients = 11 WHERE id = ?`, `UPDATE issues SET recipients = 10 WHERE id = ?`, []any{i.ID}},
			{"sent letter has an attempt", `UPDATE attempts SET code = 354 WHERE delivery_id = ?`, `UPDATE attempts SET code = 250 WHERE delivery_id = ?`, []any{by[newsletter.Sent]}},
			{"was attempted", `UPDATE deliveries SET attempts = 0 WHERE id = ?`, `UPDATE deliveries SET attempts = 1 WHERE id = ?`, []any{by[newsletter.Uncertain]}},
			{"says why", `UPDATE deliveries SET reason = '' WHERE id = ?`, `UPDATE deliveries SET reason = 'unsubscribed' WHERE id = ?`, []any{by[newsletter.Skipped]}},
			{"queued only while", `UPDATE issues SET state = 'done' WHERE id = ?`, `UPDATE issues SET state = 'sending' WHERE id = ?`, []any{i.ID}},
			{"at most one", `UPDATE deliveries SET email = 'r_0@example.com', state = 'sent' WHERE id = ?`, `UPDATE deliveries SET email = 'r_1@example.com', state = 'failed' WHERE id = ?`, []any{by[newsletter.Failed]}},
		} {
			s.raw(row.breaks, row.args...)
			found := read(s, func(tx newsletter.Tx) ([]string, error) { return tx.Violations(s.ctx) })
			if !slices.ContainsFunc(found, func(line string) bool { return strings.Contains(line, row.says) }) {
				s.Errorf("%s: %v", row.says, found)
			}
			s.raw(row.mends, row.args...)
			s.sound()
		}
	})
}
