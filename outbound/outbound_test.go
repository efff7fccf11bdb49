package outbound_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"code.dny.dev/ssrf"

	"techissue/outbound"
)

// S33: nothing inside is reachable, however it is spelled, and nothing is asked of it.
func TestNothingInsideIsReachable(t *testing.T) {
	t.Parallel()
	asked := 0
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer inside.Close()
	_, port, _ := net.SplitHostPort(inside.Listener.Addr().String())
	c := outbound.New(outbound.Options{AnyPort: true})
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0177.0.0.1", "0x7f.1", "0.0.0.0", "127.1", "10.0.0.1", "192.168.0.1",
		"169.254.169.254", "172.16.0.1", "100.64.0.1", "[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:1]", "[::]", "224.0.0.1", "255.255.255.255",
	} {
		if _, err := c.Get(t.Context(), "http://"+host+":"+port+"/", 10); err == nil {
			t.Errorf("%s is reachable", host)
		}
	}
	for _, url := range []string{"file:///etc/passwd", "gopher://127.0.0.1/", "http://", "://", "//x", "http://user@:80/"} {
		if _, err := c.Get(t.Context(), url, 10); err == nil {
			t.Errorf("%s was fetched", url)
		}
	}
	if asked != 0 {
		t.Errorf("the inside was asked %d times", asked)
	}
	_, err := outbound.New(outbound.Options{}).Get(t.Context(), "http://203.0.113.1:22/", 10)
	if !errors.Is(err, ssrf.ErrProhibitedPort) {
		t.Errorf("port 22: %v", err)
	}
}

// A public server may not send us inside, nor in circles, nor more than was asked for.
func TestAFetchIsBounded(t *testing.T) {
	t.Parallel()
	var inside *httptest.Server
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.UserAgent()) })
	mux.HandleFunc("/inside", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.2"+strings.TrimPrefix(inside.URL, "http://127.0.0.1")+"/ok", http.StatusFound)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 101)) })
	mux.HandleFunc("/exact", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 100)) })
	inside = httptest.NewServer(mux)
	defer inside.Close()
	c := outbound.New(outbound.Options{Agent: "techissue", AnyPort: true, Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	for path, want := range map[string]string{
		"/ok": "", "/exact": "", "/inside": ssrf.ErrProhibitedIP.Error(), "/round": "too many redirects", "/large": outbound.ErrTooLarge.Error(), "/none": "404",
	} {
		body, err := c.Get(t.Context(), inside.URL+path, 100)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v", path, body, err)
		}
		if path == "/ok" && string(body) != "techissue" {
			t.Errorf("we call ourselves %q", body)
		}
	}
}
