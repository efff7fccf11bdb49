package handlers_test

import (
	"net/url"
	"strings"
	"testing"

	"techissue/newsletter"
)

// The three forms in which an issue reaches people, in both themes, from what stands in the form: nothing is kept by looking.
func TestPreviewsOfWhatStandsInTheForm(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	form := url.Values{"number": {"7"}, "subject": {"보는 호"}, "kind": {"info"}, "intro": {"**굵은** 인사"}, "link_url": {"https://a.example/1"}, "link_title": {"하나"}, "theme": {"dark"}}
	form.Set("part", "web")
	web := b.post("/admin/issues/preview", form).must(t, 200, `data-theme="dark"`, "<strong>굵은</strong>", "하나", "IT 이슈 모음").mustNot(t, "<script", "pretendard.css")
	csp := web.Header.Get("Content-Security-Policy")
	for _, want := range []string{"sandbox", "style-src 'self'", "frame-ancestors 'self'", "form-action 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("the page's policy %q lacks %s", csp, want)
		}
	}
	if strings.Contains(csp, "allow-scripts") || strings.Contains(csp, "allow-same-origin") {
		t.Errorf("the page's policy is %q", csp)
	}
	form.Set("part", "html")
	b.post("/admin/issues/preview", form).must(t, 200, "보는 호")
	form.Set("part", "text")
	b.post("/admin/issues/preview", form).must(t, 200, "보는 호").mustNot(t, "<")
	form.Set("part", "web")
	form.Set("link_url", "javascript:alert(1)")
	b.post("/admin/issues/preview", form).must(t, 422, "미리보기를 만들 수 없어요")
	if _, err := h.svc.Issue(t.Context(), 7); newsletter.KindOf(err) != newsletter.NotFound {
		t.Errorf("a look kept the issue: %v", err)
	}
	h.active("a@example.com", "하나")
	i, err := h.svc.CreateIssue(t.Context(), "test", newsletter.Issue{WithoutAdConsent: newsletter.InfoEdition, Content: newsletter.Content{Subject: "협찬 호", Kind: newsletter.KindAd, Intro: "글", Sponsor: "협찬 글"}})
	if err != nil {
		t.Fatal(err)
	}
	at := "/admin/issues/" + itoa(i.Number)
	b.get(at+"/send").must(t, 200, "광고판 보기", "정보판 보기", `<strong>1명</strong> 협찬을 뺀 정보판`, `<strong>0명</strong> 협찬이 든 광고판`)
	b.get(at+"/preview").must(t, 200, "(광고) 협찬 호")
	b.get(at+"/preview?edition=info").must(t, 200, "협찬 호").mustNot(t, "(광고)")
}
