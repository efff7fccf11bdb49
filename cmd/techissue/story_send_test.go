package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"techissue/mailer/smtptest"
)

// Fifty presses on Send at once are one send.
func TestStoryOfADoubleClick(t *testing.T) {
	t.Parallel()
	const n, presses = 40, 50
	h := newHouse(t, smtptest.Config{})
	h.first(n)
	key := h.key("all")
	h.serve()
	var mu sync.Mutex
	answers := map[int]int{}
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range presses {
		all.Go(func() {
			<-start
			req, err := http.NewRequestWithContext(t.Context(), "POST", h.base+"/api/v1/issues/1/send", nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+key)
			req.Header.Set("Idempotency-Key", fmt.Sprintf("press-%d", i))
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			answers[res.StatusCode]++
		})
	}
	close(start)
	all.Wait()
	if answers[202] != 1 || answers[409] != presses-1 {
		t.Errorf("answers: %v", answers)
	}
	h.until("the issue is done", func() bool { return h.counts(1)["state"] == "done" })
	if got, doubled := h.copies("첫 호"); len(got) != n || doubled > 0 {
		t.Errorf("%d missing, %d doubled", n-len(got), doubled)
	}
}

// A send for later waits for its time, goes by itself, and can be taken back before.
func TestStoryOfAScheduledSend(t *testing.T) {
	t.Parallel()
	h := newClocked(t, smtptest.Config{})
	h.first(5)
	key := h.key("all")
	h.serve()
	at := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	past := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	if code, out := h.call(key, "POST", "/api/v1/issues/1/schedule", `{"at":"`+past+`"}`, "Idempotency-Key", "past"); code != 422 {
		t.Errorf("a time that is over: %d %v", code, out)
	}
	if code, out := h.call(key, "POST", "/api/v1/issues/1/schedule", `{"at":"`+at+`"}`, "Idempotency-Key", "first"); code >= 300 || out["state"] != "scheduled" {
		t.Fatalf("schedule: %d %v", code, out)
	}
	h.move("59m")
	h.until("the clock is moved", func() bool {
		_, p := h.call(key, "GET", "/api/v1/issues/1/progress", "")
		return p["state"] == "scheduled"
	})
	if n := len(h.smtp.Accepted()); n > 0 {
		t.Errorf("%d letters before their time", n)
	}
	h.move("61m")
	h.until("the issue is done", func() bool { return h.counts(1)["state"] == "done" })
	if got, doubled := h.copies("첫 호"); len(got) != 5 || doubled > 0 {
		t.Errorf("%d missing, %d doubled", 5-len(got), doubled)
	}
}

// A server that was down at the time and for seven hours more leaves the decision to a person.
func TestStoryOfAMissedSchedule(t *testing.T) {
	t.Parallel()
	h := newClocked(t, smtptest.Config{})
	h.first(5)
	key := h.key("all")
	server := h.serve()
	at := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	if code, out := h.call(key, "POST", "/api/v1/issues/1/schedule", `{"at":"`+at+`"}`, "Idempotency-Key", "first"); code >= 300 {
		t.Fatalf("schedule: %d %v", code, out)
	}
	h.stop(server)
	h.move("8h")
	h.serve()
	h.until("the house says so", func() bool {
		_, p := h.call(key, "GET", "/api/v1/issues/1/progress", "")
		alerts, _ := p["alerts"].([]any)
		return len(alerts) > 0 && p["state"] == "scheduled"
	})
	if n := len(h.smtp.Accepted()); n > 0 {
		t.Fatalf("%d letters went out seven hours late", n)
	}
	h.run(0, "issue", "send", "1")
	h.until("the issue is done", func() bool { return h.counts(1)["state"] == "done" })
}

// Pause stops at the next gate, resume goes on, cancel ends it: the sums and the server's account agree at each.
func TestStoryOfPauseResumeCancel(t *testing.T) {
	t.Parallel()
	const n, connections = 600, 4
	h := newHouse(t, slow(10*time.Millisecond), fmt.Sprintf("TECHISSUE_SMTP_CONNECTIONS=%d", connections))
	h.first(n)
	h.run(0, "issue", "create", h.write("2.md", fmt.Sprintf(issueText, "둘째 호")))
	h.serve()
	h.run(0, "issue", "send", "1")
	h.until("a part has gone", func() bool { return len(h.smtp.Accepted()) >= n/4 })
	h.run(0, "issue", "pause", "1")
	at := len(h.smtp.Accepted())
	var c map[string]any
	still := func() bool { c = h.counts(1); return sum(c, "leased", "handing") == 0 }
	h.until("nothing is in flight", still)
	if got := len(h.smtp.Accepted()); got > at+connections {
		t.Errorf("%d letters after the pause, at most %d were past their gate", got-at, connections)
	}
	if c["state"] != "paused" || sum(c, "sent") != len(h.smtp.Accepted()) || sum(c, everyState...) != n {
		t.Errorf("paused: %v, the server has %d", c, len(h.smtp.Accepted()))
	}
	h.run(1, "issue", "pause", "1")
	h.run(0, "issue", "resume", "1")
	h.until("the issue is done", func() bool { return h.counts(1)["state"] == "done" })
	if got, doubled := h.copies("첫 호"); len(got) != n || doubled > 0 {
		t.Errorf("%d missing, %d doubled", n-len(got), doubled)
	}
	h.run(1, "issue", "cancel", "1")
	h.run(0, "issue", "send", "2")
	h.until("a part of the second has gone", func() bool { return len(h.smtp.Accepted()) >= n+n/4 })
	h.run(0, "issue", "cancel", "2")
	h.until("nothing is in flight", func() bool { c = h.counts(2); return sum(c, "leased", "handing") == 0 })
	got, doubled := h.copies("둘째 호")
	if c["state"] != "cancelled" || sum(c, "sent") != len(got) || sum(c, "sent", "cancelled") != n || doubled > 0 {
		t.Errorf("cancelled: %v, the server has %d", c, len(got))
	}
	h.run(1, "issue", "resume", "2")
	h.run(0, "doctor", "--offline")
}

// Ctrl-C on `issue send --wait` stops cleanly and tells how to go on; the same command goes on.
func TestStoryOfAnInterruptedWait(t *testing.T) {
	t.Parallel()
	const n = 300
	h := newHouse(t, slow(10*time.Millisecond))
	h.first(n)
	said, wait := h.begin("issue", "send", "1", "--wait")
	h.until("a part has gone", func() bool { return len(h.smtp.Accepted()) >= n/4 })
	if code := wait(interrupt); code != 130 || !strings.Contains(said.String(), "issue send 1 --wait") {
		t.Errorf("interrupted: exit %d, %s", code, said)
	}
	if c := h.counts(1); sum(c, "leased", "handing", "uncertain") > 0 || sum(c, "sent") != len(h.smtp.Accepted()) {
		t.Errorf("after the interrupt: %v", c)
	}
	h.run(0, "issue", "send", "1", "--wait")
	if got, doubled := h.copies("첫 호"); len(got) != n || doubled > 0 {
		t.Errorf("%d missing, %d doubled", n-len(got), doubled)
	}
	h.run(1, "issue", "send", "1") // without --wait it is a second send
}
