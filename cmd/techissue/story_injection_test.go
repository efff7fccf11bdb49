package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"techissue/mailer/smtptest"
)

// S25: addresses that try to be more than one address, or a command.
var hostileAddresses = []string{
	`"a> ORCPT=x"@example.com`, `a@example.com> SIZE=1`, "a@example.com\r\nRCPT TO:<b@example.com>", "a@example.com\nb@example.com", `"a b"@example.com`, "a@example.com,b@example.com",
	"a@example.com b@example.com", "Group: a@example.com;", "a(comment)@example.com", "<a@example.com>", "a@example.com\x00", "a@[127.0.0.1]", "a@localhost", "a@example", "@example.com", "a@@example.com",
	"a@exam\u200bple.com", "한글@example.com", "a%b@example.com@evil.example", strings.Repeat("a", 65) + "@example.com", "a@-example.com",
	"a..b@example.com", ".a@example.com", "a\t@example.com", "a;b@example.com", "a@example.com?cc=b@example.com",
}

// S24: texts that try to be a header, a part or the end of a letter; S26: line ends that one server reads as the end and another does not.
var hostileTexts = []string{
	"a\r\nBcc: evil@example.com", "a\nX-Injected: 1", "a\rX-Injected: 1", "a\r\n\r\nbody", "a\x00b", "a\u0085b", "=?utf-8?q?=0D=0AX-Injected:_1?=", "a\r\n.\r\nMAIL FROM:<evil@example.com>",
	"a\n.\nb", "a\r.\rb", "a\n.\r\nb", "a\r\n.\rb", ".", "..", "\"; X=\"", "김\u202e철수", "<b>굵게</b>", "{{.Email}}", "{이름", "a\u2028b", "a\x1b[31m", "%0d%0aX-Injected: 1", "\xff\xfe",
}

var commandLine = regexp.MustCompile(`^(EHLO \S+|MAIL FROM:<[a-z0-9.+=_-]*@[a-z0-9.-]+>( SIZE=\d+)?( BODY=8BITMIME)?|RCPT TO:<[a-z0-9.!#$%&'*+/=?^_{|}~-]+@[a-z0-9.-]+>|DATA|QUIT|RSET|NOOP)$`)

// S24, S25, S26: hostile words through every door that leads into a letter. The server sees one clean letter for each one we meant.
func TestStoryOfHostileWords(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	key := h.key("all")
	h.serve()
	for i, a := range hostileAddresses {
		code, _ := h.post("/subscribe", url.Values{"email": {a}, "consent": {"on"}, "age14": {"on"}})
		if code != 422 && code != 429 {
			t.Errorf("the address %q at the form: %d", a, code)
		}
		body, _ := json.Marshal(map[string]any{"email": a, "status": "active", "consent": map[string]any{"source": "test"}})
		if code, out := h.call(key, "POST", "/api/v1/subscribers", string(body), "Idempotency-Key", fmt.Sprint("a", i)); code != 422 && code != 400 {
			t.Errorf("the address %q at the API: %d %v", a, code, out)
		}
	}
	active := 0
	for i, text := range hostileTexts {
		body, _ := json.Marshal(map[string]any{"email": fmt.Sprintf("name%d@example.com", i), "name": text, "status": "active", "consent": map[string]any{"source": "test"}})
		if code, _ := h.call(key, "POST", "/api/v1/subscribers", string(body), "Idempotency-Key", fmt.Sprint("n", i)); code == 201 {
			active++
		}
	}
	sent := 0
	for i, text := range hostileTexts {
		body, _ := json.Marshal(map[string]any{"subject": "제목 " + text, "intro": text + "\n{이름|독자}님" + text})
		code, out := h.call(key, "POST", "/api/v1/issues", string(body), "Idempotency-Key", fmt.Sprint("s", i))
		if code != 201 { // the subject was refused: the same words in the body alone
			if code != 422 && code != 400 {
				t.Errorf("the subject %q: %d %v", text, code, out)
			}
			body, _ = json.Marshal(map[string]any{"subject": "제목", "preheader": "미리", "intro": "첫 줄\n" + text + "\n끝 {이름|독자}님", "outro": text,
				"links": []any{map[string]any{"url": "https://news.example/1", "title": "소식", "summary": strings.ToValidUTF8(strings.Map(printable, text), "")}}})
			if code, out = h.call(key, "POST", "/api/v1/issues", string(body), "Idempotency-Key", fmt.Sprint("t", i)); code != 201 {
				continue
			}
		}
		n := fmt.Sprintf("/api/v1/issues/%v", out["number"])
		if code, out := h.call(key, "POST", n+"/send", "", "Idempotency-Key", fmt.Sprint("u", i)); code != 202 {
			t.Fatalf("send %q: %d %v", text, code, out)
		}
		h.until("the issue is done", func() bool { _, p := h.call(key, "GET", n+"/progress", ""); return p["state"] == "done" })
		sent++
	}
	if active < 5 || sent < 15 {
		t.Fatalf("only %d readers and %d issues were made", active, sent)
	}
	if got := len(h.smtp.Accepted()); got != active*sent {
		t.Errorf("%d letters for %d readers and %d issues", got, active, sent)
	}
	for _, f := range h.smtp.Faults() {
		t.Errorf("a breach of SMTP: %+v", f)
	}
	for _, c := range h.smtp.Commands() {
		if !commandLine.MatchString(c.Line) {
			t.Errorf("the command %q", c.Line)
		}
	}
	once := []string{"From", "To", "Subject", "Date", "Message-Id", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Content-Type", "Mime-Version"}
	for _, m := range h.smtp.Accepted() {
		header := m.Header()
		for _, name := range once {
			if len(header[name]) != 1 {
				t.Errorf("%d times %s in the letter %q", len(header[name]), name, m.Subject())
			}
		}
		if header.Get("X-Injected") != "" || header.Get("Bcc") != "" || len(m.To) != 1 {
			t.Errorf("injected: %v to %v", header, m.To)
		}
		to, err := mail.ParseAddressList(header.Get("To"))
		if err != nil || len(to) != 1 || to[0].Address != m.Rcpt() {
			t.Fatalf("To: %q, %v", header.Get("To"), err)
		}
		if name := to[0].Name; strings.ContainsAny(name+m.Subject(), "\r\n") || strings.Contains(string(m.Data), "=0D=0A") {
			t.Errorf("an encoded word of somebody else: %q, %q", name, m.Subject())
		}
		if parts, err := m.Parts(); err != nil || len(parts) != 2 {
			t.Errorf("the letter %q has %d parts, %v", m.Subject(), len(parts), err)
		}
	}
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u202e' {
		return -1
	}
	return r
}

// S31: whatever host a request names, letters and pages lead to ours.
func TestStoryOfAForgedHost(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.serve()
	forged := func(method, path, form string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, h.base+path, strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "evil.example"
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, name := range []string{"X-Forwarded-Host", "X-Host", "X-Original-Host", "Forwarded", "X-Forwarded-Server", "X-Original-URL", "X-Rewrite-URL"} {
			req.Header.Set(name, "evil.example")
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return fmt.Sprint(res.Header) + string(body)
	}
	for _, p := range []string{"/", "/subscribe", "/articles", "/issues", "/about", "/privacy", "/feed.xml", "/atom.xml", "/feed.json", "/sitemap.xml", "/robots.txt", "/no/such", "/admin", "/openapi.json", "/api/v1/me", "/docs/api"} {
		if strings.Contains(forged("GET", p, ""), "evil.example") {
			t.Errorf("%s repeats the forged host", p)
		}
	}
	forged("POST", "/subscribe", url.Values{"email": {"host@example.com"}, "consent": {"on"}, "age14": {"on"}}.Encode())
	h.until("the confirmation", func() bool { return len(h.smtp.Accepted()) == 1 })
	m := h.smtp.Accepted()[0]
	if raw := m.Text() + m.HTML() + string(m.Data); strings.Contains(raw, "evil.example") || !strings.Contains(m.Text(), h.base+"/confirm/") {
		t.Errorf("the confirmation: %s", m.Text())
	}
}

// S32, S38: a stranger who writes another X-Forwarded-For each time meets the limits all the same, and one victim gets few letters.
func TestStoryOfAFlood(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.serve()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answers := map[int]int{}
	for i := range 80 {
		form := url.Values{"email": {fmt.Sprintf("flood%d@example.com", i)}, "consent": {"on"}, "age14": {"on"}}
		req, err := http.NewRequestWithContext(t.Context(), "POST", h.base+"/subscribe", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i))
		req.Header.Set("X-Real-Ip", fmt.Sprintf("198.51.100.%d", i))
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		answers[res.StatusCode]++
	}
	if answers[429] == 0 || answers[303] > 60 {
		t.Errorf("80 sign-ups from one machine: %v", answers)
	}
	t.Logf("80 sign-ups from one machine: %v", answers)
}

// S35: raw request lines that a client library would tidy up.
func TestStoryOfPathsThatClimb(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.serve()
	for _, target := range []string{
		"/../../etc/passwd", "/assets/../../../etc/passwd", "/assets/x/..%2f..%2f..%2fetc%2fpasswd", "/assets/x/%2e%2e/%2e%2e/secret", "/assets/x/..\\..\\secret", "/%2e%2e/techissue.db",
		"//etc/passwd", "/assets/x/....//....//etc/passwd", "/articles/../../../etc/passwd", "/assets/%00", "/issues/..%00", "/assets/x/%252e%252e%252fsecret", "http://evil.example/etc/passwd", "/assets/x/\xc0\xae\xc0\xae/secret",
	} {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(h.base, "http://"), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			conn.Close()
			t.Errorf("%q: %v", target, err)
			continue
		}
		body, _ := io.ReadAll(res.Body)
		conn.Close()
		if res.StatusCode >= 500 || strings.Contains(string(body), "root:") || strings.Contains(string(body), "SQLite format") {
			t.Errorf("%q: %d %s", target, res.StatusCode, clip(body))
		}
		if loc := res.Header.Get("Location"); strings.HasPrefix(loc, "//") || strings.HasPrefix(loc, "http") && !strings.HasPrefix(loc, h.base) {
			t.Errorf("%q leads away to %q", target, loc)
		}
	}
}
