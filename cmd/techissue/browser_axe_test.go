package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"techissue/mailer/smtptest"
)

type axeFinding struct {
	ID, Help string
	Nodes    []struct {
		HTML   string
		Target []any
	}
}

// inColours are the rules whose outcome a theme can change: all that a theme changes are colours (templates/static's tokens).
const inColours = `, runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}`

// axe looks at the open page in both themes at the widths of a phone and a desk, and wants no violation: all rules in the
// light, in the dark those of colours.
func (b *tab) axe(name, script string) {
	b.t.Helper()
	eval[chromedp.Void](b, script)
	for _, width := range []int64{360, 1280} {
		for _, theme := range []string{"light", "dark"} {
			b.look(width, theme)
			rules := ""
			if theme == "dark" {
				rules = inColours
			}
			raw := eval[string](b, `axe.run(document, {iframes: false, resultTypes: ["violations"]`+rules+`}).then(r => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise)
			var found []axeFinding
			if err := json.Unmarshal([]byte(raw), &found); err != nil {
				b.t.Fatal(err)
			}
			for _, f := range found {
				b.t.Errorf("%s at %d px, %s: %s (%s), %d times, first %v\n%.300s", name, width, theme, f.ID, f.Help, len(f.Nodes), f.Nodes[0].Target, f.Nodes[0].HTML)
			}
			if wide := eval[int64](b, `document.documentElement.scrollWidth`); wide > width {
				b.t.Errorf("%s at %d px: the page is %d px wide", name, width, wide)
			}
			b.shot(fmt.Sprintf("%s-%d-%s", strings.NewReplacer("/", "_", "?", "_").Replace(strings.Trim(name, "/")), width, theme))
		}
	}
}

func axeScript(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// Every page of the site and of the desk, in every state that a reader or the editor meets: 0 violations of WCAG as axe knows it.
func TestBrowserAccessibility(t *testing.T) {
	t.Parallel()
	script := axeScript(t)
	d := startDemo(t, "--no-send", "--subscribers", "10", "--rate", "100")
	b := openTab(t, d.base, true)
	number := d.issue[strings.LastIndex(strings.TrimSuffix(d.issue, "/send"), "/")+1 : len(d.issue)-len("/send")]
	visit := func(pages ...string) {
		t.Helper()
		for _, p := range pages {
			b.open(p)
			b.axe(p, script)
		}
	}
	visit("/", "/subscribe", "/subscribe/sent", "/articles", "/articles/"+b.slug(), "/articles?q=없는+말", "/issues", "/search", "/search?q=집", "/search?q=zzzz", "/articles/"+b.talked(), "/articles/"+b.talked()+"?reply=1", "/contact", "/issues", "/c/broken", "/about", "/privacy", "/me",
		"/no/such/page", "/confirm/broken", "/u/broken", "/me/broken", "/mailbox", "/admin/login")

	b.open("/articles/" + b.talked())
	eval[bool](b, `(document.querySelector("#comment-body").value = "접근성을 보는 댓글") !== ""`)
	b.press("#comment-submit")
	b.forget("422")
	b.axe("a refused comment", script)
	b.comment("접근성", "axe-comment@example.com", "접근성을 보는 댓글")
	b.axe("a sent comment", script)
	own := b.linkIn(b.newest("axe-comment@example.com", "댓글을 확인해"), "/c/")
	b.open(own)
	b.axe("a comment to confirm", script)
	b.press("main form button")
	b.open(own)
	b.axe("a comment to change", script)

	b.open("/subscribe")
	b.press("form.signup button[type=submit]")
	b.axe("a refused sign-up", script)
	const email = "axe@example.com"
	b.signUp(email, "접근성")
	b.axe("a sent sign-up", script)
	letter := b.newest(email, "구독")
	b.axe("a letter in the mailbox", script)
	visit(letter+"?tab=text", letter+"?tab=headers")
	b.open(b.linkIn(letter, "/confirm/"))
	b.axe("the page to confirm", script)
	b.press("main form button")
	b.axe("confirmed", script)
	b.open("/me")
	b.fill("#me-email", email)
	b.press("main form button")
	b.axe("a link was asked for", script)
	letter = b.newest(email, "내 구독 링크")
	b.open(b.linkIn(letter, "/me/"))
	b.axe("open my subscription", script)
	b.press("main form button")
	b.axe("my subscription", script)

	b.open(d.enter)
	b.axe("enter", script)
	b.press("main form button")
	visit("/admin", "/admin/issues", "/admin/issues?q=zzzz", "/admin/issues/new", "/admin/issues/"+number, "/admin/issues/"+number+"/delete", "/admin/issues/"+number+"/send",
		"/admin/comments", "/admin/comments?status=published", "/admin/comments?status=spam", "/admin/articles", "/admin/articles/new", "/admin/articles/"+b.slug(), "/admin/subscribers", "/admin/subscribers/1", "/admin/subscribers/new", "/admin/subscribers/import",
		"/admin/imports/1", "/admin/settings", "/admin/settings/brand", "/admin/articles/"+b.talked()+"/cards", "/admin/settings/keys", "/admin/account", "/admin/feedback", "/admin/no/such/page")
	b.open("/admin/issues/new")
	b.press("button[data-save]")
	b.axe("a refused issue", script)
	b.fill("[name=subject]", "고친 호") // the page asks before it lets unsaved text go
	b.press("button[data-save]")
	b.send(number)
	b.axe("a finished send", script)
	visit("/admin/issues/" + number + "/letters")
	visit("/issues/"+number, "/issues", "/")
	letter = b.newest(email, "")
	b.open(b.linkIn(letter, "/u/"))
	b.axe("the page to leave", script)
	b.press("main form button")
	b.axe("left", script)
}

// The letter itself, as mail programs get it: 0 violations, and with its pictures off nothing is lost.
func TestBrowserLetter(t *testing.T) {
	t.Parallel()
	script := axeScript(t)
	h := newHouse(t, smtptest.Config{}, "TECHISSUE_LEGAL_NAME=테크잇슈", "TECHISSUE_LEGAL_REPRESENTATIVE=이재훈", "TECHISSUE_LEGAL_ADDRESS=서울시 보기구 보기로 1",
		"TECHISSUE_LEGAL_PHONE=02-000-0000", "TECHISSUE_LEGAL_EMAIL=hello@example.kr")
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(1)), "--consent-source", "test")
	h.run(0, "article", "import", h.write("a.md", articleWithPictures), "--publish")
	h.run(0, "issue", "create", h.write("i.md", "---\nsubject: 그림이 있는 호\npreheader: 미리 보는 한 줄\narticles: [pictures]\nlinks:\n  - {url: \"https://news.example/1\", title: 첫 소식, source: 예시일보, summary: 한 줄 요약이에요.}\n  - {url: \"https://news.example/2\", title: 둘째 소식}\n---\n{이름|독자}님, 안녕하세요.\n"))
	h.run(0, "issue", "send", "1", "--wait")
	server := h.serve()
	h.post("/subscribe", url.Values{"email": {"notice@example.com"}, "name": {"알림"}, "consent": {"on"}, "age14": {"on"}})
	h.until("a confirmation", func() bool { return len(h.smtp.Accepted()) == 2 })
	h.stop(server)
	letter, notice := h.smtp.Accepted()[0], h.smtp.Accepted()[1]
	show := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/" {
			fmt.Fprint(w, letter.HTML())
			return
		}
		if r.URL.Path == "/notice" {
			fmt.Fprint(w, notice.HTML())
			return
		}
		http.NotFound(w, r)
	}))
	defer show.Close()
	b := openTab(t, show.URL, true)
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{{URLPattern: "https://*:*/*", Block: true}, {URLPattern: "http://pictures.example:*/*", Block: true}}})
		return err
	}))
	b.open("/")
	b.axe("the letter", script)
	b.must("독자0님, 안녕하세요", "첫 소식", "예시일보", "한 줄 요약이에요.", "둘째 소식", "그림이 있는 글", "수신거부", "이재훈", "서울시 보기구", "02-000-0000", "hello@example.kr")
	type picture struct {
		Alt           string
		Width, Height int
		Loaded        bool
	}
	pictures := eval[[]picture](b, `[...document.images].map(i => ({alt: i.getAttribute("alt"), width: +i.getAttribute("width"), height: +i.getAttribute("height"), loaded: i.naturalWidth > 0}))`)
	for _, p := range pictures {
		if p.Loaded || p.Alt == "" {
			t.Errorf("with pictures off: %+v", p)
		}
	}
	if len(pictures) == 0 {
		t.Error("the letter has no picture to be lost")
	}
	for _, essential := range []string{"수신거부", "웹에서 보기", "첫 소식"} {
		if n := eval[int](b, `[...document.querySelectorAll("a")].filter(a => a.innerText.includes(`+quote(essential)+`) && a.href && a.getBoundingClientRect().height > 0).length`); n == 0 {
			t.Errorf("with pictures off there is no link %q to press", essential)
		}
	}
	if backgrounds := eval[int](b, `[...document.querySelectorAll("*")].filter(e => getComputedStyle(e).backgroundImage !== "none").length`); backgrounds > 0 {
		t.Errorf("%d elements have words on a picture", backgrounds)
	}
	b.open("/notice")
	b.axe("a confirmation letter", script)
	b.must("알림님")
	plain := letter.Text()
	for _, w := range []string{"독자0님", "첫 소식", "https://news.example/1", "그림이 있는 글", "도표: 해마다 두 배"} {
		if !strings.Contains(plain, w) {
			t.Errorf("the text part lacks %q:\n%s", w, plain)
		}
	}
}

const articleWithPictures = "---\ntitle: 그림이 있는 글\nslug: pictures\n---\n첫 문단이에요.\n\n![도표: 해마다 두 배](https://pictures.example/chart.png)\n\n## 소제목\n\n> 인용문이에요.\n\n- 하나\n- 둘\n\n| 해 | 값 |\n|---|---|\n| 2025 | 1 |\n\n마지막 문단, [출처](https://news.example/3).\n"
