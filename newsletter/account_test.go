package newsletter_test

import (
	"testing"

	"techissue/newsletter"
)

func TestDashboardTellsWhatWaits(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		d, err := k.Dashboard(ctx)
		k.must(err)
		if len(d.Todo) != 0 || d.Latest.ID != 0 || d.Articles || d.SignedUp || len(d.LegalMissing) != 5 {
			t.Errorf("an empty house: %+v", d)
		}
		one := k.addActive("one@example.com")
		k.addActive("two@example.com")
		_, err = k.UnsubscribeReader(ctx, "admin:1", one.ID)
		k.must(err)
		_, err = k.Suppress(ctx, "admin:1", "two@example.com", newsletter.SuppressedHard, "550 no such user")
		k.must(err)
		i, err := k.CreateIssue(ctx, "admin:1", newsletter.Issue{Content: newsletter.Content{Subject: "첫 호", Intro: "안녕하세요."}})
		k.must(err)
		k.must(k.store.Update(ctx, func(tx newsletter.Tx) error {
			return tx.PutAlert(ctx, &newsletter.Alert{Issue: i.ID, Kind: "late", Text: "늦었어요.", At: k.clock.Now()})
		}))
		d, err = k.Dashboard(ctx)
		k.must(err)
		if d.Joined != 2 || d.Left != 1 || !d.Refused || d.Readers[newsletter.Suppressed] != 1 {
			t.Errorf("the week: %+v", d)
		}
		if len(d.Todo) != 1 || d.Todo[0].Number != i.Number || d.Todo[0].Kind != "late" || d.Latest.Number != i.Number {
			t.Errorf("what waits: %+v", d.Todo)
		}
		if counts, err := k.CountIssues(ctx); err != nil || counts[newsletter.IssueDraft] != 1 {
			t.Errorf("issues by state: %v %v", counts, err)
		}
		if n, err := k.CountMatching(ctx, newsletter.SubscriberFilter{Query: "하나", Status: newsletter.Suppressed, Cursor: 1}); err != nil || n != 1 {
			t.Errorf("matching: %d %v", n, err)
		}
	})
}

func TestNextIssueTakesTheFrameAndNotTheNews(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		_, err := k.CreateIssue(t.Context(), "admin:1", newsletter.Issue{Number: 7, Tracking: true, Content: newsletter.Content{
			Subject: "일곱째", Intro: "안녕하세요.", Outro: "다음에 또 만나요.", Links: []newsletter.RoundupLink{{URL: "https://a.example/", Title: "가"}},
		}})
		k.must(err)
		next, err := k.NextIssue(t.Context())
		k.must(err)
		if next.Number != 8 || next.Intro != "안녕하세요." || next.Outro == "" || !next.Tracking || next.Subject != "" || len(next.Links) != 0 {
			t.Errorf("the next frame: %+v", next)
		}
	})
}

func TestLiftingNeedsEvidence(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		sub := k.addActive("back@example.com")
		if err := k.LiftWithEvidence(ctx, "admin:1", sub.ID, "전화"); newsletter.KindOf(err) != newsletter.NotFound {
			t.Errorf("nothing to lift: %v", err)
		}
		_, err := k.Suppress(ctx, "admin:1", "back@example.com", newsletter.SuppressedHard, "550")
		k.must(err)
		if err := k.LiftWithEvidence(ctx, "admin:1", sub.ID, " "); newsletter.KindOf(err) != newsletter.Invalid {
			t.Errorf("without evidence: %v", err)
		}
		k.must(k.LiftWithEvidence(ctx, "admin:1", sub.ID, "11월 25일 전화로 다시 받겠다고 함"))
		if s := k.reader("back@example.com"); s.Shown() != newsletter.Active {
			t.Errorf("still %s", s.Shown())
		}
		_, consents, _, err := k.SubscriberEvents(ctx, sub.ID)
		k.must(err)
		if last := consents[len(consents)-1]; last.Kind != newsletter.ConsentUnsuppress || last.Source == "" {
			t.Errorf("the ledger: %+v", last)
		}
	})
}

// S05: a new password ends every session but the one that it opens.
func TestChangePassword(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		a, err := k.CreateAdmin(ctx, "cli", "editor@example.kr", newsletter.Owner, "오늘도 편지를 씁니다")
		k.must(err)
		first, _, err := k.Login(ctx, "editor@example.kr", "오늘도 편지를 씁니다", "203.0.113.1", "A")
		k.must(err)
		second, _, err := k.Login(ctx, "editor@example.kr", "오늘도 편지를 씁니다", "203.0.113.2", "B")
		k.must(err)
		open, err := k.Sessions(ctx, a.ID)
		k.must(err)
		if len(open) != 2 || open[0].Mark() == open[1].Mark() {
			t.Fatalf("sessions: %+v", open)
		}
		_, err = k.ChangePassword(ctx, a, "틀린 비밀번호예요", "내일도 편지를 씁니다", "203.0.113.1", "A")
		if f := newsletter.FaultsOf(err); len(f) != 1 || f[0].Field != "old" {
			t.Errorf("a wrong old password: %v", err)
		}
		third, err := k.ChangePassword(ctx, a, "오늘도 편지를 씁니다", "내일도 편지를 씁니다", "203.0.113.1", "A")
		k.must(err)
		for _, dead := range []string{first, second} {
			if _, _, err := k.Authenticate(ctx, dead); newsletter.KindOf(err) != newsletter.Unauthorized {
				t.Errorf("an old session lives: %v", err)
			}
		}
		_, s, err := k.Authenticate(ctx, third)
		k.must(err)
		if err := k.RevokeSession(ctx, a.ID+1, s.Mark()); newsletter.KindOf(err) != newsletter.NotFound {
			t.Errorf("somebody else's session: %v", err)
		}
		k.must(k.RevokeSession(ctx, a.ID, s.Mark()))
		if _, _, err := k.Authenticate(ctx, third); newsletter.KindOf(err) != newsletter.Unauthorized {
			t.Errorf("a revoked session lives: %v", err)
		}
	})
}
