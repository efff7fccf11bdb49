package newsletter_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"techissue/db/dbtest"
	"techissue/newsletter"
)

func (k *desk) revision() (n int64) {
	k.t.Helper()
	k.must(k.store.View(k.t.Context(), func(tx newsletter.Tx) (err error) {
		n, err = tx.Revision(k.t.Context())
		return err
	}))
	return n
}

func TestArticleSlugs(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		for _, want := range []string{"ai가-바꾼-회의", "ai가-바꾼-회의-2", "ai가-바꾼-회의-3"} {
			a, err := k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: "AI가 바꾼 회의!", Body: "본문"})
			k.must(err)
			if a.Slug != want || a.Status != newsletter.ArticleDraft || a.Version != 1 || !a.PublishedAt.IsZero() {
				t.Errorf("made %+v", a)
			}
		}
		long, err := k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: strings.Repeat("긴제목", 40), Body: "본문"})
		k.must(err)
		again, err := k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: strings.Repeat("긴제목", 40), Body: "본문"})
		k.must(err)
		if again.Slug == long.Slug || !newsletter.ValidSlug(again.Slug) {
			t.Errorf("the second long one got %q", again.Slug)
		}
		_, err = k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: "다른 글", Slug: "ai가-바꾼-회의", Body: "본문"})
		wantError(t, err, newsletter.Conflict, "exists")
		got, err := k.Article(ctx, norm.NFD.String("ai가-바꾼-회의"))
		k.must(err)
		if got.Title != "AI가 바꾼 회의!" {
			t.Errorf("found %+v", got)
		}
	})
}

func TestArticleFaults(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	for _, c := range []struct {
		name   string
		a      newsletter.Article
		fields []string
	}{
		{"empty", newsletter.Article{}, []string{"title", "body"}},
		{"blank", newsletter.Article{Title: "  ", Body: " \n", Slug: "x"}, []string{"title", "body"}},
		{"two lines of title", newsletter.Article{Title: "a\nb", Body: "x", Slug: "x"}, []string{"title"}},
		{"a title without letters", newsletter.Article{Title: "🎉", Body: "x"}, []string{"slug"}},
		{"a slug with blanks", newsletter.Article{Title: "a", Slug: "A b", Body: "x"}, []string{"slug"}},
		{"unknown status, tag with comma", newsletter.Article{Title: "a", Body: "x", Status: "gone", Tags: []string{"a,b"}}, []string{"status", "tags"}},
		{"too long", newsletter.Article{Title: strings.Repeat("가", 201), Slug: "x", Summary: strings.Repeat("가", 501), Body: strings.Repeat("x", 1<<20+1)}, []string{"title", "summary", "body"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.CreateArticle(t.Context(), "admin:1", c.a)
			wantFaults(t, err, c.fields...)
		})
	}
}

func TestArticleChanges(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		a, err := k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: "첫 글", Body: "줄 하나\r\n줄 둘", Tags: []string{"나", "가", "나"}})
		k.must(err)
		before := k.revision()
		draft, err := k.UpdateArticle(ctx, "admin:1", a.Slug, func(a *newsletter.Article) error {
			a.ID, a.Views, a.Slug, a.Title = 99, 1000, "새-주소", "고친 글"
			return nil
		}, a.Version)
		k.must(err)
		if draft.ID != a.ID || draft.Views != 0 || draft.Slug != "새-주소" || draft.Version != 2 || k.revision() != before {
			t.Errorf("a draft became %+v", draft)
		}
		_, err = k.UpdateArticle(ctx, "admin:1", "새-주소", func(*newsletter.Article) error { return nil }, a.Version)
		wantError(t, err, newsletter.Conflict, "version")

		k.clock.add(time.Hour)
		public, err := k.UpdateArticle(ctx, "admin:1", "새-주소", func(a *newsletter.Article) error {
			a.Status = newsletter.ArticlePublished
			return nil
		}, 0)
		k.must(err)
		if public.PublishedAt != dbtest.Start.Add(time.Hour) || k.revision() == before {
			t.Errorf("published %+v", public)
		}
		// A published address may be changed, and goes on leading to the article; nobody else gets it.
		_, err = k.UpdateArticle(ctx, "admin:1", "새-주소", func(a *newsletter.Article) error { a.Slug = "또"; return nil }, 0)
		k.must(err)
		moved, err := k.Article(ctx, "새-주소")
		k.must(err)
		if moved.Slug != "또" || moved.ID != a.ID {
			t.Errorf("the former address leads to %+v", moved)
		}
		_, err = k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: "남", Slug: "새-주소", Body: "x"})
		wantError(t, err, newsletter.Conflict, "exists")
		_, err = k.UpdateArticle(ctx, "admin:1", "또", func(a *newsletter.Article) error { a.Slug = "새-주소"; return nil }, 0)
		k.must(err)
		_, err = k.UpdateArticle(ctx, "admin:1", "새-주소", func(a *newsletter.Article) error { return errors.New("stop") }, 0)
		if err == nil {
			t.Error("an error of the change was lost")
		}
		stored, err := k.Article(ctx, "새-주소")
		k.must(err)
		if stored.Body != "줄 하나\n줄 둘" || strings.Join(stored.Tags, "") != "가나" || stored.Version != 5 {
			t.Errorf("stored %+v", stored)
		}

		list, more, err := k.Articles(ctx, newsletter.ArticleFilter{Status: newsletter.ArticlePublished, Query: norm.NFD.String("고친")})
		k.must(err)
		if len(list) != 1 || more {
			t.Errorf("listed %+v", list)
		}
		shown := k.revision()
		k.must(k.DeleteArticle(ctx, "admin:1", "새-주소"))
		wantError(t, k.DeleteArticle(ctx, "admin:1", "새-주소"), newsletter.NotFound, "")
		if k.revision() == shown || k.audited("article_delete") != 1 {
			t.Error("a removed page stays in caches, or out of the audit log")
		}
	})
}

func TestViewsAreCountedAndWritten(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	a, err := k.CreateArticle(t.Context(), "admin:1", newsletter.Article{Title: "글", Body: "x", Status: newsletter.ArticlePublished})
	k.must(err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				k.CountView(a.ID)
			}
		})
	}
	all.Wait()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if k.FlushViews(gone) == nil {
		t.Fatal("flushed into a done context")
	}
	k.must(k.FlushViews(t.Context()))
	k.must(k.FlushViews(t.Context()))
	stored, err := k.Article(t.Context(), a.Slug)
	k.must(err)
	if stored.Views != 400 || stored.Version != 1 {
		t.Errorf("%d views, version %d", stored.Views, stored.Version)
	}
}
