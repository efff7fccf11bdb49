package newsletter_test

import (
	"context"
	"testing"

	"techissue/newsletter"
)

func TestLinkKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, a, b string
		same       bool
	}{
		{"the scheme and www. lead to the same page", "http://www.a.example/1", "https://a.example/1", true},
		{"tracking says nothing of the page", "https://a.example/1?utm_source=x&fbclid=2", "https://a.example/1#top", true},
		{"a slash at the end neither", "https://a.example/1/", "https://A.example/1", true},
		{"a parameter may be the page", "https://a.example/?id=1", "https://a.example/?id=2", false},
		{"the order of parameters is none", "https://a.example/?a=1&b=2", "https://a.example/?b=2&a=1", true},
		{"letters of the path count", "https://a.example/A", "https://a.example/a", false},
		{"a port is another server", "https://a.example:81/", "https://a.example/", false},
	} {
		if same := newsletter.LinkKey(c.a) == newsletter.LinkKey(c.b); same != c.same {
			t.Errorf("%s: %q and %q: %v", c.name, newsletter.LinkKey(c.a), newsletter.LinkKey(c.b), same)
		}
	}
}

// The pile shows what each page says of itself, which links lead to the same page, and which an issue carries already.
func TestThePileKnowsItsLinks(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		for _, l := range []newsletter.RoundupLink{
			{URL: "https://a.example/1"}, {URL: "https://b.example/2", Title: "제가 지은 제목"}, {URL: "https://www.a.example/1?utm_source=mail", Title: "같은 글"},
		} {
			_, err := k.AddLink(ctx, "admin:1", l)
			k.must(err)
		}
		_, err := k.CreateIssue(ctx, "admin:1", newsletter.Issue{Content: newsletter.Content{Subject: "첫 호", Links: []newsletter.RoundupLink{{URL: "http://b.example/2/"}}}})
		k.must(err)
		pile, more, err := k.Pile(ctx, "", 0, 0)
		k.must(err)
		if len(pile) != 3 || more || !pile[2].Reading || pile[1].Reading || pile[1].Issue != 1 || pile[2].Issue != 0 || pile[0].Twin != "https://a.example/1" || pile[2].Twin != "" {
			t.Fatalf("the pile is %+v", pile)
		}
		asked := 0
		_, err = k.FetchCards(ctx, func(_ context.Context, url string) (newsletter.Card, error) {
			asked++
			return newsletter.Card{Title: "페이지의 제목", Summary: "한 줄", Site: ""}, nil
		})
		k.must(err)
		if pile, _, err = k.Pile(ctx, "", 0, 0); err != nil || asked != 1 {
			t.Fatalf("%d pages were read, %v", asked, err)
		}
		if l := pile[2]; l.Reading || l.Title != "페이지의 제목" || l.Source != "a.example" || l.Summary != "한 줄" {
			t.Errorf("a read link is %+v", l)
		}
		if pile[1].Title != "제가 지은 제목" {
			t.Errorf("the editor's title became %q", pile[1].Title)
		}
		one, err := k.PiledLink(ctx, pile[2].ID)
		if err != nil || one.Title != "페이지의 제목" {
			t.Errorf("the link alone is %+v, %v", one, err)
		}
	})
}

// Rows of the round-up without a title are filled as soon as their pages are known; nothing that was written changes.
func TestBareRowsAreFilled(t *testing.T) {
	t.Parallel()
	k, ctx := newDesk(t), t.Context()
	rows := []newsletter.RoundupLink{{URL: "https://a.example/1", Summary: "내 말"}, {URL: "https://b.example/2", Title: "내 제목"}, {URL: "주소 아님"}, {}}
	filled, reading, err := k.FillLinks(ctx, rows)
	if err != nil || !reading || filled[0].Title != "" {
		t.Fatalf("before the page is read: %+v, %v, %v", filled, reading, err)
	}
	_, err = k.FetchCards(ctx, func(context.Context, string) (newsletter.Card, error) {
		return newsletter.Card{Title: "제목", Summary: "페이지의 말", Site: "예시일보"}, nil
	})
	k.must(err)
	filled, reading, err = k.FillLinks(ctx, rows)
	want := newsletter.RoundupLink{URL: "https://a.example/1", Title: "제목", Source: "예시일보", Summary: "내 말"}
	if err != nil || reading || filled[0] != want || filled[1] != rows[1] || filled[2] != rows[2] {
		t.Errorf("after it: %+v, %v, %v", filled, reading, err)
	}
}
