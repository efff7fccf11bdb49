package newsletter_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"techissue/newsletter"
)

// sendTracked sends an issue with four counted links to the readers, and gives its number and the claimed letters, each handed
// over and, unless uncertain, accepted.
func (k *desk) sendTracked(uncertain bool, readers ...string) (int, []newsletter.Claimed) {
	k.t.Helper()
	ctx := k.t.Context()
	for _, r := range readers {
		k.addActive(r)
	}
	i := newsletter.Issue{Tracking: true, Content: newsletter.Content{Subject: "소식", Preheader: "모음", Intro: "안녕하세요."}}
	for n := range 4 {
		i.Links = append(i.Links, newsletter.RoundupLink{URL: fmt.Sprintf("https://news.example/%d", n), Title: "소식"})
	}
	i, err := k.CreateIssue(ctx, "admin:1", i)
	k.must(err)
	_, err = k.SendIssue(ctx, "admin:1", i.Number, 0)
	k.must(err)
	k.must(k.Advance(ctx))
	letters, err := k.store.ClaimDeliveries(ctx, 1, 100, k.clock.Now())
	k.must(err)
	if len(letters) < len(readers) { // readers of an earlier issue get this one too
		k.t.Fatalf("%d letters for %d readers", len(letters), len(readers))
	}
	for _, l := range letters {
		k.must(k.store.Gate(ctx, l.Ticket, k.clock.Now()))
		s := newsletter.Settlement{Ticket: l.Ticket, State: newsletter.Sent, Charge: true, Outcome: "sent", Reply: newsletter.Reply{Code: 250}, At: k.clock.Now()}
		if uncertain {
			s.State, s.Outcome, s.Reason, s.Reply = newsletter.Uncertain, "uncertain", "dot", newsletter.Reply{}
		}
		k.must(k.store.Settle(ctx, s))
	}
	return i.Number, letters
}

func (k *desk) clickID(delivery int64, link int64) string {
	return k.keys.Sign(newsletter.PurposeClick, delivery, time.Time{}) + "." + strconv.FormatInt(link, 36)
}

// links are the counted links of the issue's newest edition.
func (k *desk) links(number int) []newsletter.TrackedLink {
	k.t.Helper()
	_, e, err := k.IssueEdition(k.t.Context(), number)
	k.must(err)
	return e.Snapshot.TrackedLinks
}

func (k *desk) click(delivery, link int64) {
	k.t.Helper()
	_, hit, err := k.LinkTarget(k.t.Context(), k.clickID(delivery, link))
	k.must(err)
	k.CountHit(hit)
}

func (k *desk) report(number int) newsletter.Report {
	k.t.Helper()
	k.must(k.FlushHits(k.t.Context()))
	r, err := k.Report(k.t.Context(), number)
	k.must(err)
	return r
}

func TestClicksLeadOnlyWhereTheIssueLeads(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		number, letters := k.sendTracked(false, "a@example.com")
		other, others := k.sendTracked(false, "b@example.com")
		links := k.links(number)
		if len(links) != 4 || other == number {
			t.Fatalf("%d counted links", len(links))
		}
		url, _, err := k.LinkTarget(t.Context(), k.clickID(letters[0].ID, links[1].ID))
		if err != nil || url != "https://news.example/1" {
			t.Fatalf("leads to %q, %v", url, err)
		}
		good := k.clickID(letters[0].ID, links[0].ID)
		foreign := k.links(other)[0].ID
		for _, bad := range []string{
			"", ".", "x", good + "x", good[1:], k.clickID(letters[0].ID, foreign), k.clickID(others[0].ID, links[0].ID), k.clickID(99999, links[0].ID),
			k.keys.Sign(newsletter.PurposeOpen, letters[0].ID, time.Time{}) + ".1", k.clickID(letters[0].ID, -1), k.clickID(letters[0].ID, 0),
			k.keys.Sign(newsletter.PurposeClick, letters[0].ID, time.Time{}) + ".https://evil.example",
		} {
			if url, _, err := k.LinkTarget(t.Context(), bad); newsletter.KindOf(err) != newsletter.NotFound {
				t.Errorf("%q leads to %q, %v", bad, url, err)
			}
		}
	})
}

func TestHitsArePeopleOrMachines(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		number, letters := k.sendTracked(false, "soon@example.com", "sweep@example.com", "person@example.com", "agent@example.com", "none@example.com")
		links := k.links(number)
		k.click(letters[0].ID, links[0].ID) // at once: a scanner
		k.clock.add(time.Minute)
		k.click(letters[1].ID, links[0].ID)
		k.must(k.FlushHits(t.Context())) // the sweep shows only with what follows
		k.clock.add(2 * time.Second)
		for _, l := range links[1:] {
			k.click(letters[1].ID, l.ID)
		}
		k.clock.add(time.Hour)
		k.click(letters[2].ID, links[2].ID)
		k.click(letters[2].ID, links[2].ID) // a double click is one
		open, err := k.Opening(k.keys.Sign(newsletter.PurposeOpen, letters[3].ID, time.Time{}))
		k.must(err)
		open.Machine = true
		k.CountHit(open)
		r := k.report(number)
		if r.Opened != 4 || r.Clicked != 3 || r.PeopleOpened != 1 || r.PeopleClicked != 1 {
			t.Errorf("opened %d, clicked %d, by people %d and %d; want 4, 3, 1, 1", r.Opened, r.Clicked, r.PeopleOpened, r.PeopleClicked)
		}
		if len(r.Links) != 4 || r.Links[0] != (newsletter.LinkTally{ID: links[2].ID, URL: "https://news.example/2", Clicks: 2, People: 1}) {
			t.Errorf("links %+v", r.Links)
		}
		k.click(letters[4].ID, links[0].ID)
		k.must(k.store.Update(t.Context(), func(tx newsletter.Tx) error {
			sub, err := tx.Subscriber(t.Context(), letters[4].Subscriber)
			k.must(err)
			sub.NoTracking = true
			return tx.PutSubscriber(t.Context(), &sub)
		}))
		if again := k.report(number); again.Tally != r.Tally {
			t.Errorf("a reader who refused to be counted is: %+v", again.Tally)
		}
	})
}

func TestAHitSettlesAnUncertainLetter(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		number, letters := k.sendTracked(true, "a@example.com", "b@example.com", "c@example.com")
		k.clock.add(5 * time.Minute)
		k.click(letters[0].ID, k.links(number)[0].ID)
		open, err := k.Opening(k.keys.Sign(newsletter.PurposeOpen, letters[1].ID, time.Time{}))
		k.must(err)
		k.clock.add(15 * time.Minute)
		k.must(k.FlushHits(t.Context()))
		if n, err := k.store.SecondTries(t.Context(), k.clock.Now()); err != nil || n != 2 {
			t.Fatalf("%d second tries, %v", n, err)
		}
		k.CountHit(open) // the second try is queued already, and not wanted any more
		r := k.report(number)
		if r.Counts[newsletter.Sent] != 2 || r.Counts[newsletter.Queued] != 1 || r.PeopleOpened != 2 || r.PeopleClicked != 1 {
			t.Errorf("%v, opened by people %d, clicked %d", r.Counts, r.PeopleOpened, r.PeopleClicked)
		}
		if left, err := k.store.ClaimDeliveries(t.Context(), 1, 10, k.clock.Now()); err != nil || len(left) != 1 || left[0].ID != letters[2].ID {
			t.Errorf("claimed %v, %v", left, err)
		}
		d, attempts, err := k.Delivery(t.Context(), newsletter.DeliveryID(letters[0].ID))
		k.must(err)
		if d.Reason != newsletter.ReasonClicked || len(attempts) != 2 || attempts[1].Outcome != "sent" {
			t.Errorf("%s, %+v", d.Reason, attempts)
		}
		k.must(k.store.View(t.Context(), func(tx newsletter.Tx) error {
			broken, err := tx.Violations(t.Context())
			if len(broken) > 0 {
				t.Error(broken)
			}
			return err
		}))
	})
}

func TestHitsOfOneLetterAreBounded(t *testing.T) {
	k := newDesk(t)
	t.Parallel()
	number, letters := k.sendTracked(false, "a@example.com")
	link := k.links(number)[0].ID
	for range 250 {
		k.clock.add(time.Minute)
		k.click(letters[0].ID, link)
		k.must(k.FlushHits(t.Context()))
	}
	k.must(k.store.View(t.Context(), func(tx newsletter.Tx) error {
		hits, err := tx.ClicksSince(t.Context(), newsletter.DeliveryID(letters[0].ID), time.Time{}.Add(1))
		if len(hits) != 200 {
			t.Errorf("%d hits kept", len(hits))
		}
		return err
	}))
}

// Turned off altogether, no issue counts, and letters from before lead on without being counted.
func TestTrackingIsTurnedOffAltogether(t *testing.T) {
	t.Parallel()
	k, ctx := newDesk(t), t.Context()
	number, letters := k.sendTracked(false, "a@example.com")
	wantFaults(t, k.PutSettings(ctx, "admin:1", map[string]string{"tracking_off": "yes"}), "tracking_off")
	k.must(k.PutSettings(ctx, "admin:1", map[string]string{"tracking_off": "on"}))
	k.clock.add(time.Hour)
	k.click(letters[0].ID, k.links(number)[0].ID)
	if r := k.report(number); r.Clicked != 0 || r.Opened != 0 {
		t.Errorf("%d clicks and %d openings were counted", r.Clicked, r.Opened)
	}
	i, err := k.CreateIssue(ctx, "admin:1", newsletter.Issue{Tracking: true, Content: newsletter.Content{Subject: "다음", Intro: "글"}})
	k.must(err)
	if _, snap, err := k.Snapshot(ctx, i.Number); err != nil || snap.Tracking {
		t.Errorf("the next issue would count, %v", err)
	}
}
