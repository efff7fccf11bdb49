package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/handlers"
	"techissue/newsletter"
)

type operation struct {
	method, path, scope string
	keyed               bool
	raw                 map[string]any
}

// described reads the operations of the OpenAPI document.
func described(t *testing.T) []operation {
	t.Helper()
	text, err := handlers.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]map[string]any
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %s", doc.OpenAPI)
	}
	var all []operation
	for path, methods := range doc.Paths {
		for method, raw := range methods {
			op := operation{method: strings.ToUpper(method), path: path, raw: raw}
			if sec, ok := raw["security"].([]any); ok && len(sec) == 1 {
				if scopes, ok := sec[0].(map[string]any)["key"].([]any); ok && len(scopes) == 1 {
					op.scope = scopes[0].(string)
				}
			}
			params, _ := raw["parameters"].([]any)
			for _, p := range params {
				if p := p.(map[string]any); p["name"] == "Idempotency-Key" && p["required"] == true {
					op.keyed = true
				}
			}
			all = append(all, op)
		}
	}
	if len(all) < 40 {
		t.Fatalf("only %d operations", len(all))
	}
	return all
}

func TestEveryRouteOfTheAPIIsDescribedAndGuarded(t *testing.T) {
	t.Parallel()
	ops := described(t)
	known := map[string]operation{}
	for _, op := range ops {
		known[op.method+" "+strings.NewReplacer("{", ":", "}", "").Replace(op.path)] = op
		name := op.method + " " + op.path
		if op.scope == "" && op.path != "/api/v1/me" {
			t.Errorf("%s needs no scope", name)
		}
		if op.scope != "" && !slices.Contains(newsletter.Scopes(), newsletter.Scope(op.scope)) {
			t.Errorf("%s needs the unknown scope %q", name, op.scope)
		}
		if op.raw["summary"] == "" || op.raw["summary"] == nil || op.raw["tags"] == nil || op.raw["operationId"] == "" {
			t.Errorf("%s is not described", name)
		}
		responses, _ := op.raw["responses"].(map[string]any)
		for _, status := range []string{"401", "403"} {
			if responses[status] == nil {
				t.Errorf("%s does not say what %s is", name, status)
			}
		}
	}
	h := newHouse(t)
	count := 0
	for _, r := range mustRoutes(t, h.options) {
		if !strings.HasPrefix(r.Path, "/api/") {
			continue
		}
		count++
		if !r.Key {
			t.Errorf("%s %s needs no key", r.Method, r.Path)
		}
		if _, ok := known[r.Method+" "+r.Path]; !ok {
			t.Errorf("%s %s is not in the document", r.Method, r.Path)
		}
	}
	if count != len(ops) {
		t.Errorf("%d routes, %d described", count, len(ops))
	}
}

// S15: each call with no key, a wrong scope, the right one, a revoked and an expired key.
func TestScopes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.program(t, newsletter.ScopeAll)
	revoked := h.key(t, time.Time{}, newsletter.ScopeAll)
	keys, err := h.svc.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.svc.RevokeKey(t.Context(), "test", slices.MaxFunc(keys, func(a, b newsletter.APIKey) int { return int(a.ID - b.ID) }).ID); err != nil {
		t.Fatal(err)
	}
	expired := h.key(t, h.clock.now().Add(time.Minute), newsletter.ScopeAll)
	right, wrong := map[string]string{}, map[string]string{}
	for _, sc := range newsletter.Scopes() {
		right[string(sc)] = h.key(t, time.Time{}, sc)
		others := slices.DeleteFunc(newsletter.Scopes(), func(o newsletter.Scope) bool { return o == sc || o == newsletter.ScopeAll })
		if len(others) > 0 {
			wrong[string(sc)] = h.key(t, time.Time{}, others...)
		}
	}
	right[""] = right["links:write"]
	h.clock.add(2 * time.Minute)
	for _, op := range described(t) {
		path := fill(op.path)
		for name, want := range map[string]struct {
			key    string
			status int
		}{
			"anonymous": {"", 401}, "nonsense": {"ti_nonsense", 401}, "revoked": {revoked, 401}, "expired": {expired, 401}, "wrong": {wrong[op.scope], 403},
		} {
			if name == "wrong" && op.scope == "" {
				continue
			}
			q := program{t, p.base, want.key}
			a := q.send(op.method, path, nil, http.Header{"Idempotency-Key": {"k"}})
			if a.status != want.status {
				t.Errorf("%s with the %s key: %d %s", a.what, name, a.status, a.text)
			}
			if want.status == 401 && !strings.HasPrefix(a.header.Get("Www-Authenticate"), "Bearer") {
				t.Errorf("%s: no WWW-Authenticate", a.what)
			}
		}
		q := program{t, p.base, right[op.scope]}
		if a := q.send(op.method, path, nil, http.Header{"Idempotency-Key": {"right " + op.path}}); a.status == 401 || a.status == 403 || a.status >= 500 {
			t.Errorf("%s with the right key: %d %s", a.what, a.status, a.text)
		}
	}
}

func TestRefusalsOfTheAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.program(t, newsletter.ScopeAll)
	big := `{"subject":"` + strings.Repeat("가", 800_000) + `"}`
	for _, c := range []struct {
		name               string
		method, path, body string
		header             []string
		status             int
		code               string
		fields             []string
	}{
		{"no such call", "GET", "/nothing", "", nil, 404, "not_found", nil},
		{"wrong method", "PUT", "/issues", "{}", nil, 405, "method_not_allowed", nil},
		{"a form for JSON", "POST", "/issues", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type", nil},
		{"a broken body", "POST", "/issues", `{"subject":`, nil, 400, "bad_request", nil},
		{"no body", "POST", "/issues", "", nil, 400, "bad_request", nil},
		{"a body too large", "POST", "/issues", big, nil, 413, "too_large", nil},
		{"a body too large, with a key", "POST", "/issues", big, []string{"Idempotency-Key", "big"}, 413, "too_large", nil},
		{"an unknown field", "POST", "/issues", `{"subjekt":"x"}`, nil, 422, "invalid", []string{"subjekt"}},
		{"a wrong type", "POST", "/issues", `{"subject":1}`, nil, 422, "invalid", []string{"subject"}},
		{"a wrong word", "POST", "/issues", `{"subject":"x","kind":"spam"}`, nil, 422, "invalid", []string{"kind"}},
		{"a wrong time", "POST", "/issues", `{"subject":"x","expires_at":"tomorrow"}`, nil, 422, "invalid", []string{"expires_at"}},
		{"a link that is none", "POST", "/issues", `{"subject":"x","links":[{"url":"javascript:alert(1)"}]}`, nil, 422, "invalid", []string{"links[0].url"}},
		{"no subject", "POST", "/issues", `{}`, nil, 422, "invalid", []string{"subject"}},
		{"an article that is not there", "POST", "/issues", `{"subject":"x","articles":["없는-글"]}`, nil, 422, "invalid", []string{"articles[0]"}},
		{"an archived issue without its date", "POST", "/issues", `{"subject":"x","archived":true}`, nil, 422, "invalid", []string{"sent_at"}},
		{"a limit too high", "GET", "/issues?limit=201", "", nil, 422, "invalid", []string{"limit"}},
		{"a limit of words", "GET", "/issues?limit=many", "", nil, 422, "invalid", []string{"limit"}},
		{"a limit of nothing", "GET", "/issues?limit=0", "", nil, 422, "invalid", []string{"limit"}},
		{"a cursor made up", "GET", "/issues?cursor=!!", "", nil, 422, "invalid", []string{"cursor"}},
		{"a cursor below zero", "GET", "/subscribers?cursor=-5", "", nil, 422, "invalid", []string{"cursor"}},
		{"a state there is not", "GET", "/issues?state=lost", "", nil, 422, "invalid", []string{"state"}},
		{"a status there is not", "GET", "/subscribers?status=lost", "", nil, 422, "invalid", []string{"status"}},
		{"an issue there is not", "GET", "/issues/99", "", nil, 404, "not_found", nil},
		{"an issue that cannot be", "GET", "/issues/first", "", nil, 404, "not_found", nil},
		{"an issue below one", "GET", "/issues/0", "", nil, 404, "not_found", nil},
		{"letters of no issue", "GET", "/issues/99/deliveries", "", nil, 404, "not_found", nil},
		{"a report of no issue", "GET", "/issues/99/report", "", nil, 404, "not_found", nil},
		{"a letter there is not", "GET", "/deliveries/99", "", nil, 404, "not_found", nil},
		{"a reader there is not", "GET", "/subscribers/99", "", nil, 404, "not_found", nil},
		{"a reader there is not, erased", "DELETE", "/subscribers/99", "", nil, 404, "not_found", nil},
		{"events of nobody", "GET", "/subscribers/99/events", "", nil, 404, "not_found", nil},
		{"an article there is not", "GET", "/articles/nothing", "", nil, 404, "not_found", nil},
		{"an import there is not", "GET", "/imports/99", "", nil, 404, "not_found", nil},
		{"lines of no import", "GET", "/imports/99/rejected", "", nil, 404, "not_found", nil},
		{"a suppression there is not", "DELETE", "/suppressions/99", "", nil, 404, "not_found", nil},
		{"a reader without consent", "POST", "/subscribers", `{"email":"a@example.com","status":"active"}`, nil, 422, "invalid", []string{"consent.source"}},
		{"an address that is none", "POST", "/subscribers", `{"email":"nobody"}`, nil, 422, "invalid", []string{"email"}},
		{"an unknown setting", "PATCH", "/settings", `{"colour":"red"}`, nil, 422, "invalid", []string{"colour"}},
		{"a setting of the environment", "PATCH", "/settings", `{"from":"x@example.com"}`, nil, 422, "invalid", []string{"from"}},
		{"send without a key", "POST", "/issues/1/send", "", nil, 400, "idempotency_key_required", nil},
		{"import without a key", "POST", "/imports", "x", nil, 400, "idempotency_key_required", nil},
		{"a key with a space", "POST", "/issues/1/send", "", []string{"Idempotency-Key", "a b"}, 400, "idempotency_key_invalid", nil},
		{"a key too long", "POST", "/issues/1/send", "", []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "idempotency_key_invalid", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := p
			q.t = t
			q.do(c.method, c.path, c.body, c.header...).refused(c.status, c.code, c.fields...)
		})
	}
}

// A list is stable while rows come and go: nothing twice, and nothing missing that was there all the time.
func TestPagesAreStableUnderWrites(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *house) {
		p := h.program(t, newsletter.ScopeAll)
		make := func(list string, n int) {
			switch list {
			case "subscribers":
				p.do("POST", "/subscribers", fmt.Sprintf(`{"email":"r%d@example.com"}`, n)).must(201)
			case "articles":
				h.clock.add(time.Second)
				p.do("POST", "/articles", fmt.Sprintf(`{"title":"글 %d","slug":"a%d","body":"본문","status":"published"}`, n, n)).must(201)
			case "issues":
				p.do("POST", "/issues", fmt.Sprintf(`{"subject":"%d호"}`, n)).must(201)
			case "suppressions":
				p.do("POST", "/suppressions", fmt.Sprintf(`{"email":"s%d@example.com"}`, n)).must(201)
			}
		}
		for list, name := range map[string]string{"subscribers": "email", "articles": "slug", "issues": "subject", "suppressions": "email"} {
			for n := range 7 {
				make(list, n)
			}
			var seen []string
			cursor := ""
			for page := 0; ; page++ {
				var got struct {
					Data       []map[string]any
					HasMore    bool   `json:"has_more"`
					NextCursor string `json:"next_cursor"`
				}
				p.get("/" + list + "?limit=2" + cursor).must(200).read(&got)
				for _, row := range got.Data {
					seen = append(seen, row[name].(string))
				}
				if !got.HasMore {
					break
				}
				make(list, 100+page) // a newcomer
				last := got.Data[len(got.Data)-1]
				switch list { // and the row that the cursor was made of goes away
				case "subscribers":
					p.do("DELETE", fmt.Sprintf("/subscribers/%v", last["id"]), "").must(204)
				case "articles":
					p.do("DELETE", fmt.Sprintf("/articles/%v", last["slug"]), "").must(204)
				case "issues":
					p.do("DELETE", fmt.Sprintf("/issues/%v", last["number"]), "").must(204)
				case "suppressions":
					p.do("DELETE", fmt.Sprintf("/suppressions/%v", last["id"]), "").must(204)
				}
				cursor = "&cursor=" + got.NextCursor
			}
			if len(seen) != 7 || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != 7 {
				t.Errorf("%s: %v", list, seen)
			}
		}
	})
}
