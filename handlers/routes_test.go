package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"techissue/handlers"
	"techissue/newsletter"
)

// fill puts something that exists nowhere into every parameter of a route.
func fill(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		switch {
		case p == ":number":
			parts[i] = "999999"
		case strings.HasPrefix(p, ":"), p == "*":
			parts[i] = "nothing"
		case strings.HasPrefix(p, "{"):
			parts[i] = "1"
		}
	}
	return strings.Join(parts, "/")
}

func walk(t *testing.T) (*house, []handlers.RouteInfo) {
	t.Helper()
	h := newHouse(t, func(o *handlers.Options) { o.Demo = &handlers.Demo{Bar: "데모", Mailbox: &box{}} })
	handler, routes, err := handlers.NewWithRoutes(h.options)
	if err != nil {
		t.Fatal(err)
	}
	h.handler = handler
	if len(routes) < 40 {
		t.Fatalf("only %d routes", len(routes))
	}
	return h, routes
}

// S22: every answer carries the headers, errors too.
func TestEveryRouteCarriesTheSecurityHeaders(t *testing.T) {
	t.Parallel()
	h, routes := walk(t)
	routes = append(routes, handlers.RouteInfo{Method: "GET", Path: "/no/such/page"}, handlers.RouteInfo{Method: "PUT", Path: "/"})
	for _, r := range routes {
		if r.Stream {
			continue
		}
		a := h.browser().do(r.Method, fill(r.Path), nil, nil)
		name := r.Method + " " + r.Path
		csp := a.Header.Get("Content-Security-Policy")
		for _, part := range []string{"object-src 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s (%d): CSP %q lacks %q", name, a.StatusCode, csp, part)
			}
		}
		switch {
		case r.Framed:
			if !strings.Contains(csp, "sandbox") || strings.Contains(csp, "allow-scripts") || strings.Contains(csp, "allow-same-origin") {
				t.Errorf("%s: CSP of a framed page is %q", name, csp)
			}
		case !strings.Contains(csp, "default-src 'self'; script-src 'self';") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe"):
			t.Errorf("%s: CSP is %q", name, csp)
		}
		for header, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin"} {
			if got := a.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
		want := "strict-origin-when-cross-origin"
		if r.Token {
			want = "no-referrer"
		}
		if got := a.Header.Get("Referrer-Policy"); got != want {
			t.Errorf("%s: Referrer-Policy is %q, want %q", name, got, want)
		}
		if a.Header.Get("X-Request-Id") == "" || a.Header.Get("Permissions-Policy") == "" {
			t.Errorf("%s: no request id or permissions policy", name)
		}
		if a.Header.Get("Server") != "" || a.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: says too much", name)
		}
	}
}

func TestHSTSFollowsTheBaseURL(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *handlers.Options) { o.BaseURL = "https://letter.example.com" })
	if got := h.browser().get("/healthz").Header.Get("Strict-Transport-Security"); !strings.HasPrefix(got, "max-age=31536000") {
		t.Errorf("HSTS is %q", got)
	}
}

// S13: a foreign page can post only where no cookie has authority.
func TestForeignPagesCannotActOnACookie(t *testing.T) {
	t.Parallel()
	h, routes := walk(t)
	exempt := map[string]bool{"POST /subscribe": true, "POST /u/:token": true, "POST /u/:token/reason": true, "POST /u/:token/resubscribe": true}
	for _, r := range routes {
		if r.Method == "GET" {
			continue
		}
		name := r.Method + " " + r.Path
		if r.Outside && !exempt[name] && !strings.HasPrefix(r.Path, "/hooks/") {
			t.Errorf("%s is open to foreign pages and should not be", name)
		}
		for _, header := range []http.Header{
			{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
			{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://blog.localhost:8080"}},
			{"Origin": {"https://evil.example"}},
		} {
			a := h.browser().do(r.Method, fill(r.Path), nil, header)
			refused := a.StatusCode == http.StatusForbidden
			if refused == (r.Outside || r.Key) {
				t.Errorf("%s with %v: %d", name, header, a.StatusCode)
			}
		}
	}
}

// The page of a mailed link posts without Origin and, on plain http, without Sec-Fetch-Site.
func TestATokenPageMayPostWithoutOrigin(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.browser().do("POST", "/confirm/nothing", nil, http.Header{"Origin": {"null"}})
	a.must(t, http.StatusNotFound)
	h.browser().do("POST", "/me", nil, http.Header{"Origin": {"null"}}).must(t, http.StatusForbidden)
}

// S14: HEAD answers as GET without a body; TRACE and disguised methods do nothing.
func TestMethods(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	if a := b.do("HEAD", "/", nil, nil); a.StatusCode != 200 || a.text != "" || a.Header.Get("Content-Type") != "text/html; charset=UTF-8" {
		t.Errorf("HEAD /: %d, %d bytes, %s", a.StatusCode, len(a.text), a.Header.Get("Content-Type"))
	}
	if a := b.do("TRACE", "/", nil, nil); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("TRACE: %d", a.StatusCode)
	}
	a := b.do("DELETE", "/", nil, nil)
	if a.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(a.Header.Get("Allow"), "GET") {
		t.Errorf("DELETE /: %d, Allow %q", a.StatusCode, a.Header.Get("Allow"))
	}
	sub := h.reader("head@example.com")
	tok := h.keys.Sign(newsletter.PurposeUnsubscribe, int64(sub.ID), noTime)
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		b.do(method, "/u/"+tok, nil, http.Header{"X-Http-Method-Override": {"POST"}})
		b.do(method, "/u/"+tok+"?_method=POST&List-Unsubscribe=One-Click", nil, nil)
	}
	if s := h.subscriber("head@example.com"); s.Status != newsletter.Active {
		t.Errorf("a reading method unsubscribed: %s", s.Status)
	}
}

// S15: what is not in the registry does not exist, and what is there without an access stops the program.
func TestARouteWithoutAccessStopsTheProgram(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if !handlers.UnlistedRoutePanics(h.options) {
		t.Error("a route without access was mounted")
	}
	for _, r := range mustRoutes(t, h.options) {
		if strings.HasPrefix(r.Path, "/mailbox") {
			t.Errorf("%s is mounted outside the demo", r.Path)
		}
	}
	h.browser().get("/mailbox").must(t, http.StatusNotFound)
}

func mustRoutes(t *testing.T, o handlers.Options) []handlers.RouteInfo {
	t.Helper()
	_, routes, err := handlers.NewWithRoutes(o)
	if err != nil {
		t.Fatal(err)
	}
	return routes
}

// Desk and API let nobody in without a session or a key.
func TestStrangersMeetClosedDoors(t *testing.T) {
	t.Parallel()
	h, routes := walk(t)
	for _, r := range routes {
		if !r.Admin && !r.Key {
			continue
		}
		a := h.browser().do(r.Method, fill(r.Path), nil, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Accept": {"text/html"}})
		toLogin := a.StatusCode == http.StatusSeeOther && strings.HasPrefix(a.Header.Get("Location"), "/admin/login")
		if a.StatusCode != http.StatusUnauthorized && !(r.Admin && r.Method == "GET" && toLogin) {
			t.Errorf("%s %s: %d", r.Method, r.Path, a.StatusCode)
		}
	}
}

// S35: no path reaches the file system.
func TestPathsCannotClimb(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, p := range []string{
		"/assets/x/../templates.go", "/assets/x/%2e%2e/templates.go", "/assets/x/..%2ftemplates.go", "/assets/x/..%5ctemplates.go", "/assets/x/%00site.css",
		"/assets/x/vendor", "/assets/x/vendor/", "/assets/x//etc/passwd", "/articles/..%2f..%2fetc%2fpasswd", "/articles/%00",
		"/tags/..%2f", "/issues/-1", "/issues/01", "/issues/1e3", "/issues/99999999999999999999",
	} {
		if a := h.browser().get(p); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", p, a.StatusCode)
		}
	}
}
