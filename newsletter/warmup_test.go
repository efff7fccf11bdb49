package newsletter_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

func TestPortionSizes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		n        int64
		portions int
		want     []int64
	}{
		{1400, 3, []int64{200, 400, 800}}, {1000, 1, []int64{1000}}, {10, 0, []int64{10}}, {3, 5, []int64{0, 0, 0, 1, 2}}, {1_000_000, 5, []int64{32258, 64516, 129032, 258064, 516130}},
	} {
		got := newsletter.PortionSizes(row.n, row.portions)
		if !slices.Equal(got, row.want) {
			t.Errorf("%d in %d: %v, want %v", row.n, row.portions, got, row.want)
		}
	}
}

// A new domain with many readers: portions are proposed, not imposed. Chosen, they go a day apart, who clicked last first; when a
// thousand have gone the domain is known.
func TestANewDomainIsWarmedUp(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		lively := []string{"lively1@example.com", "lively2@example.com"}
		number, letters := k.sendTracked(false, "quiet@example.com", lively[0], lively[1])
		for _, l := range letters {
			if slices.Contains(lively, l.Email) {
				k.clock.add(time.Hour)
				k.click(l.ID, k.links(number)[0].ID)
			}
		}
		k.must(k.FlushHits(ctx))
		k.must(k.Advance(ctx)) // the first issue is done
		var csv strings.Builder
		csv.WriteString("email\n")
		for n := range 1400 {
			fmt.Fprintf(&csv, "reader%d@example.com\n", n)
		}
		k.importText(csv.String(), withConsent)

		i, err := k.CreateIssue(ctx, "admin:1", newsletter.Issue{Content: newsletter.Content{Subject: "둘째 호", Intro: "안녕하세요."}})
		k.must(err)
		if days, err := k.WarmUp(ctx, i.Number); err != nil || days != 3 {
			t.Fatalf("proposed: %d days, %v", days, err)
		}
		warning := func() (c newsletter.Check) {
			checks, err := k.CheckIssue(ctx, i.Number)
			k.must(err)
			for _, c := range checks {
				if c.Field == "portions" {
					return c
				}
			}
			return c
		}
		if c := warning(); c.Level != "warn" || c.Code != "warm_up" || !strings.Contains(c.Text, "example.com") || !strings.Contains(c.Text, "200·401·802명") {
			t.Errorf("the check says %+v", c)
		}
		split := func(n int, expires time.Time) error {
			_, err := k.UpdateIssue(ctx, "admin:1", i.Number, func(i *newsletter.Issue) error { i.Portions, i.ExpiresAt = n, expires; return nil }, 0)
			return err
		}
		wantError(t, split(6, time.Time{}), newsletter.Invalid, "")
		k.must(split(3, k.clock.Now().Add(47*time.Hour)))
		if c := warning(); c.Level != "block" || c.Code != "portions_expire" {
			t.Errorf("with a limit before the last portion: %+v", c)
		}
		k.must(split(3, time.Time{}))
		if c := warning(); c.Level != "" {
			t.Errorf("with portions: %+v", c)
		}
		_, err = k.SendIssue(ctx, "admin:1", i.Number, 0)
		k.must(err)
		k.must(k.Advance(ctx))
		begun := k.clock.Now()
		sent := 0
		for day, want := range []int{200, 401, 802} {
			if day > 0 {
				k.clock.add(24*time.Hour - time.Second)
				if early, err := k.store.ClaimDeliveries(ctx, 1, 5000, k.clock.Now()); err != nil || len(early) != 0 {
					t.Fatalf("%d letters go before the time of day %d: %v", len(early), day+1, err)
				}
				k.clock.add(time.Second)
			}
			got, err := k.store.ClaimDeliveries(ctx, 1, 5000, k.clock.Now())
			k.must(err)
			if len(got) != want {
				t.Fatalf("day %d: %d letters, want %d", day+1, len(got), want)
			}
			for _, email := range lively {
				if has := slices.ContainsFunc(got, func(c newsletter.Claimed) bool { return c.Email == email }); has != (day == 0) {
					t.Errorf("day %d has %s: %v", day+1, email, has)
				}
			}
			for part := range slices.Chunk(got, 64) {
				turns := make([]newsletter.Turn, len(part))
				for n := range part {
					turns[n].Gate = &part[n].Ticket
				}
				_, err := k.store.Turns(ctx, turns, k.clock.Now())
				k.must(err)
				for n := range part {
					s := accepted(part[n])
					s.Ticket, s.At, s.Charge = part[n].Ticket, k.clock.Now(), true
					turns[n] = newsletter.Turn{Settle: &s}
				}
				_, err = k.store.Turns(ctx, turns, k.clock.Now())
				k.must(err)
			}
			sent += want
			p, err := k.Progress(ctx, i.Number)
			k.must(err)
			if last := begun.Add(48 * time.Hour).Sub(k.clock.Now()); p.Counts[newsletter.Queued] > 0 && p.ETA < last {
				t.Errorf("day %d: it says %s are left, the last portion is %s away", day+1, p.ETA, last)
			}
			k.must(k.Advance(ctx))
		}
		now, err := k.Issue(ctx, i.Number)
		k.must(err)
		if now.State != newsletter.IssueDone || sent != 1403 {
			t.Errorf("%s after %d letters", now.State, sent)
		}
		next, err := k.CreateIssue(ctx, "admin:1", newsletter.Issue{Content: newsletter.Content{Subject: "셋째 호", Intro: "안녕하세요."}})
		k.must(err)
		if days, err := k.WarmUp(ctx, next.Number); err != nil || days != 1 {
			t.Errorf("a domain that has sent 1,406: %d days, %v", days, err)
		}
	})
}
