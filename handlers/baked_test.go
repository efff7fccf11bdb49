package handlers_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"techissue/newsletter"
)

var momentField = regexp.MustCompile(`name="started" value="([^"]+)"`)

func unzip(t *testing.T, s string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r) // checks sum and length
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A page from memory is the page that was rendered, compressed or not, but for the moment in its forms, which is every reader's own.
func TestBakedPages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.article("화수분 야구", strings.Repeat("한글 본문이 길게 이어져요. ", 200))
	h.past(3, "세 번째 편지", a.Slug)
	b := h.browser()
	zipped := http.Header{"Accept-Encoding": {"br, gzip;q=0.8"}, "Accept": {"text/html"}}
	for _, path := range []string{"/", "/subscribe", "/articles", articlePathOf(a), "/issues", "/issues/3", "/about", "/privacy"} {
		first := b.get(path).must(t, 200).text
		h.clock.add(5 * time.Second)
		second := b.get(path).must(t, 200)
		blank := func(s string) string {
			for _, m := range momentField.FindAllStringSubmatch(s, -1) {
				s = strings.ReplaceAll(s, m[1], "")
			}
			return s
		}
		if strings.Contains(first, `name="started"`) && first == second.text {
			t.Errorf("%s: two readers got the same moment", path)
		}
		if blank(first) != blank(second.text) {
			t.Errorf("%s differs", path)
		}
		if strings.Contains(first, "moment-0f6b5a1c9d") {
			t.Errorf("%s: a hole was left open", path)
		}
		res := b.do("GET", path, nil, zipped).must(t, 200)
		if res.Header.Get("Content-Encoding") != "gzip" || res.Header.Get("Vary") == "" {
			t.Errorf("%s: %v", path, res.Header)
		}
		if got := unzip(t, res.text); blank(got) != blank(second.text) {
			t.Errorf("%s: compressed it is another page", path)
		}
		if n := len(res.text); n > 60<<10/2 {
			t.Errorf("%s: %d bytes compressed", path, n)
		}
		b.do("GET", path, nil, http.Header{"If-None-Match": {res.Header.Get("ETag")}}).must(t, 304)
		refused := b.do("GET", path, nil, http.Header{"Accept-Encoding": {"gzip;q=0"}}).must(t, 200)
		if refused.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: compressed for who does not take it", path)
		}
	}
}

// Whatever shows on a page is there with the next request of the node that changed it, and within the poll of any other.
func TestBakedPagesAreNeverStale(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.get("/").mustNot(t, "새 글이에요")
	a := h.article("새 글이에요", "본문")
	b.get("/").must(t, 200, "새 글이에요")
	path := articlePathOf(a)
	b.get(path).must(t, 200, "본문")
	if _, err := h.svc.UpdateArticle(t.Context(), "test", a.Slug, func(a *newsletter.Article) error { a.Body = "고친 글"; return nil }, 0); err != nil {
		t.Fatal(err)
	}
	b.get(path).must(t, 200, "고친 글")
	h.confirmed(h.browser(), path, "독자", "reader@example.com", "댓글이에요")
	b.get(path).must(t, 200, "댓글이에요")
	if err := h.svc.PutSettings(t.Context(), "test", map[string]string{"site_name": "새 이름"}); err != nil {
		t.Fatal(err)
	}
	b.get(path).must(t, 200, "새 이름")
	if err := h.svc.DeleteArticle(t.Context(), "test", a.Slug); err != nil {
		t.Fatal(err)
	}
	b.get(path).must(t, 404)

	// Another node: only the row in the store tells.
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() { h.svc.WatchRevision(ctx, func(err error) { t.Error(err) }) })
	changed := func() bool {
		b.get("/about").must(t, 200)
		before := h.svc.Epoch()
		if err := h.store.Update(t.Context(), func(tx newsletter.Tx) error { return tx.BumpRevision(t.Context()) }); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
			if h.svc.Epoch() > before {
				return true
			}
		}
		return false
	}
	for range 2 { // the second one finds the watch running
		if !changed() {
			t.Error("a change of another node goes unseen")
		}
	}
	stop()
	wait.Wait()
}

// Views count from memory as they do from the store.
func TestBakedViewsCount(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.article("제목", "글")
	for i := range 5 {
		b := h.browser()
		b.ip = "198.51.100." + string(rune('1'+i))
		b.get(articlePathOf(a)).must(t, 200)
		b.get(articlePathOf(a)).must(t, 200)
	}
	if n := h.views(a.Slug); n != 5 {
		t.Errorf("%d views of 5 readers", n)
	}
	h.clock.add(2 * time.Minute)
	h.browser().get(articlePathOf(a)).must(t, 200, "조회 5")
	if !bytes.Contains([]byte(h.browser().get("/articles?after=0").must(t, 200).text), []byte("조회 5")) {
		t.Error("the list has another count")
	}
}
