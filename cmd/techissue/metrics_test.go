package main_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"techissue/mailer/smtptest"
)

// scrape reads the numbers of the internal listener by name and labels.
func scrape(t *testing.T, addr string) map[string]float64 {
	t.Helper()
	res, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %s, %v\n%s", res.Status, err, body)
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(body)) {
		var v float64
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		if _, err := fmt.Sscan(line[at:], &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all[line[:at]] = v
	}
	return all
}

// After a send with accepted, refused and deferred letters, /metrics says what the database says, and says it again after a restart.
func TestStoryOfTheNumbers(t *testing.T) {
	t.Parallel()
	rules := append(smtptest.HardBounce("reader1@mail1.example", "reader2@mail2.example"), smtptest.Defer(1, "reader3@mail3.example")...)
	internal := freePort(t)
	h := newHouse(t, smtptest.Config{Rules: rules}, "TECHISSUE_INTERNAL_ADDR="+internal)
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(20)), "--consent-source", "test")
	h.run(0, "issue", "create", h.write("1.md", fmt.Sprintf(issueText, "첫 호")))
	server := h.serve()
	h.run(0, "issue", "send", "1")
	h.until("all but the deferred letter are settled", func() bool {
		c := h.counts(1)
		return c["sent"] == 17.0 && c["failed"] == 2.0
	})
	compare := func(when string) map[string]float64 {
		t.Helper()
		c := h.counts(1)
		m := scrape(t, internal)
		for _, outcome := range []string{"sent", "failed", "expired", "uncertain", "skipped", "cancelled"} {
			if got := m[fmt.Sprintf(`techissue_deliveries_total{outcome=%q}`, outcome)]; got != c[outcome] {
				t.Errorf("%s: deliveries_total %s is %v, the database says %v", when, outcome, got, c[outcome])
			}
		}
		for _, state := range []string{"queued", "leased", "handing", "uncertain"} {
			if got := m[fmt.Sprintf(`techissue_queue_depth{state=%q}`, state)]; got != c[state] {
				t.Errorf("%s: queue_depth %s is %v, the database says %v", when, state, got, c[state])
			}
		}
		for _, status := range []string{"pending", "active", "unsubscribed", "suppressed"} {
			got := m[fmt.Sprintf(`techissue_subscribers{status=%q}`, status)]
			want := strings.Count(h.run(0, "subscribers", "list", "--status", status, "--json", "--limit", "200"), `"email"`)
			if got != float64(want) {
				t.Errorf("%s: subscribers %s is %v, the list has %d", when, status, got, want)
			}
		}
		return m
	}
	m := compare("after the send")
	if n := m[`techissue_smtp_replies_total{class="5xx",domain="mail1.example"}`]; n != 1 {
		t.Errorf("%v 5xx replies for mail1.example, want 1", n)
	}
	if n := m[`techissue_smtp_replies_total{class="4xx",domain="mail3.example"}`]; n != 1 {
		t.Errorf("%v 4xx replies for mail3.example, want 1", n)
	}
	if n := m["techissue_smtp_connections"]; n < 1 || n > 9 {
		t.Errorf("%v connections", n)
	}
	requests := 0.0
	for name, n := range m {
		if strings.HasPrefix(name, `techissue_http_request_seconds_count`) && strings.Contains(name, `route="/readyz"`) {
			requests += n
		}
	}
	if requests < 1 {
		t.Error("the request for /readyz was not counted")
	}
	if m["techissue_queue_oldest_seconds"] != 0 { // the deferred letter is due in minutes
		t.Errorf("the oldest letter waits %v s", m["techissue_queue_oldest_seconds"])
	}
	if res, err := http.Get("http://" + internal + "/debug/pprof/"); err != nil || res.StatusCode != 200 {
		t.Errorf("/debug/pprof: %v", err)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/"} {
		if res, err := http.Get(h.base + path); err != nil || res.StatusCode != 404 {
			t.Errorf("the public listener answers %s", path)
		}
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	h.serve()
	compare("after a restart")
}
