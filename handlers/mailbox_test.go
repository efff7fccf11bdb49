package handlers_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"techissue/db/dbtest"
	"techissue/handlers"
	"techissue/newsletter"
)

// box keeps letters for these tests; the demo's own is fed by the built-in SMTP server.
type box struct {
	mu    sync.Mutex
	mails []handlers.CaughtMail
}

func (b *box) List() []handlers.CaughtMail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]handlers.CaughtMail(nil), b.mails...)
}

func (b *box) Get(id string) (handlers.CaughtMail, bool) {
	for _, m := range b.List() {
		if m.ID == id {
			return m, true
		}
	}
	return handlers.CaughtMail{}, false
}

func (b *box) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails = nil
}

func letterWith(unsubscribe string) []byte {
	return []byte(strings.ReplaceAll(`From: =?utf-8?B?7YWM7YGs7J6H7IqI?= <letter@example.com>
To: reader@example.com
Subject: =?utf-8?B?MTLtmLgg67CY64+E7LK0?=
List-Unsubscribe: <mailto:u@example.com>, <`+unsubscribe+`>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8

글로 된 편지
--b
Content-Type: text/html; charset=utf-8

<html><body style="color:red"><script>alert(1)</script>그림 편지</body></html>
--b--
`, "\n", "\r\n"))
}

func TestMailbox(t *testing.T) {
	t.Parallel()
	caught := &box{}
	var views atomic.Int32
	h := newHouse(t, func(o *handlers.Options) {
		o.Demo = &handlers.Demo{Bar: "데모 · 실제로 발송하지 않습니다", Mailbox: caught, OnFirstView: func() { views.Add(1) }}
	})
	sub := h.reader("reader@example.com")
	tok := h.keys.Sign(newsletter.PurposeUnsubscribe, int64(sub.ID), noTime)
	caught.mails = []handlers.CaughtMail{
		{ID: "2", At: dbtest.Start, From: "b@example.com", To: []string{"reader@example.com"}, Raw: letterWith("http://localhost:8080/u/" + tok)},
		{ID: "1", At: dbtest.Start, To: []string{"other@example.com"}, Raw: letterWith("https://evil.example/u/" + tok)},
		{ID: "0", At: dbtest.Start, To: []string{"x@example.com"}, Raw: []byte("no mail at all")},
	}
	b := h.browser()
	b.do("HEAD", "/", nil, nil)
	b.get("/mailbox").must(t, 200, "데모 · 실제로 발송하지 않습니다", "받는 사람", "12호 반도체", "reader@example.com", "18:00:00", "모두 지우기")
	b.get("/mailbox?q=other").must(t, 200, "other@example.com").mustNot(t, "reader@example.com")
	b.get("/mailbox/list").must(t, 200, "12호 반도체").mustNot(t, "<html")
	b.get("/mailbox/2").must(t, 200, `src="/mailbox/2/html"`, `sandbox="allow-popups allow-popups-to-escape-sandbox"`, "원클릭 수신거부 보내기", ".eml 받기").
		mustNot(t, "<script>alert", "srcdoc")
	b.get("/mailbox/2?tab=text").must(t, 200, "글로 된 편지")
	b.get("/mailbox/2?tab=raw").must(t, 200, "boundary=b", "&lt;script&gt;")
	b.get("/mailbox/2?tab=headers").must(t, 200, "List-Unsubscribe-Post")
	b.get("/mailbox/0").must(t, 200)
	b.get("/mailbox/nothing").must(t, 404)
	frame := b.get("/mailbox/2/html").must(t, 200, "그림 편지", `<html><base target="_blank">`)
	if csp := frame.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "sandbox") ||
		strings.Contains(csp, "allow-scripts") || !strings.Contains(csp, "frame-ancestors 'self'") {
		t.Errorf("CSP of the frame: %s", csp)
	}
	raw := b.get("/mailbox/2/raw.eml").must(t, 200)
	if raw.text != string(letterWith("http://localhost:8080/u/"+tok)) || raw.Header.Get("Content-Type") != "message/rfc822" {
		t.Error("the .eml is not the letter's bytes")
	}
	b.post("/mailbox/1/one-click", nil).must(t, 200, "원클릭 수신거부 주소가 없어요")
	if h.subscriber("reader@example.com").Status != newsletter.Active {
		t.Fatal("a foreign address was posted to")
	}
	b.post("/mailbox/2/one-click", nil).must(t, 200, "200 OK")
	if got := h.subscriber("reader@example.com").Status; got != newsletter.Unsubscribed {
		t.Errorf("after one click: %s", got)
	}
	if a := b.post("/mailbox/clear", nil); a.StatusCode != http.StatusSeeOther || len(caught.List()) != 0 {
		t.Errorf("clear: %d, %d left", a.StatusCode, len(caught.List()))
	}
	b.get("/mailbox").must(t, 200, "아직 온 메일이 없어요")
	if views.Load() != 1 {
		t.Errorf("the first view was told %d times", views.Load())
	}
}
