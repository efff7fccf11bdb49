package main_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// key presses a key where the focus is.
func (b *tab) key(keys string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys))
}

// tabTo goes on with the Tab key until the element has the focus, which must be visible there.
func (b *tab) tabTo(css string) {
	b.t.Helper()
	for range 120 {
		b.key("\t")
		if eval[bool](b, `document.activeElement.matches(`+quote(css)+`)`) {
			if !eval[bool](b, `(() => { const s = getComputedStyle(document.activeElement), r = document.activeElement.getBoundingClientRect();
				return (s.outlineStyle !== "none" || getComputedStyle(document.activeElement.nextElementSibling ?? document.body).outlineStyle !== "none") && r.bottom > 0 && r.top < innerHeight; })()`) {
				b.t.Errorf("the focus on %s cannot be seen", css)
			}
			return
		}
	}
	b.t.Fatalf("Tab never comes to %s:\n%s", css, b.peek())
}

// enter presses Enter and waits for the page behind it.
func (b *tab) enter() {
	b.t.Helper()
	was := eval[string](b, "location.href")
	b.key("\r")
	b.until("a page behind Enter on "+was, `document.readyState === "complete" && location.href !== `+quote(was))
}

// A reader without a mouse: skip to the text, read, join, confirm, comment, leave.
func TestBrowserKeyboardJourney(t *testing.T) {
	t.Parallel()
	const email = "keys@example.com"
	d := startDemo(t, "--no-send", "--subscribers", "1")
	b := openTab(t, d.base, true)
	b.open("/")
	b.key("\t")
	if got := eval[string](b, `document.activeElement.textContent`); got != "본문으로 바로 가기" {
		t.Errorf("the first Tab leads to %q", got)
	}
	b.key("\r")
	if !eval[bool](b, `document.activeElement.id === "main"`) {
		t.Error("the skip link does not lead to the text")
	}
	b.tabTo("#subscribe input[name=email]")
	b.do(chromedp.KeyEvent(email))
	b.tabTo("#subscribe input[name=consent]")
	b.key(" ")
	b.tabTo("#subscribe input[name=age14]")
	b.key(" ")
	b.until("a second has passed since the form was shown", `performance.now() > 1500`)
	b.tabTo("#subscribe button[type=submit]")
	b.enter()
	b.must("받은편지함을 확인해 주세요", email)
	b.open(b.linkIn(b.newest(email, "구독"), "/confirm/"))
	b.tabTo("main form button")
	b.key("\r")
	b.until("the page that confirms", `document.body.innerText.includes("구독이 시작됐어요")`)

	b.open("/articles")
	b.tabTo(".card h3 a")
	b.enter()
	if shown := eval[string](b, `[".subscribebox", ".joined"].filter(s => document.querySelector(s).getClientRects().length > 0).join()`); shown != ".joined" {
		t.Errorf("who has joined is shown %q", shown)
	}
	b.tabTo("#comment-body")
	b.do(chromedp.KeyEvent("hello by keys"))
	b.tabTo("#comment-name")
	b.do(chromedp.KeyEvent("Keys"))
	b.tabTo("#comment-email")
	b.do(chromedp.KeyEvent(email))
	b.until("a second has passed since the form was shown", `performance.now() > 1500`)
	b.tabTo("#comment-submit")
	b.key("\r")
	b.until("the comment was taken", `/메일|확인/.test(document.querySelector(".comment-form .saved")?.textContent ?? "")`)

	letter := b.newest(email, "구독이 시작됐어요")
	b.open(b.linkIn(letter, "/u/"))
	b.tabTo("main form button")
	b.key("\r")
	b.until("the reader has left", `document.body.innerText.includes("더 이상 보내지 않아요")`)
	b.open("/about")
	if !eval[bool](b, `document.querySelector(".subscribebox").getClientRects().length > 0`) {
		t.Error("who has left is not asked any more")
	}
	b.clean()
}

// The same without scripts: everything is there, and nothing that only a script could do is shown.
func TestBrowserReaderWithoutScript(t *testing.T) {
	t.Parallel()
	const email = "plain@example.com"
	d := startDemo(t, "--no-send", "--subscribers", "1")
	b := openTab(t, d.base, false)
	b.signUp(email, "맨눈")
	b.open(b.linkIn(b.newest(email, "구독"), "/confirm/"))
	b.press("main form button")
	b.must("구독이 시작됐어요")
	b.open("/articles/" + b.talked())
	b.must("댓글 남기기")
	for _, hidden := range []string{"[data-copy]", "[data-share]", "[data-theme-switch]"} {
		if eval[bool](b, `[...document.querySelectorAll(`+quote(hidden)+`)].some(e => e.getClientRects().length > 0)`) {
			t.Errorf("%s is shown although no script can serve it", hidden)
		}
	}
	b.comment("맨눈", email, "스크립트 없이 쓴 댓글")
	b.open(b.linkIn(b.newest(email, "댓글을 확인해"), "/c/"))
	b.press("main form button")
	b.must("댓글을 받았어요. 글쓴이가 확인하면 올라가요.")
	b.open(b.linkIn(b.newest(email, "구독이 시작됐어요"), "/u/"))
	b.press("main form button")
	b.must("더 이상 보내지 않아요", "다시 구독하기")
	b.fill("#reason-text", "너무 바빠요")
	b.press("form[action$='/reason'] button")
	b.must("의견을 보내 주셔서 고마워요")
	b.press("form[action$='/resubscribe'] button")
	b.must("확인 메일을 보냈어요")
	if strings.Contains(b.text(), "undefined") {
		t.Error("a page says undefined")
	}
	b.clean()
}
