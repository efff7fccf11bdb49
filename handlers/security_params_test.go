package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/handlers"
	"techissue/newsletter"
)

// hostileValues are tried in every parameter. PostgreSQL refuses NUL and broken UTF-8 where SQLite takes them, integers overflow in
// different places, and quotes are quotes in both.
var hostileValues = []string{
	"'", `"`, "' OR '1'='1", "1); DROP TABLE subscribers--", `\`, "%", "\x00", "\xff\xfe", "가\x00나", "{{.}}", "-1", "0", "1e309",
	"9223372036854775807", "-9223372036854775808", "99999999999999999999", "\u202e", "../../etc/passwd", "a\r\nX-Injected: 1", strings.Repeat("가", 3000),
	"<script>alert(1)</script>", "[]", "",
}

// hostileFields are the names that any form, query or JSON body of ours knows, and some that none does.
var hostileFields = []string{
	"q", "page", "cursor", "limit", "status", "state", "tab", "width", "part", "t", "v", "next", "saved", "sort", "order", "id", "ids", "tag", "tags", "email", "name", "consent", "ad_consent", "age14",
	"started", "website", "reason", "reason_text", "address", "subject", "preheader", "kind", "intro", "links", "articles", "outro", "to", "at", "title", "slug", "summary", "body", "password",
	"weeks", "number", "audience", "expires_at", "uncertain", "scopes", "url", "types", "role", "confirmed", "states", "reasons", "copy", "source", "sent_at", "archived", "parent", "company", "type", "message",
}

// inside is what no answer may show of us.
var inside = []string{"SQLSTATE", "sqlite", "SQL logic", "pgconn", "OID ", "syntax error", "goroutine ", "panic", ".go:", "no such table", "no such column", "/secret/", "techissue/handlers", "template:"}

// S18: whatever stands in a path, a query, a form or a JSON body, on both engines and for every caller, nothing breaks and nothing shows.
// A route meets every value on one of the engines, an engine every value on every second route: all of it on both takes minutes with -race.
func TestHostileParameters(t *testing.T) {
	t.Parallel()
	c := &clock{t: dbtest.Start}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouseOn(t, d, c, nil, func(o *handlers.Options) { o.Demo = &handlers.Demo{Bar: "데모", Mailbox: &box{}} })
		handler, routes, err := handlers.NewWithRoutes(h.options)
		if err != nil {
			t.Fatal(err)
		}
		h.handler = handler
		h.article("제목", "글", "태그")
		h.past(3, "지난 호")
		const password = "a password of this test"
		if _, err := h.svc.CreateAdmin(t.Context(), "test", "owner@example.com", newsletter.Owner, password); err != nil {
			t.Fatal(err)
		}
		plain, _, err := h.svc.CreateKey(t.Context(), "test", "walker", []newsletter.Scope{"all"}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		desk := h.browser()
		desk.post("/admin/login", url.Values{"email": {"owner@example.com"}, "password": {password}}).must(t, http.StatusSeeOther)
		session := desk.cookies
		broken := 0
		for n, r := range routes {
			if r.Stream || strings.HasSuffix(r.Path, "/logout") {
				continue
			}
			for i, v := range hostileValues {
				if (n+i)%2 == 0 != (d.Engine() == "sqlite") {
					continue
				}
				b := h.browser()
				b.ip = fmt.Sprintf("203.0.%d.%d", 100+i, i) // limits by address are another test's
				for k, c := range session {
					b.cookies[k] = c
				}
				for _, a := range hostileRequests(b, r, plain, v, n/2+i) {
					text := strings.ReplaceAll(a.text, v, "")
					bad := a.StatusCode >= 500 || a.Header.Get("X-Injected") != ""
					for _, w := range inside {
						bad = bad || strings.Contains(text, w)
					}
					if bad {
						if broken++; broken <= 20 {
							t.Errorf("%s %s with %.40q: %d %s", r.Method, r.Path, v, a.StatusCode, clip(a.text)[:min(len(clip(a.text)), 300)])
						}
					}
				}
			}
		}
		if t.Failed() {
			t.Logf("%d answers in all; the log says\n%.6000s", broken, errorLines(h.log.String()))
		}
	}, dbtest.Now(c.now))
}

func errorLines(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, "level=ERROR") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// hostileRequests are one value in the path, in the query, in a form and in a JSON body. The bodies' shapes take turns, so that
// each value meets each shape on some routes and each route meets each shape with some values.
func hostileRequests(b *browser, r handlers.RouteInfo, key, v string, turn int) (all []answer) {
	header := func(kind string) http.Header {
		h := http.Header{"Accept": {"text/html"}, "Sec-Fetch-Site": {"same-origin"}}
		if r.Key {
			h.Set("Authorization", "Bearer "+key)
			h.Set("Idempotency-Key", fmt.Sprintf("%x", v)[:min(2*len(v), 60)]+"-")
		}
		if kind != "" {
			h.Set("Content-Type", kind)
		}
		return h
	}
	query := url.Values{}
	for _, f := range hostileFields {
		query.Set(f, v)
	}
	known, hostile := fill(r.Path), hostilePath(r.Path, v)
	for _, path := range []string{hostile, known + "?" + query.Encode()} {
		if len(path) < 60<<10 {
			all = append(all, b.do(r.Method, path, nil, header("")))
		}
	}
	if r.Method == http.MethodGet {
		return all
	}
	if len(v) < 500 {
		all = append(all, b.do(r.Method, known, strings.NewReader(query.Encode()), header("application/x-www-form-urlencoded")))
	}
	if !r.Key && r.Path != "/subscribe" { // nothing else reads JSON
		return all
	}
	text, list, nested := map[string]any{}, map[string]any{}, map[string]any{}
	for _, f := range hostileFields {
		text[f], list[f], nested[f] = v, []any{v}, map[string]any{"status": v, "tags": []any{v}, "source": v, "at": v, "url": v}
	}
	shapes := []map[string]any{
		text, list, nested, {"email": v}, {"subject": v}, {"subject": "제목", "intro": v, "links": []any{map[string]any{"url": v, "title": v}}},
		{"subject": "제목", "number": json.Number("9223372036854775807")}, {"to": []any{v}}, {"at": v}, {"title": v, "body": v},
	}
	raw, err := json.Marshal(shapes[turn%len(shapes)])
	if err != nil {
		b.h.t.Fatal(err)
	}
	if len(raw) < 60<<10 {
		all = append(all, b.do(r.Method, known, strings.NewReader(string(raw)), header("application/json")))
	}
	return all
}

// hostilePath puts the value into every parameter of a path.
func hostilePath(path, v string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, ":") || strings.HasPrefix(p, "{") || p == "*" {
			parts[i] = url.PathEscape(v)
		}
	}
	return strings.Join(parts, "/")
}
