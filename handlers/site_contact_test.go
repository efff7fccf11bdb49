package handlers_test

import (
	"encoding/xml"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

func (h *house) proposal(b *browser) url.Values {
	h.t.Helper()
	m := regexp.MustCompile(`name="started" value="([^"]+)"`).FindStringSubmatch(b.get("/contact").must(h.t, 200, "제안하기", "마케팅", "강연", "출판", "프로젝트").text)
	if m == nil {
		h.t.Fatal("the form has no moment")
	}
	h.clock.add(2 * time.Second)
	return url.Values{
		"name": {"한빛 회사"}, "email": {"kim@example.com"}, "kind": {"lecture"}, "body": {"강연을 부탁드려요. <b>"}, "consent": {"on"}, "started": {m[1]},
	}
}

func (h *house) proposals() int {
	h.t.Helper()
	list, _, err := h.svc.Proposals(h.t.Context(), "", 0, 100)
	if err != nil {
		h.t.Fatal(err)
	}
	return len(list)
}

func TestContact(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if _, err := h.svc.CreateAdmin(t.Context(), "cli", "owner@example.com", newsletter.Owner, "바다가 보이는 창가"); err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	form := h.proposal(b)
	a := b.post("/contact", form).must(t, 303)
	if a.Header.Get("Location") != "/contact?sent=1" {
		t.Errorf("sent to %s", a.Header.Get("Location"))
	}
	b.get("/contact?sent=1").must(t, 200, "제안을 보냈어요")
	if n, ok := h.newest(newsletter.NoticeAlert, "owner@example.com"); !ok || !strings.Contains(n.Payload.Text, "kim@example.com") {
		t.Errorf("the owner was told %+v", n)
	}

	bad := url.Values{"started": form["started"], "body": {"남길 말 <script>"}, "name": {"x\u202ey"}}
	b.post("/contact", bad).must(t, 422, "아직 보내지 않았어요", "#contact-name", "#contact-email", "#contact-kind", "#contact-consent", "남길 말 &lt;script&gt;").
		mustNot(t, "<script>", "#contact-body\"")
	trap := h.proposal(b)
	trap.Set("website", "http://spam.example")
	b.post("/contact", trap).must(t, 303)
	unmarked := h.proposal(b)
	unmarked.Del("started")
	b.post("/contact", unmarked).must(t, 422, "한 번 더 눌러 주세요", "강연을 부탁드려요. &lt;b&gt;", `value="lecture" required checked`)
	if n := h.proposals(); n != 1 {
		t.Errorf("%d proposals, want 1", n)
	}
	b.post("/contact", form).must(t, 303)
	b.post("/contact", form).must(t, 303)
	full := b.post("/contact", form).must(t, 429, "조금 뒤에 다시 보내 주세요(10분에 3번).", "강연을 부탁드려요. &lt;b&gt;")
	if full.Header.Get("Retry-After") == "" || h.proposals() != 3 {
		t.Errorf("Retry-After %q, %d proposals", full.Header.Get("Retry-After"), h.proposals())
	}
}

func TestShareAnIssue(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.past(12, `열두 번째 "편지" & <b>`)
	b := h.browser()
	b.get("/issues/12").must(t, 200, `href="/issues/12/share"`)
	b.get("/issues/12/share").must(t, 200, `value="http://localhost:8080/issues/12"`, "링크 복사", "mailto:?subject=", "data-share", "열두 번째").mustNot(t, "<b>")
	for _, p := range []string{"/issues/13/share", "/issues/x/share", "/issues/012/share"} {
		b.get(p).must(t, 404)
	}
}

func TestTagFeeds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.article("반도체 글", "본문 하나", "반도체 칩")
	h.article("다른 글", "본문 둘", "AI")
	b := h.browser()
	tag := "/tags/" + url.PathEscape("반도체 칩")
	b.get(tag).must(t, 200, `href="`+tag+`/feed.xml"`)
	for _, name := range []string{"/feed.xml", "/atom.xml", "/feed.json"} {
		a := b.get(tag+name).must(t, 200, "반도체 글", "http://localhost:8080"+tag+name).mustNot(t, "다른 글")
		if strings.HasSuffix(name, ".xml") {
			var doc struct{ XMLName xml.Name }
			if err := xml.Unmarshal([]byte(a.text), &doc); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		b.get("/tags/none"+name).must(t, 404)
	}
	b.get("/feed.xml").must(t, 200, "다른 글", "반도체 글", `href="http://localhost:8080/feed.xml"`)
}
