package newsletter_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
)

// Pages are owed to search engines once somebody has set where, a minute after their last change, until they were taken.
func TestAnnouncements(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := openDeskWith(t, d, func(o *newsletter.Options) { o.House.BaseURL = "https://letter.example.kr" })
		ctx := t.Context()
		var told [][]string
		var refuse error
		round := func(want error) {
			t.Helper()
			_, err := k.AnnouncePages(ctx, func(_ context.Context, endpoint, site string, urls []string) error {
				if endpoint != "https://search.example/indexnow" || site == "" {
					t.Errorf("told %s of %s", endpoint, site)
				}
				told = append(told, urls)
				return refuse
			})
			if !errors.Is(err, want) {
				t.Fatal(err)
			}
		}
		publish := func(title string) {
			t.Helper()
			_, err := k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: title, Body: "본문", Status: newsletter.ArticlePublished})
			k.must(err)
			k.clock.add(2 * time.Minute)
		}
		publish("아무도 모르는 글")
		round(nil)
		k.must(k.PutSettings(ctx, "admin:1", map[string]string{"indexnow": "https://search.example/indexnow"}))
		round(nil)
		if len(told) != 0 {
			t.Fatalf("told %v before it was asked for", told)
		}
		_, err := k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: "아직 쓰는 글", Body: "본문"})
		k.must(err)
		publish("새 글")
		refuse = errors.New("busy")
		round(refuse)
		round(nil) // put off
		refuse = nil
		k.clock.add(31 * time.Minute)
		round(nil)
		k.clock.add(31 * time.Minute)
		round(nil)
		want := []string{"https://letter.example.kr/articles/%EC%83%88-%EA%B8%80"}
		if len(told) != 2 || !slices.Equal(told[0], want) || !slices.Equal(told[1], want) {
			t.Errorf("told %v", told)
		}
	})
}

// A link is dead when its page was gone at two looks, a day apart; back again, it lives at once.
func TestDeadLinks(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		const link = "https://a.example/1"
		a, err := k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: "글", Body: link + "\n", Status: newsletter.ArticlePublished})
		k.must(err)
		_, err = k.FetchCards(ctx, func(context.Context, string) (newsletter.Card, error) { return newsletter.Card{Title: "제목"}, nil })
		k.must(err)
		gone, looks := false, 0
		dead := func(after time.Duration) bool {
			t.Helper()
			k.clock.add(after)
			_, err := k.CheckLinks(ctx, func(context.Context, string) bool { looks++; return gone })
			k.must(err)
			cards, err := k.CardsOfArticle(ctx, a)
			k.must(err)
			return !cards[0].DeadAt.IsZero()
		}
		if dead(time.Hour) || looks != 0 {
			t.Errorf("a page just read was looked at %d times", looks)
		}
		gone = true
		if dead(8*24*time.Hour) || looks != 1 {
			t.Errorf("one look is enough, or there was none: %d", looks)
		}
		if dead(time.Hour) || looks != 1 {
			t.Errorf("%d looks within an hour", looks)
		}
		before := k.Epoch()
		if !dead(25*time.Hour) || looks != 2 || k.Epoch() == before {
			t.Errorf("not dead after %d looks", looks)
		}
		gone = false
		if dead(8*24*time.Hour) || looks != 3 {
			t.Errorf("dead although it is back, %d looks", looks)
		}
		k.must(k.EditCards(ctx, "admin:1", a.Slug, []newsletter.Card{{URL: link, Title: "고친 제목"}}))
		cards, err := k.CardsOfArticle(ctx, a)
		k.must(err)
		if !cards[0].Edited || cards[0].Title != "고친 제목" {
			t.Errorf("%+v", cards[0])
		}
	})
}
