package newsletter_test

import (
	"fmt"
	"testing"
	"time"

	"techissue/db/dbtest"
	"techissue/newsletter"
)

func TestTheLogTellsWhatCameInAndWhatBecameOfIt(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		a := k.addActive("a@example.com")
		letters := k.issueTo(12, accepted)
		k.take(k.bounceOf(letters["a@example.com"], noSuchUser), newsletter.FeedbackTaken)
		k.take(newsletter.Feedback{Kind: newsletter.FeedbackNone, Why: "auto_reply", Via: "imap"}, newsletter.FeedbackIgnored)
		k.take(newsletter.Feedback{Kind: newsletter.BounceHard, Via: "pipe", Envelope: []string{"b+1.aaaaaaaaaaaaaaaa@bounce.example.com"}}, newsletter.FeedbackForged)

		log, more, err := k.FeedbackLog(ctx, "", 0, 2)
		k.must(err)
		if len(log) != 2 || !more || log[0].Outcome != newsletter.FeedbackForged || log[1].Why != "auto_reply" || log[1].Via != "imap" {
			t.Fatalf("the log begins with %+v, more %v", log, more)
		}
		log, more, err = k.FeedbackLog(ctx, "", log[1].ID, 2)
		k.must(err)
		if len(log) != 1 || more {
			t.Fatalf("the log ends with %+v, more %v", log, more)
		}
		e := log[0]
		if e.Kind != newsletter.BounceHard || e.Code != 550 || e.Enhanced != "5.1.1" || e.Number != 12 || e.Email != "a@example.com" || e.Subscriber != a.ID ||
			e.Reason != newsletter.SuppressedHard || e.Suppression == 0 || !e.At.Equal(k.clock.Now()) {
			t.Errorf("the bounce is logged as %+v", e)
		}
		k.must(k.LiftSuppression(ctx, "admin:1", e.Suppression))
		if log, _, err = k.FeedbackLog(ctx, newsletter.FeedbackTaken, 0, 9); err != nil || len(log) != 1 || log[0].Suppression != 0 {
			t.Errorf("after the undo: %+v, %v", log, err)
		}
		k.must(k.EraseReader(ctx, "admin:1", a.ID))
		if log, _, err = k.FeedbackLog(ctx, newsletter.FeedbackTaken, 0, 9); err != nil || len(log) != 1 || log[0].Email != "" {
			t.Errorf("after the reader is forgotten: %+v, %v", log, err)
		}
	})
}

func TestTheLogIsBounded(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	k.must(k.store.Update(t.Context(), func(tx newsletter.Tx) error {
		for n := range 5100 {
			e := newsletter.FeedbackEntry{At: k.clock.Now(), Via: "listener", Kind: newsletter.FeedbackNone, Outcome: fmt.Sprint("n", n)}
			if err := tx.LogFeedback(t.Context(), e); err != nil {
				return err
			}
		}
		return nil
	}))
	for outcome, want := range map[string]int{"n99": 0, "n100": 1, "n5099": 1} {
		if log, _, err := k.FeedbackLog(t.Context(), outcome, 0, 9); err != nil || len(log) != want {
			t.Errorf("%s: %d lines, %v", outcome, len(log), err)
		}
	}
}

// A request to leave that is read again after its writer came back does not end the new subscription.
func TestAnOldRequestDoesNotEndANewSubscription(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		a := k.addActive("a@example.com")
		f := newsletter.Feedback{
			Kind: newsletter.FeedbackLeave, Via: "imap", Once: "<1@mail.example>", OptOut: k.keys.Sign(newsletter.PurposeUnsubscribe, int64(a.ID), time.Time{}),
		}
		k.take(f, newsletter.FeedbackTaken)
		k.must(k.store.Update(t.Context(), func(tx newsletter.Tx) error {
			sub, err := tx.Subscriber(t.Context(), a.ID)
			if err != nil {
				return err
			}
			sub.Status, sub.UnsubscribedAt = newsletter.Active, time.Time{}
			return tx.PutSubscriber(t.Context(), &sub)
		}))
		k.take(f, newsletter.FeedbackKnown)
		if k.reader("a@example.com").Status != newsletter.Active {
			t.Error("the old request counted again")
		}
		f.Once = "<2@mail.example>"
		k.take(f, newsletter.FeedbackTaken)
	})
}

func TestASignatureVouchesForOneNotice(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		for n, c := range []struct {
			signature, notice string
			fresh             bool
		}{{"s1", "n1", true}, {"s1", "n1", true}, {"s1", "n2", false}, {"s2", "n2", true}} {
			fresh, err := k.FreshSignature(t.Context(), "mailgun", c.signature, c.notice)
			if k.must(err); fresh != c.fresh {
				t.Errorf("%d: %s with %s is fresh %v", n, c.signature, c.notice, fresh)
			}
		}
	})
}

// A pipe shows by what it brings: from then on letters offer to leave by mail.
func TestAPipeOpensTheMailto(t *testing.T) {
	t.Parallel()
	k := openDeskWith(t, dbtest.New(t), func(o *newsletter.Options) { o.House.Bounce = "bounce.example.com" })
	leave := func() string {
		h, err := k.House(t.Context())
		k.must(err)
		return h.MailLeave
	}
	if got := leave(); got != "" {
		t.Errorf("before anything came: %q", got)
	}
	k.take(newsletter.Feedback{Kind: newsletter.FeedbackNone, Why: "other", Via: "pipe"}, newsletter.FeedbackIgnored)
	if got := leave(); got != "bounce.example.com" {
		t.Errorf("after: %q", got)
	}
	k.clock.add(91 * 24 * time.Hour)
	if got := leave(); got != "" {
		t.Errorf("long after: %q", got)
	}
}
