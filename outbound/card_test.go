package outbound_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/text/encoding/korean"

	"techissue/newsletter"
	"techissue/outbound"
)

// A card is what the page says of itself, in whatever charset Korean pages are written.
func TestCards(t *testing.T) {
	t.Parallel()
	euc := func(s string) string {
		b, err := korean.EUCKR.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	pages := map[string]struct{ kind, body string }{
		"/og": {"text/html; charset=utf-8", `<head><title>작은 제목</title><meta property="og:title" content="큰 제목 &amp; 더"><meta property="og:description" content=" 요약 "><meta property="og:site_name" content="예시일보"></head>`},
		"/plain": {"text/html", `<!doctype html><meta charset="utf-8"><TITLE>제목만 있는
			글</TITLE><meta name=description content='설명'>`},
		"/header": {"text/html; charset=euc-kr", euc(`<title>머리말이 알려 준 글자표</title>`)},
		"/meta":   {"text/html", euc(`<html><head><meta http-equiv="Content-Type" content="text/html; charset=euc-kr"><title>본문이 알려 준 글자표</title>`)},
		"/long":   {"text/html; charset=utf-8", `<title>앞머리</title>` + strings.Repeat("<p>글</p>", 200_000)},
		"/empty":  {"text/html", ``},
		"/script": {"text/html; charset=utf-8", `<title><script>alert(1)</script></title><meta property="og:description" content="<b>굵게</b>">`},
		"/svg":    {"text/html; charset=utf-8", `<title>글의 제목</title><svg><title>그림의 제목</title></svg>`},
		"/pdf":    {"application/pdf", `%PDF`},
		"/none":   {"", ``},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header()["Content-Type"] = []string{p.kind}
		_, _ = io.WriteString(w, p.body)
	}))
	defer server.Close()
	c := outbound.New(outbound.Options{AnyPort: true, Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	for path, want := range map[string]newsletter.Card{
		"/og": {Title: "큰 제목 & 더", Summary: "요약", Site: "예시일보"}, "/plain": {Title: "제목만 있는\n\t\t\t글", Summary: "설명"}, "/header": {Title: "머리말이 알려 준 글자표"},
		"/meta": {Title: "본문이 알려 준 글자표"}, "/long": {Title: "앞머리"}, "/empty": {}, "/script": {Title: "<script>alert(1)</script>", Summary: "<b>굵게</b>"},
		"/svg": {Title: "글의 제목"},
	} {
		want.URL = server.URL + path
		got, err := c.Card(t.Context(), server.URL+path)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	for _, address := range []string{server.URL + "/pdf", server.URL + "/gone", server.URL + "/none", "file:///etc/passwd", "http://[::ffff:127.0.0.2]/", "://"} {
		if got, err := c.Card(t.Context(), address); err == nil {
			t.Errorf("%s gave %+v", address, got)
		}
	}
	inside := fmt.Sprintf("http://127.0.0.1:%s/og", strings.TrimPrefix(server.URL, "http://127.0.0.1:"))
	if _, err := outbound.New(outbound.Options{AnyPort: true}).Card(t.Context(), inside); err == nil {
		t.Error("a card was read from inside")
	}
}
