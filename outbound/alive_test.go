package outbound_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"techissue/newsletter"
	"techissue/outbound"
)

// A link is dead when its server says so; one that refuses programs is not.
func TestAlive(t *testing.T) {
	t.Parallel()
	answers := map[string]int{"/ok": 200, "/gone": 410, "/none": 404, "/bots": 403, "/broken": 500}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(answers[r.URL.Path]) }))
	defer server.Close()
	c := outbound.New(outbound.Options{AnyPort: true, Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	for path, want := range map[string]newsletter.LinkCheck{
		"/ok": {State: newsletter.LinkAlive}, "/gone": {State: newsletter.LinkDead, Said: "410"}, "/none": {State: newsletter.LinkDead, Said: "404"},
		"/bots": {State: newsletter.LinkUnknown}, "/broken": {State: newsletter.LinkUnknown},
	} {
		got := c.Alive(t.Context(), server.URL+path)
		if got.State != want.State || got.Said != want.Said {
			t.Errorf("%s is %+v, want %+v", path, got, want)
		}
	}
	for _, url := range []string{"ftp://a.example/", "http://127.0.0.2/", "::"} {
		if got := c.Alive(t.Context(), url); got.State != newsletter.LinkUnknown {
			t.Errorf("%s is %+v", url, got)
		}
	}
}
