package main_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The pages of an evening at the desk, each as the editor meets it: 0 violations in both themes, at the widths of a phone and a desk.
func TestBrowserDeskPages(t *testing.T) {
	t.Parallel()
	script := axeScript(t)
	d := startDemo(t, "--no-send", "--subscribers", "8", "--rate", "100")
	b := openTab(t, d.base, true)
	number := strings.TrimSuffix(strings.TrimPrefix(d.issue, "/admin/issues/"), "/send")
	at := "/admin/issues/" + number
	b.open(d.enter)
	b.press("main form button")
	b.open("/admin/media")
	eval[bool](b, `(async () => {
		const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
		canvas.getContext("2d").fillRect(20, 20, 200, 100);
		const body = new FormData();
		body.append("file", await new Promise((done) => canvas.toBlob(done)), "그림.png");
		body.append("alt", "검은 네모");
		return (await fetch("/admin/media", { method: "POST", body })).ok;
	})()`, chromedp.EvalAwaitPromise)
	visit := func(pages ...string) {
		t.Helper()
		for _, p := range pages {
			b.open(p)
			b.axe(p, script)
		}
	}
	visit("/admin/links", "/admin/links/add?url=https://news.example.com/x", "/admin/media", "/admin/articles/new", "/admin/articles/"+b.slug()+"/history", at, at+"/history", at+"/send")
	b.send(number)
	b.axe("a finished send", script)
	visit(at+"/report", at+"/repair", "/admin")
	b.clean()
}
