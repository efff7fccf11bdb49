package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The tests of pages rest on what the tab hears: it must hear each kind of complaint.
func TestBrowserHearsComplaints(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/strict" {
			w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src *")
		}
		fmt.Fprintf(w, `<title>t</title><script>console.log("a word"); throw new Error("a fall")</script><img src="%s/x.png" alt=""><p style="color:red">text</p>`, other.URL)
	}))
	defer site.Close()
	for _, row := range []struct {
		path string
		want []string
	}{
		{"/loose", []string{"console.log", "exception", "another host"}},
		{"/strict", []string{"CSP: script-src-elem", "CSP: style-src-attr", "another host"}},
	} {
		b := openTab(t, site.URL, true)
		b.open(row.path)
		b.until("the page is whole", `document.readyState === "complete"`)
		b.mu.Lock()
		heard := strings.Join(b.faults, "\n")
		b.mu.Unlock()
		for _, w := range row.want {
			if !strings.Contains(heard, w) {
				t.Errorf("%s: %q was not heard in\n%s", row.path, w, heard)
			}
		}
	}
}
