package db_test

import (
	"testing"
	"time"

	"techissue/newsletter"
)

func TestStrongerSuppressionStays(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		order := []newsletter.SuppressionReason{newsletter.SuppressedSoft, newsletter.SuppressedHard, newsletter.SuppressedManual, newsletter.SuppressedComplaint}
		for had, first := range order {
			for came, second := range order {
				sub := reader(s.T, string(first)+"."+string(second)+"@example.com", newsletter.Active)
				was := s.block(sub, first)
				now := newsletter.Suppression{AddrKey: sub.AddrKey, Email: sub.Email.String(), Reason: second, Evidence: "again", CreatedAt: t0.Add(time.Hour)}
				s.do(func(tx newsletter.Tx) error { return tx.PutSuppression(s.ctx, &now) })
				want := was
				if came > had {
					want.Reason, want.Evidence = second, "again"
				}
				equal(s, string(first)+" then "+string(second), now, want)
				equal(s, "by key", read(s, func(tx newsletter.Tx) (newsletter.Suppression, error) { return tx.SuppressionByKey(s.ctx, sub.AddrKey) }), want)
				equal(s, "by id", read(s, func(tx newsletter.Tx) (newsletter.Suppression, error) { return tx.Suppression(s.ctx, was.ID) }), want)
			}
		}
	})
}

func TestLiftedSuppressionShowsTheOldStatus(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		sub := s.put("a@example.com", newsletter.Pending)
		p := s.block(sub, newsletter.SuppressedHard)
		shown := func() newsletter.Status {
			return read(s, func(tx newsletter.Tx) (newsletter.Subscriber, error) { return tx.Subscriber(s.ctx, sub.ID) }).Shown()
		}
		if shown() != newsletter.Suppressed {
			s.Error("it does not show")
		}
		s.do(func(tx newsletter.Tx) error { return tx.DeleteSuppression(s.ctx, p.ID) })
		if shown() != newsletter.Pending {
			s.Error("the old status does not show")
		}
		s.refused(newsletter.NotFound, func(tx newsletter.Tx) error { return tx.DeleteSuppression(s.ctx, p.ID) })
		missing(s, func(tx newsletter.Tx) (newsletter.Suppression, error) { return tx.Suppression(s.ctx, p.ID) })
		missing(s, func(tx newsletter.Tx) (newsletter.Suppression, error) { return tx.SuppressionByKey(s.ctx, sub.AddrKey) })
	})
}

func TestSuppressionLists(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		for _, mail := range []string{"a_b@example.com", "axb@example.com", "c@xn--bj0bj06e.kr"} {
			s.block(reader(s.T, mail, newsletter.Active), newsletter.SuppressedManual)
		}
		for query, want := range map[string][]string{
			"": {"c@xn--bj0bj06e.kr", "axb@example.com", "a_b@example.com"}, "a_b": {"a_b@example.com"}, "EXAMPLE": {"axb@example.com", "a_b@example.com"}, "%": nil,
		} {
			for _, limit := range []int{1, 50} {
				got := pages(s, limit, func(p newsletter.Suppression) int64 { return p.ID }, func(tx newsletter.Tx, cursor int64) ([]newsletter.Suppression, error) {
					return tx.Suppressions(s.ctx, query, cursor, limit)
				})
				if mails := each2(got, func(p newsletter.Suppression) string { return p.Email }); len(mails) != len(want) || len(want) > 0 && mails[0] != want[0] {
					s.Errorf("%q: %v, want %v", query, mails, want)
				}
			}
		}
	})
}

func TestLastLeaver(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		missing(s, func(tx newsletter.Tx) (newsletter.Leaver, error) { return tx.LastLeaver(s.ctx, "k") })
		lines := []newsletter.Leaver{{Key: "k", At: t0.Add(time.Hour), Kind: "unsubscribed"}, {Key: "k", At: t0, Kind: "returned"}, {Key: "other", At: t0, Kind: "erased"}}
		s.do(func(tx newsletter.Tx) error {
			if err := tx.AddLeaver(s.ctx, lines[0]); err != nil {
				return err
			}
			return tx.AddLeavers(s.ctx, lines[1:])
		})
		equal(s, "the newest line, not the latest time", read(s, func(tx newsletter.Tx) (newsletter.Leaver, error) { return tx.LastLeaver(s.ctx, "k") }), lines[1])
	})
}
