package newsletter_test

import (
	"slices"
	"testing"
	"time"

	"techissue/db/dbtest"
	"techissue/newsletter"
)

func TestAddSubscriber(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		sub, err := k.AddSubscriber(ctx, "key:3", newsletter.NewSubscriber{
			Email: "A@Example.com", Name: " 김 민지 ", Tags: []string{"b", "a", "b"}, AdConsent: true, Via: "api",
		})
		k.must(err)
		stored := k.reader("a@example.com")
		if stored.ID != sub.ID || stored.Status != newsletter.Pending || stored.AdConsent || !slices.Equal(stored.Tags, []string{"a", "b"}) || stored.Name != "김 민지" {
			t.Errorf("pending is %+v", stored)
		}
		if n := k.notices(newsletter.NoticeConfirm); len(n) != 1 || n[0].Email != "a@example.com" {
			t.Errorf("confirmations %+v", n)
		}
		_, err = k.AddSubscriber(ctx, "key:3", newsletter.NewSubscriber{Email: "a@EXAMPLE.com", Via: "api"})
		wantError(t, err, newsletter.Conflict, "exists")

		at := dbtest.Start.Add(-48 * time.Hour)
		active, err := k.AddSubscriber(ctx, "key:3", newsletter.NewSubscriber{
			Email: "b@example.com", Status: newsletter.Active, ConsentSource: "행사 명단", TextVersion: "2026-01", ConsentAt: at, AdConsent: true, Via: "api",
		})
		k.must(err)
		_, consents, _, err := k.SubscriberEvents(ctx, active.ID)
		k.must(err)
		if !active.ConsentAt.Equal(at) || !active.AdConsent || len(consents) != 2 || consents[0].Source != "행사 명단" || consents[0].TextVersion != "2026-01" {
			t.Errorf("active is %+v with %+v", active, consents)
		}
		if n := len(k.notices(newsletter.NoticeConfirm)); n != 1 {
			t.Errorf("an active reader was asked to confirm")
		}
		if k.audited("subscriber_add") != 2 {
			t.Error("not audited")
		}
	})
}

func TestAddSubscriberFaults(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	for _, c := range []struct {
		name   string
		n      newsletter.NewSubscriber
		fields []string
	}{
		{"active needs evidence", newsletter.NewSubscriber{Email: "a@example.com", Status: newsletter.Active, ConsentSource: "  "}, []string{"consent_source"}},
		{"everything at once", newsletter.NewSubscriber{Email: "a", Name: "www.example.com", Tags: []string{"a\nb"}, Status: newsletter.Suppressed}, []string{"email", "name", "tags", "status"}},
	} {
		_, err := k.AddSubscriber(t.Context(), "admin:1", c.n)
		t.Run(c.name, func(t *testing.T) { wantFaults(t, err, c.fields...) })
	}
}

func TestNobodyWhoLeftIsAddedOnOldConsent(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		sub := k.addActive("a@example.com")
		k.must(k.EraseReader(ctx, "admin:1", sub.ID))
		n := newsletter.NewSubscriber{Email: "a@example.com", Status: newsletter.Active, ConsentSource: "명단", ConsentAt: k.clock.Now().Add(-time.Hour), Via: "admin"}
		_, err := k.AddSubscriber(ctx, "admin:1", n)
		wantError(t, err, newsletter.Conflict, "left")
		k.clock.add(time.Hour)
		n.ConsentAt = k.clock.Now()
		_, err = k.AddSubscriber(ctx, "admin:1", n)
		k.must(err)
		if got := k.leavers.kinds(); !slices.Equal(got, []string{"erased", "returned"}) {
			t.Errorf("the log beside the database holds %v", got)
		}
		_, err = k.Suppress(ctx, "admin:1", "c@example.com", "", "")
		k.must(err)
		_, err = k.AddSubscriber(ctx, "admin:1", newsletter.NewSubscriber{Email: "c@example.com", Via: "admin"})
		wantError(t, err, newsletter.Conflict, "suppressed")
	})
}

func TestPatchSubscriber(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		sub, other := k.addActive("a@example.com"), k.addActive("b@example.com")
		name, email, on := "새 이름", "New@example.com", true
		tags, until := []string{"z", "a"}, k.clock.Now().Add(time.Hour)
		k.clock.add(time.Minute)
		got, err := k.PatchSubscriber(ctx, "admin:1", sub.ID, newsletter.SubscriberPatch{Email: &email, Name: &name, Tags: &tags, AdConsent: &on, PausedUntil: &until})
		k.must(err)
		if got.Email.String() != "new@example.com" || got.Name != name || !slices.Equal(got.Tags, []string{"a", "z"}) || !got.AdConsent || !got.Paused(k.clock.Now()) {
			t.Errorf("became %+v", got)
		}
		if k.reader("new@example.com").ID != sub.ID {
			t.Error("not found under the new address")
		}
		events, consents, _, err := k.SubscriberEvents(ctx, sub.ID)
		k.must(err)
		if len(events) != 6 || consents[len(consents)-1].Kind != newsletter.ConsentAd {
			t.Errorf("events %+v, consents %+v", events, consents)
		}
		same, err := k.PatchSubscriber(ctx, "admin:1", sub.ID, newsletter.SubscriberPatch{Name: &name})
		k.must(err)
		if !same.UpdatedAt.Equal(got.UpdatedAt) || k.audited("subscriber_update") != 1 {
			t.Error("a change that changes nothing was written")
		}
		taken := "b@example.com"
		_, err = k.PatchSubscriber(ctx, "admin:1", sub.ID, newsletter.SubscriberPatch{Email: &taken})
		wantError(t, err, newsletter.Conflict, "exists")
		k.must(k.EraseReader(ctx, "admin:1", other.ID))
		_, err = k.PatchSubscriber(ctx, "admin:1", sub.ID, newsletter.SubscriberPatch{Email: &taken})
		wantError(t, err, newsletter.Conflict, "left")
		bad := "http://spam.example"
		_, err = k.PatchSubscriber(ctx, "admin:1", sub.ID, newsletter.SubscriberPatch{Name: &bad, Email: &bad})
		wantFaults(t, err, "name", "email")
		_, err = k.PatchSubscriber(ctx, "admin:1", 999, newsletter.SubscriberPatch{Name: &name})
		wantError(t, err, newsletter.NotFound, "")
	})
}

func TestUnsubscribeAndEraseAtTheDesk(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		sub := k.addActive("a@example.com")
		got, err := k.UnsubscribeReader(ctx, "admin:1", sub.ID)
		k.must(err)
		_, err = k.UnsubscribeReader(ctx, "admin:1", sub.ID)
		k.must(err)
		if got.Status != newsletter.Unsubscribed || len(k.notices(newsletter.NoticeRefusal)) != 1 || k.audited("unsubscribe") != 1 {
			t.Errorf("left as %+v", got)
		}
		k.must(k.EraseReader(ctx, "admin:1", sub.ID))
		_, err = k.Subscriber(ctx, sub.ID)
		wantError(t, err, newsletter.NotFound, "")
		if got := k.leavers.kinds(); !slices.Equal(got, []string{"unsubscribed", "erased"}) {
			t.Errorf("the log beside the database holds %v", got)
		}
	})
}

func TestSuppressions(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		sub := k.addActive("a@example.com")
		sup, err := k.Suppress(ctx, "admin:1", "A@example.com", newsletter.SuppressedHard, "550 5.1.1")
		k.must(err)
		weaker, err := k.Suppress(ctx, "admin:1", "a@example.com", newsletter.SuppressedSoft, "452")
		k.must(err)
		if weaker.ID != sup.ID || weaker.Reason != newsletter.SuppressedHard || k.reader("a@example.com").Shown() != newsletter.Suppressed {
			t.Errorf("suppressed as %+v", weaker)
		}
		list, more, err := k.Suppressions(ctx, "A@EX", 0, 10)
		k.must(err)
		if len(list) != 1 || more {
			t.Errorf("listed %+v", list)
		}
		k.must(k.LiftSuppression(ctx, "admin:1", sup.ID))
		wantError(t, k.LiftSuppression(ctx, "admin:1", sup.ID), newsletter.NotFound, "")
		if k.reader("a@example.com").Shown() != newsletter.Active {
			t.Error("lifting did not show what they chose")
		}

		_, err = k.UnsubscribeReader(ctx, "admin:1", sub.ID)
		k.must(err)
		sup, err = k.Suppress(ctx, "admin:1", "a@example.com", "", "")
		k.must(err)
		k.must(k.LiftSuppression(ctx, "admin:1", sup.ID))
		if kinds := k.leavers.kinds(); slices.Contains(kinds[slices.Index(kinds, "unsubscribed"):], "returned") {
			t.Errorf("lifting took a reader's own leaving back: %v", kinds)
		}
		_, err = k.Suppress(ctx, "admin:1", "no", "because", "a\nb")
		wantFaults(t, err, "email", "reason", "evidence")
	})
}

func TestSubscriberLists(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	for _, email := range []string{"a@example.com", "b@example.com", "c@example.com"} {
		k.addActive(email)
	}
	list, more, err := k.Subscribers(t.Context(), newsletter.SubscriberFilter{Limit: 2, Query: "example"})
	k.must(err)
	if len(list) != 2 || !more || list[0].Email.String() != "c@example.com" {
		t.Errorf("first page %+v", list)
	}
	list, more, err = k.Subscribers(t.Context(), newsletter.SubscriberFilter{Limit: 2, Cursor: int64(list[1].ID)})
	k.must(err)
	if len(list) != 1 || more {
		t.Errorf("second page %+v", list)
	}
	counts, err := k.CountSubscribers(t.Context())
	k.must(err)
	if counts[newsletter.Active] != 3 {
		t.Errorf("counts %v", counts)
	}
}
