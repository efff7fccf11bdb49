package main_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// paste puts HTML on the clipboard and into a field, as a browser does.
func (b *tab) paste(css, html, plain string) {
	b.t.Helper()
	eval[bool](b, `(() => {
		const area = document.querySelector(`+quote(css)+`);
		area.focus();
		area.setSelectionRange(area.value.length, area.value.length);
		const data = new DataTransfer();
		data.setData("text/html", `+quote(html)+`);
		data.setData("text/plain", `+quote(plain)+`);
		return area.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
	})()`)
}

// The editor's evening: collect, write, check, test, send, watch, pause, mend, go on, learn. From 새 호 with five links in the pile and an
// article draft to 발송중 it takes at most twelve presses, and the browser has nothing to complain about.
func TestBrowserEvening(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--no-send", "--subscribers", "12", "--rate", "2")
	b := openTab(t, d.base, true)
	b.open(d.enter)
	b.press("main form button")

	// Collect: a page elsewhere, shared from a phone.
	b.open("/admin/links/add?text=" + url.QueryEscape("읽어 봐 https://news.example.com/shared") + "&title=" + url.QueryEscape("나눈 소식"))
	b.press("main form button")
	b.must("모아뒀어요")

	// An article draft, with a text out of a word processor: one undo takes it back.
	b.open("/admin/articles/new")
	b.fill("#title", "저녁에 쓴 글")
	b.fill("#body", "첫 문단이에요. ")
	b.paste("#body", `<h2>붙인 제목</h2><p>붙인 <b>글</b></p>`, "붙인 제목 붙인 글")
	b.until("the paste has its form", `document.querySelector("#body").value.includes("붙인 **글**")`)
	eval[bool](b, `document.querySelector("#body").focus() || document.execCommand("undo")`)
	b.until("one undo takes it back", `document.querySelector("#body").value.trim() === "첫 문단이에요."`)
	b.press("button[data-save]")
	b.must("만들었어요")

	presses := 0
	press := func(css string) {
		t.Helper()
		presses++
		b.press(css)
	}
	b.open("/admin/issues")
	press("[data-new]")
	b.fill("[name=subject]", "저녁에 쓴 호")
	b.fill("[name=preheader]", "미리 보는 한 줄")
	for range 5 {
		press("#links .pile button")
	}
	if n := eval[int](b, `document.querySelectorAll("[data-row] [name=link_title]").length`); n != 5 {
		t.Fatalf("%d rows after five presses", n)
	}
	presses++ // the choice itself
	eval[bool](b, `[...document.querySelector("#article_pick").options].some((o) => o.text.includes("저녁에 쓴 글") && (o.selected = true))`)
	press("button[value=article-add]")
	press("button[value=send]")
	b.must("아직 발행하지 않은 아티클이 있어요")
	press("form[action$='/publish'] button")
	b.must("발행했어요")
	number := regexp.MustCompile(`/admin/issues/(\d+)`).FindStringSubmatch(eval[string](b, "location.pathname"))[1]
	press("form[action$='/send'] button")
	press("#do-send")
	b.until("it is sending", `document.body.innerText.includes("발송중")`)
	t.Logf("%d presses from the new issue to 발송중", presses)
	if presses > 12 {
		t.Errorf("it took %d presses", presses)
	}

	// Watch, pause, mend, go on.
	b.until("a letter has left", `Number(document.querySelector(".parts [data-tone=good] strong").textContent) > 0`)
	b.press("#do-pause")
	b.must("일시정지")
	b.press("a[href$='/repair']")
	b.fill("[name=subject]", "저녁에 고친 호")
	b.fill("[name=reason]", "제목의 오자")
	b.press("button[value=resume]")
	b.until("it is done", `document.body.innerText.includes("발송완료")`)
	b.must("정정 편지 쓰기")
	b.press("a[href$='/report']")
	b.must("발송 성공", "첫 24시간", "많이 누른 링크", "메일 서비스별", "지난 호와 견주기")
	b.open("/issues/" + number)
	b.must("저녁에 고친 호", "정정", "제목의 오자")
	b.clean()
}

// Saving by itself: nothing typed is lost by leaving, a second window is told and overwrites nothing, a lost session keeps the text here.
func TestBrowserWritingLosesNoWord(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--no-send", "--subscribers", "3")
	b := openTab(t, d.base, true)
	b.open(d.enter)
	b.press("main form button")
	b.open("/admin/issues/new")
	b.fill("[name=subject]", "저절로 남는 호")
	b.until("it saved itself", `document.querySelector("[data-saved]").textContent.startsWith("저장됨") && location.pathname !== "/admin/issues/new"`)
	at := eval[string](b, "location.pathname")
	if inbox := eval[string](b, `document.querySelector("[data-inbox=subject]").textContent`); inbox != "저절로 남는 호" {
		t.Errorf("the inbox shows %q", inbox)
	}
	// The letter follows the pen: from the last key to the letter in its frame, the pause of 250 ms and a round trip.
	took := eval[float64](b, `new Promise((done) => {
		const frame = document.querySelector("iframe[name=preview]");
		const began = performance.now();
		frame.addEventListener("load", () => done(performance.now() - began), { once: true });
		const subject = document.querySelector("[name=subject]");
		subject.value += "!";
		subject.dispatchEvent(new Event("input", { bubbles: true }));
	})`, chromedp.EvalAwaitPromise)
	t.Logf("the letter was there %.0f ms after the last key", took)
	b.until("that is saved too", `document.querySelector("[name=version]").value === "2"`)
	b.open(at)
	if got := eval[string](b, `document.querySelector("[name=subject]").value`); got != "저절로 남는 호!" {
		t.Fatalf("the draft has %q", got)
	}
	// Another window saves in between.
	eval[bool](b, `fetch(location.pathname + "/autosave", { method: "POST", headers: { Accept: "application/json" },
		body: new URLSearchParams([...new FormData(document.querySelector("#compose"))].map(([n, v]) => [n, n === "intro" ? "다른 창의 인사" : v])) }).then((a) => a.ok)`, chromedp.EvalAwaitPromise)
	b.fill("[name=preheader]", "이 창의 한 줄")
	b.until("the second window is told of", `!document.querySelector("[data-conflict]").hidden`)
	b.forget("409")
	b.press("button[data-save]")
	b.forget("409")
	b.must("다른 창에서 바뀌었어요", "다른 창의 인사")
	if got := eval[string](b, `document.querySelector("[name=preheader]").value`); got != "이 창의 한 줄" {
		t.Errorf("the text of this window became %q", got)
	}
	b.press("button[data-save]")
	b.must("저장했어요")

	// The session ends in mid-writing.
	eval[bool](b, `fetch("/admin/logout", { method: "POST", redirect: "manual" }).then(() => true)`, chromedp.EvalAwaitPromise)
	b.fill("[name=preheader]", "끊긴 뒤의 한 줄")
	b.until("it is told that the session is over", `document.querySelector("[data-saved]").textContent.includes("로그인이 끝났어요")`)
	eval[bool](b, `(document.querySelector("#compose").dataset.autosave = "") === ""`) // or it tries again, each time a complaint
	b.forget("401")
	kept := eval[string](b, `localStorage.getItem("draft:" + location.pathname) || ""`)
	if !strings.Contains(kept, "끊긴 뒤의 한 줄") {
		t.Errorf("this browser keeps %q", kept)
	}
	b.clean()
}
