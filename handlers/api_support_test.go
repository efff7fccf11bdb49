package handlers_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

// program is something with an API key, on the far end of a socket.
type program struct {
	t    *testing.T
	base string
	key  string
}

// program starts a server before the house and makes a key with the scopes.
func (h *house) program(t *testing.T, scopes ...newsletter.Scope) program {
	t.Helper()
	server := httptest.NewServer(h.handler)
	t.Cleanup(server.Close)
	return program{t, server.URL, h.key(t, time.Time{}, scopes...)}
}

func (h *house) key(t *testing.T, expires time.Time, scopes ...newsletter.Scope) string {
	t.Helper()
	plain, _, err := h.svc.CreateKey(t.Context(), "test", "program", scopes, expires)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// said is an answer of the API.
type said struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	text   string
}

func (p program) send(method, path string, body io.Reader, header http.Header) said {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.base+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.key != "" {
		r.Header.Set("Authorization", "Bearer "+p.key)
	}
	for k, v := range header {
		r.Header[http.CanonicalHeaderKey(k)] = v
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return said{p.t, method + " " + path, res.StatusCode, res.Header, string(text)}
}

// do sends JSON. headers are pairs of name and value.
func (p program) do(method, path, body string, headers ...string) said {
	p.t.Helper()
	h := http.Header{}
	if body != "" {
		h.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	return p.send(method, "/api/v1"+path, r, h)
}

func (p program) get(path string) said {
	p.t.Helper()
	return p.do("GET", path, "")
}

// file uploads a form with a file in it.
func (p program) file(path, idempotencyKey, name, content string, fields map[string]string) said {
	p.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		if err := w.WriteField(k, v); err != nil {
			p.t.Fatal(err)
		}
	}
	if name != "" {
		part, err := w.CreateFormFile("file", name)
		if err != nil {
			p.t.Fatal(err)
		}
		if _, err := io.WriteString(part, content); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		p.t.Fatal(err)
	}
	h := http.Header{"Content-Type": {w.FormDataContentType()}}
	if idempotencyKey != "" {
		h.Set("Idempotency-Key", idempotencyKey)
	}
	return p.send("POST", "/api/v1"+path, &b, h)
}

func (s said) must(status int, want ...string) said {
	s.t.Helper()
	if s.status != status {
		s.t.Fatalf("%s: %d, want %d: %s", s.what, s.status, status, s.text)
	}
	for _, w := range want {
		if !strings.Contains(s.text, w) {
			s.t.Errorf("%s: the answer lacks %q: %s", s.what, w, s.text)
		}
	}
	return s
}

// refused checks the whole shape of an RFC 9457 answer.
func (s said) refused(status int, code string, fields ...string) {
	s.t.Helper()
	var p struct {
		Type, Title, Detail, Code string
		Status                    int
		Errors                    []struct{ Field, Message string }
		Request                   string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(s.text), &p); err != nil {
		s.t.Fatalf("%s: %d, no problem: %s", s.what, s.status, s.text)
	}
	if s.status != status || p.Code != code || p.Status != s.status || p.Title == "" || p.Type == "" || p.Detail == "" || p.Request == "" {
		s.t.Errorf("%s: %d, want %d %s: %s", s.what, s.status, status, code, s.text)
	}
	if got := s.header.Get("Content-Type"); got != "application/problem+json" {
		s.t.Errorf("%s: content type %q", s.what, got)
	}
	for _, f := range fields {
		found := false
		for _, e := range p.Errors {
			found = found || e.Field == f && e.Message != ""
		}
		if !found {
			s.t.Errorf("%s: no fault of %s: %s", s.what, f, s.text)
		}
	}
	said := strings.ReplaceAll(s.text, s.header.Get("X-Request-Id"), "") // drawn, and so it may spell anything
	for _, secret := range []string{"goroutine", ".go:", "sqlite", "pgx", "json:", "expected "} {
		if strings.Contains(said, secret) {
			s.t.Errorf("%s: the answer tells %q: %s", s.what, secret, s.text)
		}
	}
}

// read reads the answer into v.
func (s said) read(v any) said {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.text), v); err != nil {
		s.t.Fatalf("%s: %v: %s", s.what, err, s.text)
	}
	return s
}

// object reads the answer as one JSON object.
func (s said) object() map[string]any {
	s.t.Helper()
	m := map[string]any{}
	s.read(&m)
	return m
}
