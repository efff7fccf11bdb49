package db_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"techissue/newsletter"
)

func article(slug string, status newsletter.ArticleStatus, published time.Time) newsletter.Article {
	return newsletter.Article{
		Slug: slug, Title: "제목 " + slug, Summary: "요약", Body: "본문 " + slug, Author: "글쓴이", Status: status, PublishedAt: published, CreatedAt: t0, UpdatedAt: t0,
	}
}

func TestArticleVersions(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		a := article("화수분-야구", newsletter.ArticlePublished, t0)
		a.Tags = []string{"야구", "AI", "AI"}
		s.do(func(tx newsletter.Tx) error { return tx.PutArticle(s.ctx, &a) })
		if a.ID == 0 || a.Version != 1 || !slices.Equal(a.Tags, []string{"AI", "야구"}) {
			s.Errorf("inserted as %+v", a)
		}
		bySlug := func(slug string) newsletter.Article {
			s.Helper()
			return read(s, func(tx newsletter.Tx) (newsletter.Article, error) { return tx.Article(s.ctx, slug) })
		}
		equal(s, "read", bySlug(a.Slug), a)
		stale := a
		a.Slug, a.Tags = "다른-주소", nil
		s.do(func(tx newsletter.Tx) error { return tx.PutArticle(s.ctx, &a) })
		if a.Version != 2 {
			s.Errorf("version %d", a.Version)
		}
		equal(s, "changed", bySlug(a.Slug), a)
		equal(s, "by its former address", bySlug(stale.Slug), a)
		equal(s, "former addresses", read(s, func(tx newsletter.Tx) ([]string, error) { return tx.OldSlugs(s.ctx, a.ID) }), []string{stale.Slug})
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error { return tx.PutArticle(s.ctx, &stale) })
		b := article("둘째", newsletter.ArticleDraft, time.Time{})
		s.do(func(tx newsletter.Tx) error { return tx.PutArticle(s.ctx, &b) })
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error {
			again := article(b.Slug, newsletter.ArticleDraft, t0)
			return tx.PutArticle(s.ctx, &again)
		})
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error {
			moved := b
			moved.Slug = a.Slug
			return tx.PutArticle(s.ctx, &moved)
		})
		s.do(func(tx newsletter.Tx) error {
			return tx.AddViews(s.ctx, map[newsletter.ArticleID]int64{a.ID: 3, b.ID: 0, 99: 5})
		})
		s.do(func(tx newsletter.Tx) error { return tx.AddViews(s.ctx, map[newsletter.ArticleID]int64{a.ID: 4}) })
		if got := bySlug(a.Slug); got.Views != 7 || got.Version != a.Version {
			s.Errorf("views %d, version %d", got.Views, got.Version)
		}
		s.do(func(tx newsletter.Tx) error { return tx.DeleteArticle(s.ctx, a.ID) })
		s.refused(newsletter.NotFound, func(tx newsletter.Tx) error { return tx.DeleteArticle(s.ctx, a.ID) })
	})
}

func TestArticleLists(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		var all []newsletter.Article
		for n := range 5 { // two at a time are published in the same instant
			a := article(fmt.Sprint("a", n), newsletter.ArticlePublished, t0.Add(time.Duration(n/2)*time.Hour))
			all = append(all, a)
		}
		draft := article("draft", newsletter.ArticleDraft, time.Time{})
		draft.CreatedAt = t0.Add(90 * time.Minute)
		all = append(all, draft)
		all[0].Tags, all[3].Tags, all[1].Body = []string{"보안"}, []string{"보안", "AI"}, "100%_확실\\함 CASE"
		s.do(func(tx newsletter.Tx) error {
			for n := range all {
				if err := tx.PutArticle(s.ctx, &all[n]); err != nil {
					return err
				}
			}
			return nil
		})
		for _, row := range []struct {
			says string
			f    newsletter.ArticleFilter
			want []string
		}{
			{"newest first, drafts by their making", newsletter.ArticleFilter{}, []string{"a4", "draft", "a3", "a2", "a1", "a0"}},
			{"published", newsletter.ArticleFilter{Status: newsletter.ArticlePublished}, []string{"a4", "a3", "a2", "a1", "a0"}},
			{"drafts", newsletter.ArticleFilter{Status: newsletter.ArticleDraft}, []string{"draft"}},
			{"a tag", newsletter.ArticleFilter{Tag: "보안"}, []string{"a3", "a0"}},
			{"text of the body, signs as they are", newsletter.ArticleFilter{Query: `%_확실\`}, []string{"a1"}},
			{"text in any case", newsletter.ArticleFilter{Query: "case"}, []string{"a1"}},
			{"text of the title", newsletter.ArticleFilter{Query: "제목 a2"}, []string{"a2"}},
			{"nothing", newsletter.ArticleFilter{Query: "확실%함"}, nil},
		} {
			for _, limit := range []int{1, 2, 50} {
				got := pages(s, limit, func(a newsletter.Article) int64 { return int64(a.ID) }, func(tx newsletter.Tx, cursor int64) ([]newsletter.Article, error) {
					f := row.f
					f.Cursor, f.Limit = cursor, limit
					return tx.Articles(s.ctx, f)
				})
				if slugs := each2(got, func(a newsletter.Article) string { return a.Slug }); !slices.Equal(slugs, row.want) {
					s.Errorf("%s, limit %d: %v, want %v", row.says, limit, slugs, row.want)
				}
			}
		}
		got := read(s, func(tx newsletter.Tx) ([]newsletter.Article, error) {
			return tx.Articles(s.ctx, newsletter.ArticleFilter{Tag: "AI", Limit: 9})
		})
		equal(s, "whole", got, all[3:4])
	})
}
