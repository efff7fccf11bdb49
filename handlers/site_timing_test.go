package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/db/dbtest"
	"techissue/handlers"
	"techissue/newsletter"
)

// S11: neither the answer nor its time tells who reads: 200 requests of each sort, one after another in turn, over real HTTP
// and a real disk. What differs is noise: the chance that one sort takes longer than another is a half.
func TestTimeTellsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("2,600 requests")
	}
	for _, row := range []struct {
		path  string
		kinds []string
		asked string // the sort that was asked for a moment ago
	}{
		{"/subscribe", []string{"new", "pending", "active", "suppressed", "blocked", "complained", "left", "asked"}, "asked"},
		{"/me", []string{"new", "pending", "active", "suppressed", "left"}, ""},
	} {
		t.Run(row.path, func(t *testing.T) {
			h := newHouse(t, func(o *handlers.Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
			h.crowd(row.kinds)
			h.clock.add(time.Hour) // the letters of the others were long ago
			h.crowd([]string{row.asked})
			srv := httptest.NewServer(h.handler)
			defer srv.Close()
			s := stopwatch{t: t, url: srv.URL + row.path, client: srv.Client(), took: map[string][]time.Duration{}, answers: map[string]int{}}
			s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			for i := range samples {
				for n := range row.kinds {
					s.ask(row.kinds[(n+i)%len(row.kinds)], i) // no sort always comes behind the same one
				}
			}
			if len(s.answers) != 1 {
				t.Errorf("%d different answers: %v", len(s.answers), s.answers)
			}
			for _, kind := range row.kinds {
				slices.Sort(s.took[kind])
				p := above(s.took[kind], s.took["new"])
				t.Logf("%-10s median %v, p90 %v, longer than new: %.3f", kind, s.took[kind][samples/2], s.took[kind][samples*9/10], p)
				if p < 0.35 || p > 0.65 { // five times the deviation of 200 equal samples
					t.Errorf("%s addresses can be told from new ones by the time: %.3f", kind, p)
				}
			}
		})
	}
}

const samples = 200

// stopwatch asks for one address after another.
type stopwatch struct {
	t       *testing.T
	url     string
	client  *http.Client
	took    map[string][]time.Duration
	answers map[string]int
}

func (s *stopwatch) ask(kind string, i int) {
	s.t.Helper()
	form := signup(fmt.Sprintf("%s%d@naver.com", kind, i)).Encode()
	r, err := http.NewRequest("POST", s.url, strings.NewReader(form))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Forwarded-For", fmt.Sprintf("10.0.%d.7", i))
	begin := time.Now()
	res, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	s.took[kind] = append(s.took[kind], time.Since(begin))
	res.Body.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	s.answers[fmt.Sprint(res.StatusCode, res.Header.Get("Location"), len(res.Cookies()), string(body))]++
}

// above is the chance that one of a takes longer than one of b: a half when nobody can tell them apart (Mann and Whitney).
func above(a, b []time.Duration) float64 {
	n := 0
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				n += 2
			case x == y:
				n++
			}
		}
	}
	return float64(n) / float64(2*len(a)*len(b))
}

// crowd makes readers of each sort.
func (h *house) crowd(kinds []string) {
	h.t.Helper()
	ctx := h.t.Context()
	reasons := map[string]newsletter.SuppressionReason{
		"suppressed": newsletter.SuppressedHard, "blocked": newsletter.SuppressedManual, "complained": newsletter.SuppressedComplaint,
	}
	for _, kind := range kinds {
		for i := range samples {
			w := newsletter.NewSubscriber{
				Email: fmt.Sprintf("%s%d@naver.com", kind, i), Name: "홍길동", Status: newsletter.Active, ConsentSource: "명단", Via: "admin",
			}
			if kind == "new" || kind == "" || kind == "asked" && h.clock.now() == dbtest.Start {
				continue
			}
			if kind == "pending" || kind == "asked" {
				w.Status, w.ConsentSource = newsletter.Pending, ""
			}
			sub, err := h.svc.AddSubscriber(ctx, "test", w)
			if err == nil && reasons[kind] != "" {
				_, err = h.svc.Suppress(ctx, "test", w.Email, reasons[kind], "")
			}
			if err == nil && kind == "left" {
				_, err = h.svc.UnsubscribeReader(ctx, "test", sub.ID)
			}
			if err != nil {
				h.t.Fatal(err)
			}
		}
	}
}
