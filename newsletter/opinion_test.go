package newsletter_test

import (
	"testing"
	"time"

	"techissue/newsletter"
)

// delivered freezes an issue for everybody who reads and returns its letters.
func (k *desk) delivered(number int) []newsletter.Delivery {
	k.t.Helper()
	ctx, now := k.t.Context(), k.clock.Now()
	issue := newsletter.Issue{
		Number: number, Content: newsletter.Content{Subject: "이번 호", Kind: newsletter.KindInfo}, WithoutAdConsent: newsletter.SkipWithoutAdConsent,
		Uncertain: newsletter.ResendOnce, CreatedAt: now, UpdatedAt: now,
	}
	var letters []newsletter.Delivery
	k.must(k.store.Update(ctx, func(tx newsletter.Tx) error {
		issue.ID = 0
		if err := tx.PutIssue(ctx, &issue); err != nil {
			return err
		}
		if _, _, err := tx.Freeze(ctx, issue.ID, newsletter.Recipients{}, 0, 0, 100, now); err != nil {
			return err
		}
		var err error
		letters, err = tx.Deliveries(ctx, newsletter.DeliveryFilter{Issue: issue.ID, Limit: 100})
		return err
	}))
	return letters
}

func TestOpinionsCountOncePerReaderAndIssue(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		first := k.addActive("a@example.com")
		k.addActive("b@example.com")
		letters := k.delivered(7)
		if len(letters) != 2 {
			t.Fatalf("%d letters", len(letters))
		}
		token := func(i int) string {
			return k.keys.Sign(newsletter.PurposeOpinion, int64(letters[i].ID), time.Time{})
		}
		v, err := k.OpinionView(ctx, token(0))
		k.must(err)
		if v.Number != 7 || v.Subject != "이번 호" {
			t.Errorf("the page shows %+v", v)
		}
		count := func(good, bad int64) {
			t.Helper()
			n, err := k.Opinions(ctx, letters[0].Issue)
			k.must(err)
			if n[newsletter.OpinionGood] != good || n[newsletter.OpinionBad] != bad {
				t.Errorf("counted %v, want %d good and %d bad", n, good, bad)
			}
		}
		count(0, 0) // looking counts nothing
		for _, step := range []struct {
			letter    int
			verdict   string
			good, bad int64
		}{{0, "good", 1, 0}, {0, "good", 1, 0}, {1, "good", 2, 0}, {1, "bad", 1, 1}} {
			_, err := k.GiveOpinion(ctx, token(step.letter), step.verdict)
			k.must(err)
			count(step.good, step.bad)
		}
		_, err = k.GiveOpinion(ctx, token(0), "great")
		wantFaults(t, err, "v")
		_, err = k.GiveOpinion(ctx, k.keys.Sign(newsletter.PurposeUnsubscribe, int64(letters[0].ID), time.Time{}), "good")
		wantError(t, err, newsletter.NotFound, "bad_token")
		_, err = k.OpinionView(ctx, k.keys.Sign(newsletter.PurposeOpinion, 999, time.Time{}))
		wantError(t, err, newsletter.NotFound, "")
		k.must(k.EraseReader(ctx, "admin:1", first.ID))
		_, err = k.GiveOpinion(ctx, token(0), "bad")
		wantError(t, err, newsletter.NotFound, "bad_token")
		count(1, 1)
	})
}
