package handlers_test

import (
	"context"
	"testing"

	"techissue/newsletter"
)

// A bare link becomes a card when its page has been read; what the page says of itself stays text.
func TestLinkCardsOnThePage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.article("글", "문단\n\nhttps://news.example/?a=1&b=2https://other.example/%ED%95%9C\n\nhttps://unread.example/\n\n`https://code.example/`")
	b := h.browser()
	b.get(articlePathOf(a)).must(t, 200, `class="source"`).mustNot(t, "linkcard")
	for range 3 {
		_, err := h.svc.FetchCards(t.Context(), func(_ context.Context, url string) (newsletter.Card, error) {
			if url == "https://unread.example/" {
				return newsletter.Card{}, errBroken
			}
			return newsletter.Card{Title: `<script>alert(1)</script>"제목`, Summary: `<img src=x onerror=alert(1)>`}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	page := b.get(articlePathOf(a)).must(t, 200,
		`<a class="linkcard" href="https://news.example/?a=1&amp;b=2" rel="noopener"><strong>&lt;script&gt;`, `<small>news.example</small>`, `<small>other.example</small>`,
		`href="https://unread.example/"`)
	page.mustNot(t, "<script>alert", "<img src=x")
}
