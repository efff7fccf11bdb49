package handlers_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

func TestALongTextHasContentsAndAReadingTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	para := strings.Repeat("가나다라마바사아자차 ", 50) + "\n\n" // 500 characters, a minute
	long := h.article("긴 글", para+"## 첫째 **절** & <둘>\n\n"+para+"## 둘째 절\n\n"+para+"## 셋째 절\n\n"+para)
	h.article("짧은 글", "## 하나\n\n## 둘\n\n## 셋\n\n짧아요.")
	b := h.browser()
	b.get("/articles/"+url.PathEscape(long.Slug)).must(t, 200, "4분 읽기", "차례", `<a href="#part-1">첫째 절 &amp; &lt;둘&gt;</a>`, `<h2 id="part-1">첫째 <strong>절</strong>`, `<h2 id="part-3">`)
	b.get("/articles/"+url.PathEscape("짧은-글")).must(t, 200, "1분 읽기").mustNot(t, "차례", "part-1")
}

func TestWhatToReadOnWith(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, a := range [][2]string{{"옛 칩 글", "칩"}, {"첫 글", "AI"}, {"둘째 글", "AI"}, {"셋째 글", "AI"}, {"새 칩 글", "칩"}} {
		h.article(a[0], "본문", a[1])
		h.clock.add(time.Hour)
	}
	page := h.browser().get("/articles/"+url.PathEscape("새-칩-글")).must(t, 200, `rel="prev"`, "이전 글</span> 셋째 글").text
	others := page[strings.Index(page, `id="others"`):]
	at := func(title string) int { return strings.Index(others, ">"+title+"<") }
	if at("옛 칩 글") < 0 || at("셋째 글") < at("옛 칩 글") || at("둘째 글") < at("셋째 글") || at("첫 글") >= 0 || at("새 칩 글") >= 0 {
		t.Errorf("to read on with: %s", others)
	}
	h.browser().get("/articles/"+url.PathEscape("옛-칩-글")).must(t, 200).mustNot(t, "이전 글")
}

// The number of the newest issue is the hero of the front page; names of a letter's reader are nobody's on a page.
func TestTheFrontPage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.past(11, "열한 번째")
	h.past(12, "열두 번째")
	b := h.browser()
	b.get("/").must(t, 200, `12<small>호</small>`, "열두 번째", `href="/issues/12#link-1"`, "새 소식", "11호", "열한 번째", `name="email"`)
	_, err := h.svc.CreateIssue(t.Context(), "test", newsletter.Issue{Number: 13, Archived: true, AcceptedAt: h.clock.now(), Content: newsletter.Content{
		Subject: "열세 번째", Kind: newsletter.KindInfo, Intro: "{이름|이웃}님, {이름}님, $%name%$님",
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.get("/issues/13").must(t, 200, "이웃님, 독자님, 독자님").mustNot(t, "{이름", "$%name")
}
