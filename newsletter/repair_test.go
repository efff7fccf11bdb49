package newsletter_test

import (
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

// An issue that has left is mended on its page with a line that says so; its counted links can be led elsewhere; who got the wrong edition,
// and nobody else, gets a correction.
func TestAnIssueIsMendedAfterItLeft(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		number, letters := k.sendTracked(false, "a@example.com", "b@example.com")
		mend := func(i *newsletter.Issue) error { i.Intro = "고친 인사"; return nil }
		_, err := k.AmendIssue(ctx, "admin:1", number, "인사말의 오자", mend)
		wantError(t, err, newsletter.Conflict, "state") // it is sending still
		k.must(k.Advance(ctx))
		_, err = k.DraftCorrection(ctx, "admin:1", number)
		wantError(t, err, newsletter.Conflict, "state")

		k.clock.add(time.Hour)
		i, err := k.AmendIssue(ctx, "admin:1", number, "인사말의 오자", mend)
		k.must(err)
		if i.State != newsletter.IssueDone || k.audited("issue.amend") != 1 {
			t.Errorf("mended it is %s", i.State)
		}
		fixed, err := k.Corrections(ctx, i.ID)
		if err != nil || len(fixed) != 1 || fixed[0].Reason != "인사말의 오자" || !fixed[0].At.Equal(k.clock.Now()) {
			t.Errorf("the page says %+v, %v", fixed, err)
		}
		if _, e, err := k.IssueEdition(ctx, number); err != nil || e.Snapshot.Intro != "고친 인사" {
			t.Errorf("the page shows %q, %v", e.Snapshot.Intro, err)
		}

		links := k.links(number)
		wantFaults(t, k.RepointLink(ctx, "admin:1", number, links[0].ID, "javascript:alert(1)"), "target")
		wantError(t, k.RepointLink(ctx, "admin:1", number, 9999, "https://right.example/"), newsletter.NotFound, "")
		k.must(k.RepointLink(ctx, "admin:1", number, links[0].ID, "https://right.example/"))
		if url, _, err := k.LinkTarget(ctx, k.clickID(letters[0].ID, links[0].ID)); err != nil || url != "https://right.example/" {
			t.Errorf("the link leads to %q, %v", url, err)
		}
		k.must(k.RepointLink(ctx, "admin:1", number, links[0].ID, ""))
		if url, _, err := k.LinkTarget(ctx, k.clickID(letters[0].ID, links[0].ID)); err != nil || url != links[0].URL {
			t.Errorf("it leads to %q again, %v", url, err)
		}
		if k.audited("issue.repoint") != 2 {
			t.Error("leading a link elsewhere is not in the audit")
		}

		k.addActive("later@example.com")
		c, err := k.DraftCorrection(ctx, "admin:1", number)
		k.must(err)
		if !strings.HasPrefix(c.Subject, "[정정] ") || !strings.Contains(c.Intro, "인사말의 오자") {
			t.Errorf("the draft is %q: %q", c.Subject, c.Intro)
		}
		if n, err := k.Audience(ctx, c.Number); err != nil || n.Recipients != 2 {
			t.Errorf("%d readers get the correction, %v", n.Recipients, err)
		}
		next, err := k.NextIssue(ctx)
		if err != nil || next.Audience.Received != nil {
			t.Errorf("the issue after it goes to %+v, %v", next.Audience, err)
		}
	})
}

// A segment selects by what readers did and where they came from.
func TestSegments(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		number, letters := k.sendTracked(false, "a@example.com", "b@example.com", "c@example.com")
		k.clock.add(time.Minute)
		link := k.links(number)[0].ID
		for _, l := range letters[:2] {
			k.CountHit(newsletter.Hit{Delivery: newsletter.DeliveryID(l.ID), At: k.clock.Now()})
		}
		k.click(letters[0].ID, link)
		k.must(k.FlushHits(ctx))
		k.must(k.Advance(ctx))
		sources, err := k.SubscriberSources(ctx)
		k.must(err)
		for name, c := range map[string]struct {
			a    newsletter.Audience
			want int64
		}{
			"everybody":                 {newsletter.Audience{}, 3},
			"who opened the last one":   {newsletter.Audience{Opened: &newsletter.Engagement{Least: 1, Of: 3}}, 2},
			"who clicked":               {newsletter.Audience{Clicked: &newsletter.Engagement{Least: 1, Of: 1}}, 1},
			"who opened two of three":   {newsletter.Audience{Opened: &newsletter.Engagement{Least: 2, Of: 3}}, 0},
			"who got the first edition": {newsletter.Audience{Received: &newsletter.Received{Number: number, Editions: []int{1}}}, 3},
			"who got the second":        {newsletter.Audience{Received: &newsletter.Received{Number: number, Editions: []int{2}}}, 0},
			"who came by another way":   {newsletter.Audience{Source: "없는 곳"}, 0},
		} {
			i, err := k.CreateIssue(ctx, "admin:1", newsletter.Issue{Audience: c.a, Content: newsletter.Content{Subject: name, Intro: "글"}})
			k.must(err)
			if n, err := k.Audience(ctx, i.Number); err != nil || n.Recipients != c.want || c.a.Narrow() != (name != "everybody") {
				t.Errorf("%s: %d readers, want %d, %v", name, n.Recipients, c.want, err)
			}
		}
		if len(sources) > 0 {
			i, err := k.CreateIssue(ctx, "admin:1", newsletter.Issue{Audience: newsletter.Audience{Source: sources[0]}, Content: newsletter.Content{Subject: "유입", Intro: "글"}})
			k.must(err)
			if n, err := k.Audience(ctx, i.Number); err != nil || n.Recipients != 3 {
				t.Errorf("%d readers came by %q, %v", n.Recipients, sources[0], err)
			}
		}
		_, err = k.CreateIssue(ctx, "admin:1", newsletter.Issue{Audience: newsletter.Audience{Opened: &newsletter.Engagement{Least: 4, Of: 3}}, Content: newsletter.Content{Subject: "제목", Intro: "글"}})
		wantFaults(t, err, "audience.opened")
	})
}
