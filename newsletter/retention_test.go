package newsletter_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"techissue/newsletter"
)

func (k *desk) retain() newsletter.Retained {
	k.t.Helper()
	r, err := k.Retain(k.t.Context())
	k.must(err)
	return r
}

// Whoever never confirmed is forgotten when the mailed link has died, and is no leaver: they may be asked again.
func TestTheUnconfirmedAreForgotten(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		subscribe := func(email string) {
			s := wish(email, "form")
			s.IP = ""
			k.must(k.Subscribe(ctx, s))
		}
		subscribe("never@example.com")
		subscribe("again@example.com")
		k.addActive("active@example.com")
		k.clock.add(6 * 24 * time.Hour)
		subscribe("again@example.com") // the new link works for seven days more
		k.clock.add(24*time.Hour - time.Second)
		if r := k.retain(); r.Pending != 0 {
			t.Errorf("within seven days: %+v", r)
		}
		k.clock.add(2 * time.Second)
		if r := k.retain(); r.Pending != 1 {
			t.Errorf("after seven days: %+v", r)
		}
		if _, err := k.SubscriberByEmail(ctx, "never@example.com"); newsletter.KindOf(err) != newsletter.NotFound {
			t.Errorf("still there: %v", err)
		}
		k.reader("again@example.com")
		k.clock.add(7 * 24 * time.Hour)
		if r := k.retain(); r.Pending != 1 {
			t.Errorf("after the second link died: %+v", r)
		}
		if k.reader("active@example.com").Status != newsletter.Active {
			t.Error("a reader was forgotten")
		}
		if got := k.leavers.kinds(); len(got) != 0 {
			t.Errorf("the leavers' log says %v", got)
		}
		for _, q := range []string{"never@example.com", "again@example.com"} {
			for _, n := range k.notices("") {
				if n.Email == q {
					t.Errorf("a letter to %s stays", q)
				}
			}
		}
		_, err := k.AddSubscriber(ctx, "admin:1", newsletter.NewSubscriber{Email: "never@example.com", Status: newsletter.Active, ConsentSource: "전화", Via: "admin"})
		k.must(err)
	})
}

// Single records of openings and clicks go after 13 months; what they add up to stays.
func TestOpeningsAndClicksAreForgotten(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		number, letters := k.sendTracked(false, "a@example.com", "b@example.com", "c@example.com", "d@example.com")
		links := k.links(number)
		k.clock.add(time.Hour)
		k.click(letters[0].ID, links[0].ID)
		k.click(letters[0].ID, links[1].ID)
		open, err := k.Opening(k.keys.Sign(newsletter.PurposeOpen, letters[1].ID, time.Time{}))
		k.must(err)
		k.CountHit(open)
		k.must(k.FlushHits(t.Context()))
		k.clock.add(300 * 24 * time.Hour)
		k.click(letters[2].ID, links[0].ID) // a late reader
		before := k.report(number)
		if before.Opened != 3 || before.PeopleClicked != 2 {
			t.Fatalf("counted %+v", before)
		}
		if r := k.retain(); r.Issues != 0 {
			t.Errorf("within 13 months: %+v", r)
		}
		opened := func() (n int) {
			for _, l := range letters {
				d, _, err := k.Delivery(t.Context(), newsletter.DeliveryID(l.ID))
				k.must(err)
				if !d.OpenedAt.IsZero() || !d.ClickedAt.IsZero() {
					n++
				}
			}
			return n
		}
		same := func(when string) {
			t.Helper()
			after := k.report(number)
			if after.Tally != before.Tally || !reflect.DeepEqual(after.Links, before.Links) {
				t.Errorf("%s the report says %+v %+v, before %+v %+v", when, after.Tally, after.Links, before.Tally, before.Links)
			}
		}
		k.clock.add(100 * 24 * time.Hour)
		if r := k.retain(); r.Issues != 1 || opened() != 1 {
			t.Errorf("after 13 months: %+v, %d letters have records", r, opened())
		}
		same("after the first sweep")
		if r := k.retain(); r.Issues != 0 {
			t.Errorf("swept again at once: %+v", r)
		}
		k.clock.add(300 * 24 * time.Hour)
		if r := k.retain(); r.Issues != 1 || opened() != 0 {
			t.Errorf("after two years: %+v, %d letters have records", r, opened())
		}
		same("after the second sweep")
		for _, l := range letters {
			k.must(k.store.View(t.Context(), func(tx newsletter.Tx) error {
				hits, err := tx.ClicksSince(t.Context(), newsletter.DeliveryID(l.ID), time.Time{})
				if len(hits) != 0 {
					t.Errorf("clicks stay: %+v", hits)
				}
				return err
			}))
		}
	})
}

func TestSingleLettersAreForgotten(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		put := func(state newsletter.DeliveryState) {
			k.must(k.store.Update(t.Context(), func(tx newsletter.Tx) error {
				now := k.clock.Now()
				return tx.QueueNotice(context.Background(), &newsletter.Notice{Kind: newsletter.NoticeAlert, Email: string(state) + "@example.com", State: state, Reason: "x", DueAt: now, CreatedAt: now})
			}))
		}
		put(newsletter.Skipped)
		put(newsletter.Queued)
		k.clock.add(30*24*time.Hour - time.Second)
		if r := k.retain(); r.Notices != 0 {
			t.Errorf("within 30 days: %+v", r)
		}
		k.clock.add(2 * time.Second)
		if r := k.retain(); r.Notices != 1 {
			t.Errorf("after 30 days: %+v", r)
		}
		sent, err := k.store.ClaimNotices(t.Context(), 1, 10, k.clock.Now())
		k.must(err)
		for _, c := range sent {
			k.must(k.store.Gate(t.Context(), c.Ticket, k.clock.Now()))
			k.must(k.store.Settle(t.Context(), newsletter.Settlement{Ticket: c.Ticket, State: newsletter.Sent, Outcome: "sent", Charge: true, At: k.clock.Now(), Reply: newsletter.Reply{Code: 250}}))
		}
		put(newsletter.Queued) // one that is still owed stays, however old
		k.clock.add(400 * 24 * time.Hour)
		if r := k.retain(); r.Notices != 1 || len(sent) != 1 {
			t.Errorf("after 13 months: %+v of %d", r, len(sent))
		}
		if left := k.notices(newsletter.NoticeAlert); len(left) != 1 || left[0].State != newsletter.Queued {
			t.Errorf("left are %+v", left)
		}
	})
}
