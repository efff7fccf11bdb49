package newsletter_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

// Addresses that stand alone are read once each, in the background; one in a sentence is not. A page that cannot be read is tried three times.
func TestLinkCards(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		asked := map[string]int{}
		broken := true
		fetch := func(_ context.Context, url string) (newsletter.Card, error) {
			asked[url]++
			if strings.Contains(url, "broken") && broken {
				return newsletter.Card{}, errors.New("no answer")
			}
			return newsletter.Card{Title: "제목\u202e " + strings.Repeat("가", 300), Summary: "한\n줄", Site: "예시"}, nil
		}
		rounds := func() {
			for range 50 {
				n, err := k.FetchCards(t.Context(), fetch)
				k.must(err)
				if n == 0 {
					return
				}
			}
			t.Fatal("it never ends")
		}
		body := "첫 문단 https://inline.example/x 안의 주소\n\nhttps://a.example/1https://b.example/2?x=1\n<https://c.example/3>\n\nhttps://broken.example/\n"
		a, err := k.CreateArticle(t.Context(), "admin:1", newsletter.Article{Title: "글", Body: body})
		k.must(err)
		rounds()
		if len(asked) != 0 {
			t.Errorf("a draft's links were read: %v", asked)
		}
		_, err = k.UpdateArticle(t.Context(), "admin:1", a.Slug, func(a *newsletter.Article) error { a.Status = newsletter.ArticlePublished; return nil }, 0)
		k.must(err)
		before := k.Epoch()
		for range 12 {
			rounds()
			k.clock.add(40 * time.Minute)
		}
		want := map[string]int{"https://a.example/1": 1, "https://b.example/2?x=1": 1, "https://c.example/3": 1, "https://broken.example/": 3}
		if !maps.Equal(asked, want) {
			t.Errorf("asked %v, want %v", asked, want)
		}
		if k.Epoch() == before {
			t.Error("pages do not learn of the cards")
		}
		cards, err := k.Cards(t.Context(), slices.Collect(maps.Keys(want)))
		k.must(err)
		c := cards["https://a.example/1"]
		if len(cards) != 3 || c.Summary != "한 줄" || c.Site != "예시" || !strings.HasPrefix(c.Title, "제목 가") || len([]rune(c.Title)) != 120 {
			t.Errorf("%d cards, %+v", len(cards), c)
		}
		_, err = k.UpdateArticle(t.Context(), "admin:1", a.Slug, func(a *newsletter.Article) error { a.Body += "\n더"; return nil }, 0)
		k.must(err)
		rounds()
		if asked["https://a.example/1"] != 1 {
			t.Error("a known page was read again")
		}
		many := strings.Builder{}
		for n := range 100 {
			fmt.Fprintf(&many, "https://many.example/%d\n\n", n)
		}
		_, err = k.CreateArticle(t.Context(), "admin:1", newsletter.Article{Title: "링크 더미", Body: many.String(), Status: newsletter.ArticlePublished})
		k.must(err)
		asked = map[string]int{}
		rounds()
		if len(asked) != 60 {
			t.Errorf("%d pages read for one article", len(asked))
		}
	})
}
