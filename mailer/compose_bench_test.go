package mailer_test

import (
	"fmt"
	"strings"
	"testing"

	"techissue/newsletter"
)

// bigEdition is an issue of about 12 KB Korean text with a round-up of seven links and sources in the article.
func bigEdition() newsletter.Edition {
	e := edition()
	e.Snapshot.Links = nil
	for n := range 7 {
		e.Snapshot.Links = append(e.Snapshot.Links, newsletter.RoundupLink{
			URL: fmt.Sprintf("https://news.example/articles/%d?from=letter&n=%d", 1000+n, n), Title: fmt.Sprintf("%d번째 소식의 제목은 이만큼 길어요", n+1),
			Source: "예시일보", Summary: "두 줄쯤 되는 요약입니다. 무엇이 달라졌고 누구에게 중요한지 한 문장으로 적었어요.",
		})
	}
	var body strings.Builder
	for n := range 12 {
		fmt.Fprintf(&body, "## %d. 가능성과 한계\n\n%s\n\nhttps://source.example/%d\n\n", n+1, strings.Repeat("반도체 공장을 새로 짓는 일은 나라마다 사정이 다르지만 물과 전기가 먼저입니다. ", 8), n)
	}
	e.Snapshot.Articles[0].Body = body.String()
	return e
}

// BenchmarkComposeDelivery composes the letters of one issue: what one reader's letter costs before it meets the network.
func BenchmarkComposeDelivery(b *testing.B) {
	l := letters(b, nil)
	e := bigEdition()
	c := claimed
	out, err := l.ComposeDelivery(b.Context(), c, e)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(out.Data)))
	b.ReportAllocs()
	for b.Loop() {
		c.ID++
		c.Subscriber++
		out, err := l.ComposeDelivery(b.Context(), c, e)
		if err != nil {
			b.Fatal(err)
		}
		out.Release()
	}
}
