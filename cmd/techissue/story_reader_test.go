package main_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"techissue/mailer/smtptest"
)

// The main job: sign up, confirm from the caught letter, send, one click, and the second issue leaves that reader out.
func TestStoryOfAReader(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	server := h.serve()
	h.run(3, "serve") // the folder is in use
	if code, body := h.post("/subscribe", url.Values{"email": {"not an address"}}); code != 422 || !strings.Contains(body, "동의") {
		t.Errorf("a bad form: %d", code)
	}
	for _, email := range []string{"kim@naver.example", "lee@daum.example"} {
		if code, _ := h.post("/subscribe", url.Values{"email": {email}, "name": {"김독자"}, "consent": {"on"}, "age14": {"on"}}); code != 303 {
			t.Fatalf("subscribe: %d", code)
		}
	}
	h.until("two confirmations", func() bool { return len(h.smtp.Accepted()) == 2 })
	for _, m := range h.smtp.Accepted() {
		link := strings.TrimPrefix(linkIn.FindString(m.Text()), h.base)
		res, err := http.Get(h.base + link) // a scanner opens every link
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("GET %s: %v", link, err)
		}
		res.Body.Close()
		if code, _ := h.post(link, nil); code != 200 {
			t.Fatalf("confirm: %d", code)
		}
		if code, _ := h.post(link, nil); code != 410 {
			t.Errorf("confirming twice: %d", code)
		}
	}
	h.until("two welcomes", func() bool { return len(h.smtp.Accepted()) == 4 })
	h.run(0, "issue", "create", h.write("1.md", fmt.Sprintf(issueText, "첫 호")))
	h.run(0, "issue", "send", "1", "--wait")
	letters := h.smtp.Accepted()[4:]
	if len(letters) != 2 {
		t.Fatalf("%d letters of issue 1", len(letters))
	}
	opt := strings.Trim(letters[0].Header().Get("List-Unsubscribe"), "<>")
	gone := letters[0].Rcpt()
	for range 2 { // idempotent
		if code, _ := h.post(strings.TrimPrefix(opt, h.base), url.Values{"List-Unsubscribe": {"One-Click"}}); code != 200 {
			t.Fatalf("one-click: %d", code)
		}
	}
	h.run(0, "issue", "create", h.write("2.md", fmt.Sprintf(issueText, "둘째 호")))
	h.run(0, "issue", "send", "2", "--wait")
	if c := h.counts(2); c["recipients"] != 1.0 || c["sent"] != 1.0 {
		t.Errorf("issue 2: %v", c)
	}
	var refusals int
	for _, m := range h.smtp.Accepted() {
		if m.Subject() == "둘째 호" && m.Rcpt() == gone {
			t.Error("the second issue went to the reader who left")
		}
		if strings.Contains(m.Subject(), "수신거부 처리 결과") {
			refusals++
		}
	}
	if refusals != 1 {
		t.Errorf("%d notices of the refusal, want one", refusals)
	}
	if log, err := os.ReadFile(filepath.Join(h.data, "leavers.log")); err != nil || !strings.Contains(string(log), "unsubscribed") {
		t.Errorf("leavers.log: %q, %v", log, err)
	}
	if out := h.run(4, "subscribers", "import", h.write("back.csv", "email\n"+gone+"\nbroken\n"), "--consent-source", "test"); !strings.Contains(out, "3") {
		t.Errorf("the import does not name line 3: %s", out)
	}
	if out := h.run(0, "subscribers", "list", "--status", "active", "--json"); strings.Contains(out, gone) {
		t.Error("an import revived a reader who left")
	}
	h.run(0, "doctor", "--offline")
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	if faults := h.smtp.Faults(); len(faults) > 0 {
		t.Errorf("breaches of SMTP: %v", faults)
	}
}

// Link scanners open everything a letter names, by every reading method, and change nothing.
func TestStoryOfAScanner(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.first(3)
	h.serve()
	if code, _ := h.post("/subscribe", url.Values{"email": {"new@example.com"}, "consent": {"on"}, "age14": {"on"}}); code != 303 {
		t.Fatalf("subscribe: %d", code)
	}
	h.run(0, "issue", "send", "1", "--wait")
	h.until("four letters", func() bool { return len(h.smtp.Accepted()) == 4 })
	state := func() string {
		return h.run(0, "subscribers", "list", "--json") + h.run(0, "issue", "deliveries", "1", "--json") + h.run(0, "suppress", "list", "--json")
	}
	before := state()
	opened := 0
	for _, m := range h.smtp.Accepted() {
		links := map[string]bool{}
		for _, l := range ownLink.FindAllString(m.Header().Get("List-Unsubscribe")+" "+m.Text()+" "+html.UnescapeString(m.HTML()), -1) {
			if strings.HasPrefix(l, h.base) {
				links[l] = true
			}
		}
		for l := range links {
			for _, method := range []string{"HEAD", "GET", "OPTIONS", "GET"} {
				req, err := http.NewRequestWithContext(t.Context(), method, l, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("User-Agent", "Mozilla/5.0 (compatible; LinkScanner)")
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if method != "OPTIONS" && res.StatusCode != 200 {
					t.Errorf("%s %s: %d", method, l, res.StatusCode)
				}
				opened++
			}
		}
	}
	if opened < 4*4 {
		t.Errorf("only %d requests", opened)
	}
	if after := state(); after != before {
		t.Errorf("a scanner changed something:\n%s\n%s", before, after)
	}
	if n := len(h.smtp.Accepted()); n != 4 {
		t.Errorf("a scanner caused %d letters", n-4)
	}
}

var ownLink = regexp.MustCompile(`https?://[^\s"'<>)]+`)
