package outbound_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"

	"techissue/outbound"
)

func TestAnnounceAndGone(t *testing.T) {
	t.Parallel()
	var said struct {
		Host, Key, KeyLocation string
		URLList                []string
	}
	status := http.StatusAccepted
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/indexnow":
			if err := json.NewDecoder(r.Body).Decode(&said); err != nil || r.Header.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Errorf("%v, %v", err, r.Header)
			}
			w.WriteHeader(status)
		case "/lost":
			w.WriteHeader(http.StatusGone)
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/shy":
			w.WriteHeader(http.StatusForbidden)
		case "/here":
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	c := outbound.New(outbound.Options{AnyPort: true, Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	urls := []string{"https://letter.example.kr/articles/a"}
	if err := c.Announce(t.Context(), server.URL+"/indexnow", "https://letter.example.kr", "k123", urls); err != nil {
		t.Fatal(err)
	}
	if said.Host != "letter.example.kr" || said.Key != "k123" || said.KeyLocation != "https://letter.example.kr/k123.txt" || !slices.Equal(said.URLList, urls) {
		t.Errorf("said %+v", said)
	}
	status = http.StatusForbidden
	if err := c.Announce(t.Context(), server.URL+"/indexnow", "https://letter.example.kr", "k123", urls); err == nil {
		t.Error("a refusal is taken for thanks")
	}
	for path, want := range map[string]bool{"/here": false, "/busy": false, "/shy": false, "/lost": true, "/nowhere": true} {
		if got := c.Gone(t.Context(), server.URL+path); got != want {
			t.Errorf("%s is gone: %v", path, got)
		}
	}
	if outbound.New(outbound.Options{AnyPort: true}).Gone(t.Context(), server.URL+"/lost") {
		t.Error("an address that may not be asked is taken for gone")
	}
}
