package db_test

import (
	"errors"
	"testing"
	"time"

	"techissue/newsletter"
)

// Two issues at once share each batch by age, so a big issue's retries do not go before a small one's first letters.
func TestClaimOldestDueFirst(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		for _, mail := range []string{"a@example.com", "b@example.com", "c@example.com", "d@example.com"} {
			s.put(mail, newsletter.Active)
		}
		first, second, resting := s.issue(1), s.issue(2), s.issue(3)
		for _, i := range []*newsletter.Issue{&first, &second, &resting} {
			s.send(i)
		}
		s.move(&resting, newsletter.IssuePaused)
		due := func(i newsletter.Issue, minutes ...int) {
			for n, m := range minutes {
				s.raw(`UPDATE deliveries SET due_at = ? WHERE issue_id = ? AND subscriber_id = ?`, t0.Add(time.Duration(m)*time.Minute).UnixMilli(), i.ID, n+1)
			}
		}
		due(first, 4, 4, 9, 20)
		due(second, 1, 4, 2, 9)
		var got [][2]int64
		now := t0.Add(10 * time.Minute)
		for _, limit := range []int{1, 2, 2, 9, 9} {
			letters, err := s.ClaimDeliveries(s.ctx, 1, limit, now)
			if err != nil || len(letters) > limit {
				s.Fatal(len(letters), err)
			}
			for _, c := range letters {
				got = append(got, [2]int64{int64(c.Number), int64(c.Subscriber)})
			}
		}
		equal(s, "order", got, [][2]int64{{2, 1}, {2, 3}, {1, 1}, {1, 2}, {2, 2}, {1, 3}, {2, 4}})
		if letters, err := s.ClaimDeliveries(s.ctx, 1, 0, now); err != nil || len(letters) != 0 {
			s.Error("none were asked for", letters, err)
		}
	})
}

// A correction reaches everybody not yet handed: queued letters are claimed with it, leased ones lose their lease.
func TestNewerEditionReachesAllNotYetHanded(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		for _, mail := range []string{"a@example.com", "b@example.com", "c@example.com"} {
			s.put(mail, newsletter.Active)
		}
		i := s.issue(1)
		s.send(&i)
		got := s.claim(2, t0)
		s.gate(got[0])
		s.move(&i, newsletter.IssuePaused)
		s.do(func(tx newsletter.Tx) error {
			if err := tx.AddEdition(s.ctx, newsletter.Edition{Issue: i.ID, Number: 2, Variant: newsletter.VariantInfo, Reason: "without sponsor", CreatedAt: t0}); err != nil {
				return err
			}
			return tx.AddEdition(s.ctx, newsletter.Edition{Issue: i.ID, Number: 3, Reason: "오탈자", CreatedAt: t0})
		})
		s.move(&i, newsletter.IssueSending)
		if err := s.Gate(s.ctx, got[1].Ticket, t0); !errors.Is(err, newsletter.ErrLeaseLost) {
			s.Errorf("the old text of a leased letter: %v", err)
		}
		for _, c := range s.claim(2, t0) {
			if c.Edition != 3 {
				s.Errorf("letter %d is claimed with edition %d", c.ID, c.Edition)
			}
		}
		s.settle(result(got[0].Ticket, newsletter.Sent))
		if d := s.delivery(got[0].ID); d.Edition != 1 {
			s.Errorf("a handed letter now names edition %d", d.Edition)
		}
		s.sound()
	})
}
