package handlers_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

// Every error that a stranger can cause, as a page and as JSON: the status, a Korean sentence with a way on, the request's id, and nothing
// of the inside, of what was sent, or of who reads.
func TestEveryErrorPage(t *testing.T) {
	t.Parallel()
	const secret, evil = "secret.reader@example.com", `"><script>alert(1)</script>`
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	foreign := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}
	for _, row := range []struct {
		name, method, path, body string
		header                   http.Header
		status                   int
		want                     string
	}{
		{"a page that is not", "GET", "/no/such/page?x=" + evil, "", nil, 404, "찾으시는 페이지가 없어요"},
		{"an article that is not", "GET", "/articles/no-such", "", nil, 404, ""},
		{"an issue that is not", "GET", "/issues/999", "", nil, 404, ""},
		{"a letter that is not", "GET", "/issues/999/letter", "", nil, 404, ""},
		{"a tag that is not", "GET", "/tags/no-such", "", nil, 404, ""},
		{"a method that is not", "DELETE", "/", "", nil, 405, "할 수 없는 요청이에요"},
		{"a broken confirmation", "GET", "/confirm/broken", "", nil, 404, ""},
		{"a broken confirmation, pressed", "POST", "/confirm/broken", "", form, 404, ""},
		{"a used confirmation", "GET", "/confirm/USED", "", nil, 410, "이미 사용한 링크예요"},
		{"a broken way out", "GET", "/u/broken", "", nil, 404, "관리 링크"},
		{"a broken way out, pressed", "POST", "/u/broken", "List-Unsubscribe=One-Click", form, 404, ""},
		{"a broken /me link", "GET", "/me/broken", "", nil, 404, ""},
		{"the own page without a link", "POST", "/me/settings/erase", "", form, 401, ""},
		{"another site's form", "POST", "/me", "email=" + secret, foreign, 403, "다른 사이트에서 보낸 요청"},
		{"a body that is too long", "POST", "/subscribe", "email=" + strings.Repeat("a", 70<<10), form, 413, "너무 커요"},
		{"an empty sign-up", "POST", "/subscribe", "", form, 422, "고칠 곳이 있어요"},
		{"markup in a sign-up", "POST", "/subscribe", "name=" + evil + "&email=" + evil, form, 422, ""},
		{"a wrong password", "POST", "/admin/login", "email=stranger@example.com&password=wrong+password", form, 401, "맞지 않아요"},
		{"a broken setup link, pressed", "POST", "/admin/setup", "t=broken&email=a@example.com&password=long+enough+words", form, 404, ""},
		{"JSON that is none", "POST", "/subscribe", `{"email":`, http.Header{"Content-Type": {"application/json"}}, 400, ""},
		{"an API without a key", "GET", "/api/v1/subscribers", "", nil, 401, ""},
		{"an API with a wrong key", "GET", "/api/v1/subscribers", "", http.Header{"Authorization": {"Bearer ti_" + secret}}, 401, ""},
		{"an API path that is not", "GET", "/api/v1/no/such", "", nil, 404, ""},
		{"an asset that is not", "GET", "/assets/x/no.css", "", nil, 404, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.reader(secret)
			used := h.link(newsletter.NoticeConfirm, newsletter.PurposeConfirm, secret)
			h.clock.add(time.Minute)
			path := strings.ReplaceAll(row.path, "USED", used)
			for _, accept := range []string{"text/html", "application/json"} {
				header := http.Header{"Accept": {accept}}
				for k, v := range row.header {
					header[k] = v
				}
				a := h.browser().do(row.method, strings.ReplaceAll(path, `"><script>alert(1)</script>`, "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"), strings.NewReader(row.body), header)
				if a.StatusCode != row.status {
					t.Fatalf("as %s: %d, want %d: %s", accept, a.StatusCode, row.status, clip(a.text))
				}
				kind := a.Header.Get("Content-Type")
				if strings.HasPrefix(kind, "text/html") {
					a.must(t, row.status, row.want).mustNot(t, "<script>alert", secret, "홍길동")
					if !strings.Contains(a.text, `lang="ko"`) || !strings.Contains(a.text, "<h1") {
						t.Errorf("no Korean page with a heading: %s", clip(a.text))
					}
				} else {
					var p struct {
						Status       int
						Code, Detail string
					}
					if err := json.Unmarshal([]byte(a.text), &p); err != nil || kind != "application/problem+json" || p.Status != row.status || p.Code == "" {
						t.Errorf("as %s: %s %s", accept, kind, a.text)
					}
					if !strings.ContainsFunc(p.Detail, func(r rune) bool { return r >= '가' && r <= '힣' }) {
						t.Errorf("the detail is no Korean sentence: %q", p.Detail)
					}
				}
				if a.Header.Get("X-Request-Id") == "" {
					t.Error("no request id")
				}
				for _, w := range append(inside, "echo:", "code=", "message=", "EOF", "invalid character", "%!", "map[", "http.") {
					if strings.Contains(a.text, w) {
						t.Errorf("as %s the answer has %q: %s", accept, w, clip(a.text))
					}
				}
			}
		})
	}
}
