package newsletter_test

import (
	"testing"
	"time"

	"techissue/newsletter"
)

func TestACorrectionReachesWhoWasNotHandedALetter(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		for _, r := range []string{"a@example.com", "b@example.com", "c@example.com"} {
			k.addActive(r)
		}
		i, err := k.CreateIssue(ctx, "admin:1", newsletter.Issue{Content: newsletter.Content{Subject: "오자가 있는 제모", Intro: "안녕하세요."}})
		k.must(err)
		_, err = k.SendIssue(ctx, "admin:1", i.Number, 0)
		k.must(err)
		k.must(k.Advance(ctx))
		first, err := k.store.ClaimDeliveries(ctx, 1, 2, k.clock.Now())
		k.must(err)
		// The first letter is sent; the second is handed and told to wait.
		for n, l := range first {
			k.must(k.store.Gate(ctx, l.Ticket, k.clock.Now()))
			s := newsletter.Settlement{Ticket: l.Ticket, State: newsletter.Sent, Charge: true, Outcome: "sent", Reply: newsletter.Reply{Code: 250}, At: k.clock.Now()}
			if n == 1 {
				s.State, s.Outcome, s.DueAt, s.Reply.Code = newsletter.Queued, "retry", k.clock.Now().Add(5*time.Minute), 451
			}
			k.must(k.store.Settle(ctx, s))
		}
		mend := func(i *newsletter.Issue) error {
			i.Subject = "오자가 없는 제목"
			return nil
		}
		_, err = k.CorrectIssue(ctx, "admin:1", i.Number, "제목의 오자", mend)
		wantError(t, err, newsletter.Conflict, "state")
		_, err = k.PauseIssue(ctx, "admin:1", i.Number)
		k.must(err)

		_, err = k.CorrectIssue(ctx, "admin:1", i.Number, " ", mend)
		wantError(t, err, newsletter.Invalid, "")
		for name, change := range map[string]func(*newsletter.Issue) error{
			"kind":     func(i *newsletter.Issue) error { i.Kind = newsletter.KindAd; return nil },
			"number":   func(i *newsletter.Issue) error { i.Number = 99; return nil },
			"audience": func(i *newsletter.Issue) error { i.Audience.Tags = []string{"x"}; return nil },
			"subject":  func(i *newsletter.Issue) error { i.Subject = ""; return nil },
			"label":    func(i *newsletter.Issue) error { i.Subject = "[광고] 소식"; return nil },
			"empty":    func(i *newsletter.Issue) error { i.Intro = ""; return nil },
		} {
			if _, err := k.CorrectIssue(ctx, "admin:1", i.Number, "고침", change); newsletter.KindOf(err) != newsletter.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		fixed, err := k.CorrectIssue(ctx, "admin:1", i.Number, "제목의 오자", mend)
		k.must(err)
		if fixed.Subject != "오자가 없는 제목" || fixed.State != newsletter.IssuePaused || k.audited("issue.correct") != 1 {
			t.Errorf("%+v", fixed)
		}
		_, err = k.ResumeIssue(ctx, "admin:1", i.Number)
		k.must(err)
		k.clock.add(6 * time.Minute)
		rest, err := k.store.ClaimDeliveries(ctx, 1, 10, k.clock.Now())
		k.must(err)
		if len(rest) != 2 {
			t.Fatalf("claimed %d", len(rest))
		}
		for _, l := range rest {
			want := 2
			if l.ID == first[1].ID {
				want = 1 // handed before: the same letter again
			}
			if l.Edition != want {
				t.Errorf("letter %d is of edition %d, want %d", l.ID, l.Edition, want)
			}
			k.must(k.store.Gate(ctx, l.Ticket, k.clock.Now()))
			k.must(k.store.Settle(ctx, newsletter.Settlement{
				Ticket: l.Ticket, State: newsletter.Sent, Charge: true, Outcome: "sent", Reply: newsletter.Reply{Code: 250}, At: k.clock.Now(),
			}))
		}
		r := k.report(i.Number)
		if len(r.Editions) != 2 || r.Editions[0].Sent != 2 || r.Editions[1].Sent != 1 || r.Editions[1].Reason != "제목의 오자" {
			t.Errorf("editions %+v", r.Editions)
		}
		_, e, err := k.IssueEdition(ctx, i.Number)
		k.must(err)
		if e.Number != 2 || e.Snapshot.Subject != "오자가 없는 제목" {
			t.Errorf("the page shows edition %d", e.Number)
		}
	})
}
