package newsletter_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

// Each save is a row of the history; saves by itself within one sitting are one row together; restoring loses nothing.
func TestAnIssueRemembersWhatItSaid(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		i, err := k.CreateIssue(ctx, "admin:1", newsletter.Issue{Content: newsletter.Content{Subject: "첫 글", Intro: "처음"}})
		k.must(err)
		say := func(auto bool, actor, intro string) {
			t.Helper()
			change := func(i *newsletter.Issue) error { i.Intro = intro; return nil }
			update := k.UpdateIssue
			if auto {
				update = k.AutosaveIssue
			}
			_, err := update(ctx, actor, i.Number, change, 0)
			k.must(err)
			k.clock.add(time.Minute)
		}
		k.clock.add(time.Minute)
		audited := k.audited("issue.update")
		for n := range 3 {
			say(true, "admin:1", fmt.Sprintf("쓰는 중 %d", n))
		}
		say(true, "admin:2", "다른 사람")
		if k.audited("issue.update") != audited {
			t.Error("a save by itself is in the audit")
		}
		say(false, "admin:2", "다른 사람이 저장")
		k.clock.add(time.Hour)
		say(true, "admin:2", "한 시간 뒤")
		history, err := k.IssueHistory(ctx, i.Number)
		k.must(err)
		var said []string
		for _, v := range history {
			old, err := k.OldIssue(ctx, i.Number, v.ID)
			k.must(err)
			said = append(said, old.Intro)
		}
		if got := strings.Join(said, " | "); got != "한 시간 뒤 | 다른 사람이 저장 | 쓰는 중 2 | 처음" {
			t.Fatalf("the history is %s", got)
		}
		_, err = k.RestoreIssue(ctx, "admin:1", i.Number, history[3].ID)
		k.must(err)
		now, err := k.Issue(ctx, i.Number)
		if err != nil || now.Intro != "처음" {
			t.Errorf("restored to %q, %v", now.Intro, err)
		}
		other, err := k.CreateIssue(ctx, "admin:1", newsletter.Issue{Content: newsletter.Content{Subject: "다른 호"}})
		k.must(err)
		_, err = k.RestoreIssue(ctx, "admin:1", other.Number, history[0].ID)
		wantError(t, err, newsletter.NotFound, "")
		_, err = k.AutosaveIssue(ctx, "admin:1", i.Number, func(*newsletter.Issue) error { return nil }, 1)
		wantError(t, err, newsletter.Conflict, "version")
		k.must(k.DeleteIssue(ctx, "admin:1", i.Number))
		k.must(k.store.View(ctx, func(tx newsletter.Tx) error {
			left, err := tx.Versions(ctx, newsletter.HistoryIssue, int64(i.ID), 10)
			if len(left) != 0 {
				t.Errorf("%d rows outlive their issue", len(left))
			}
			return err
		}))
	})
}

// A planned article publishes itself when its time has come, and only then; one that is public changes by a press only.
func TestAnArticlePublishesItself(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		due := k.clock.Now().Add(time.Hour)
		a, err := k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: "예약한 글", Body: "본문", PublishAt: due})
		k.must(err)
		if n, err := k.PublishDue(ctx); n != 0 || err != nil {
			t.Fatalf("%d were published early, %v", n, err)
		}
		_, err = k.AutosaveArticle(ctx, "admin:1", a.Slug, func(a *newsletter.Article) error { a.Body = "고친 본문"; return nil }, a.Version)
		k.must(err)
		k.clock.add(2 * time.Hour)
		if n, err := k.PublishDue(ctx); n != 1 || err != nil {
			t.Fatalf("%d were published, %v", n, err)
		}
		got, err := k.Article(ctx, a.Slug)
		if err != nil || got.Status != newsletter.ArticlePublished || !got.PublishedAt.Equal(due) || !got.PublishAt.IsZero() || got.Body != "고친 본문" {
			t.Errorf("it became %+v, %v", got, err)
		}
		if n, err := k.PublishDue(ctx); n != 0 || err != nil {
			t.Errorf("%d were published again, %v", n, err)
		}
		_, err = k.AutosaveArticle(ctx, "admin:1", a.Slug, func(*newsletter.Article) error { return nil }, 0)
		wantError(t, err, newsletter.Conflict, "published")
		token := k.PreviewToken(got.ID, k.clock.Now().Add(time.Hour))
		if seen, err := k.PreviewedArticle(ctx, token); err != nil || seen.ID != got.ID {
			t.Errorf("the secret link shows %v, %v", seen.ID, err)
		}
		k.clock.add(2 * time.Hour)
		if _, err := k.PreviewedArticle(ctx, token); err == nil {
			t.Error("the secret link never ends")
		}
	})
}

// A picture is kept once, stays while a text shows it, and its cover is one of the house's own.
func TestPicturesAreKept(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		p := newsletter.Picture{Data: []byte("그림"), Ending: "png", Width: 4, Height: 3}
		m, err := k.AddMedia(ctx, "admin:1", "../../a\x00b.png", "설명", p)
		k.must(err)
		again, err := k.AddMedia(ctx, "admin:1", "둘째.png", "", p)
		if err != nil || again.ID != m.ID || again.Alt != "설명" || strings.ContainsAny(m.Name, "/\\") {
			t.Fatalf("the same picture is %+v and %+v, %v", m, again, err)
		}
		if _, data, err := k.MediaFile(ctx, m.Name); err != nil || string(data) != "그림" {
			t.Errorf("its bytes are %q, %v", data, err)
		}
		for _, name := range []string{"../techissue.db", "nothing.png", "", m.Name + "/.."} {
			_, _, err := k.MediaFile(ctx, name)
			wantError(t, err, newsletter.NotFound, "")
		}
		a, err := k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: "그림이 있는 글", Body: "![설명](" + m.Path() + ")", Cover: m.Path(), CoverAlt: "표지"})
		k.must(err)
		if got, err := k.Article(ctx, a.Slug); err != nil || got.Cover != m.Path() || got.CoverAlt != "표지" {
			t.Errorf("the cover is %q %q, %v", got.Cover, got.CoverAlt, err)
		}
		wantError(t, k.DeleteMedia(ctx, "admin:1", m.ID), newsletter.Conflict, "used")
		k.must(k.DeleteArticle(ctx, "admin:1", a.Slug))
		k.must(k.DeleteMedia(ctx, "admin:1", m.ID))
		_, _, err = k.MediaFile(ctx, m.Name)
		wantError(t, err, newsletter.NotFound, "")
		_, err = k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: "남의 그림", Body: "본문", Cover: "https://evil.example/x.png"})
		wantFaults(t, err, "cover")
	})
}
