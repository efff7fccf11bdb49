package main_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"techissue/mailer/smtptest"
)

const kills, killConnections = 10, 4

// killTen sends issue 1 to n readers and kills the program ten times meanwhile, each time in the middle of letters.
func (h *house) killTen(n int) {
	h.t.Helper()
	h.first(n)
	server := h.serve()
	h.run(0, "issue", "send", "1")
	for k := range kills {
		h.until("more letters", func() bool { return len(h.smtp.Accepted()) >= (k+1)*n/(kills+2) })
		if err := server.Process.Kill(); err != nil {
			h.t.Fatal(err)
		}
		_ = server.Wait()
		server = h.serve()
	}
}

// hold: nobody gets two, and whoever may be without a letter is on the list of the uncertain ones.
func TestStoryOfTenKillsWithHold(t *testing.T) {
	t.Parallel()
	const n = 2000
	h := newHouse(t, slow(5*time.Millisecond), fmt.Sprintf("TECHISSUE_SMTP_CONNECTIONS=%d", killConnections), "TECHISSUE_UNCERTAIN=hold")
	h.killTen(n)
	var c map[string]any
	h.until("the issue is done", func() bool { c = h.counts(1); return c["state"] == "done" })
	got, doubled := h.copies("첫 호")
	uncertain, missing := sum(c, "uncertain"), n-len(got)
	t.Logf("hold, %d kills: %d missing, %d doubled, %d uncertain", kills, missing, doubled, uncertain)
	if doubled > 0 || uncertain > kills*killConnections || missing > uncertain || sum(c, "sent", "uncertain") != n {
		t.Errorf("hold: %d missing, %d doubled, %d uncertain of %v", missing, doubled, uncertain, c)
	}
	listed := h.run(0, "issue", "deliveries", "1", "--state", "uncertain", "--json")
	for email := range wanted(n) {
		if got[email] == 0 && !contains(listed, email) {
			t.Errorf("%s has no letter and is not on the list", email)
		}
	}
	h.run(0, "doctor", "--offline")
}

// resend_once: after a quarter of an hour each uncertain letter is tried once more. Nobody is left out; only what was in flight can come twice.
func TestStoryOfTenKillsWithResendOnce(t *testing.T) {
	t.Parallel()
	const n = 2000
	h := newClocked(t, slow(5*time.Millisecond), fmt.Sprintf("TECHISSUE_SMTP_CONNECTIONS=%d", killConnections))
	h.killTen(n)
	var c map[string]any
	h.until("only uncertain letters are left", func() bool {
		c = h.counts(1)
		return sum(c, "queued", "leased", "handing") == 0
	})
	uncertain := sum(c, "uncertain")
	before, _ := h.copies("첫 호")
	if uncertain > 0 && c["state"] != "sending" {
		t.Errorf("done before the second try of %d letters", uncertain)
	}
	listed := h.run(0, "issue", "deliveries", "1", "--state", "uncertain", "--json")
	for email := range wanted(n) {
		if before[email] == 0 && !contains(listed, email) {
			t.Errorf("%s has no letter and is not on the list", email)
		}
	}
	h.move("16m")
	h.until("the issue is done", func() bool { c = h.counts(1); return c["state"] == "done" })
	got, doubled := h.copies("첫 호")
	t.Logf("resend_once, %d kills: %d uncertain, then %d missing, %d doubled", kills, uncertain, n-len(got), doubled)
	if len(got) != n || doubled > kills*killConnections || uncertain > kills*killConnections || sum(c, "sent") != n {
		t.Errorf("%d missing, %d doubled, %d were uncertain: %v", n-len(got), doubled, uncertain, c)
	}
	ids := map[string]string{}
	for _, m := range h.smtp.Accepted() {
		if got[m.Rcpt()] > 2 {
			t.Errorf("%s got %d", m.Rcpt(), got[m.Rcpt()])
		}
		if old, twice := ids[m.Rcpt()]; twice && old != string(m.Data) {
			t.Errorf("the second copy to %s has other bytes", m.Rcpt())
		}
		ids[m.Rcpt()] = string(m.Data)
	}
	h.run(0, "doctor", "--offline")
}

// SIGTERM in mid-send: what is in flight is finished, nothing is uncertain, and the next start goes on.
func TestStoryOfAStop(t *testing.T) {
	t.Parallel()
	const n = 600
	h := newHouse(t, slow(20*time.Millisecond), "TECHISSUE_UNCERTAIN=hold")
	h.first(n)
	server := h.serve()
	h.run(0, "issue", "send", "1")
	h.until("a part has gone", func() bool { return len(h.smtp.Accepted()) >= n/4 })
	h.stop(server)
	c := h.counts(1)
	if sum(c, "leased", "handing", "uncertain") > 0 || sum(c, "sent") != len(h.smtp.Accepted()) || sum(c, "queued") == 0 {
		t.Errorf("after the stop: %v, the server has %d", c, len(h.smtp.Accepted()))
	}
	h.run(0, "doctor", "--offline")
	h.serve()
	h.until("the issue is done", func() bool { return h.counts(1)["state"] == "done" })
	if got, doubled := h.copies("첫 호"); len(got) != n || doubled > 0 {
		t.Errorf("%d missing, %d doubled", n-len(got), doubled)
	}
}

// A server that never answers holds the stop for the grace time; a second signal ends it now, and what was in flight is uncertain afterwards.
func TestStoryOfASecondSignal(t *testing.T) {
	t.Parallel()
	const n, connections = 10, 2
	h := newHouse(t, smtptest.Config{Rules: []smtptest.Rule{{At: smtptest.Answer, Do: smtptest.Action{Hang: true}}}},
		fmt.Sprintf("TECHISSUE_SMTP_CONNECTIONS=%d", connections), "TECHISSUE_UNCERTAIN=hold", "TECHISSUE_STOP_GRACE=5m")
	h.first(n)
	server := h.serve()
	h.run(0, "issue", "send", "1")
	h.until("every connection hangs", func() bool { return len(h.smtp.Accepted()) == connections })
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	h.until("the door is closed", func() bool { return !h.answers() })
	begin := time.Now()
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the second signal took %s", took)
	}
	h.smtp.SetRules()
	h.serve()
	var c map[string]any
	h.until("the rest is sent", func() bool { c = h.counts(1); return c["state"] == "done" })
	if _, doubled := h.copies("첫 호"); doubled > 0 || sum(c, "uncertain") != connections || sum(c, "sent") != n-connections {
		t.Errorf("%d doubled: %v", doubled, c)
	}
}

// A letter unanswered at the end of the grace time is recorded as uncertain, and the end is a clean one.
func TestStoryOfAStopWhoseGraceRunsOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{Rules: []smtptest.Rule{{At: smtptest.Answer, Do: smtptest.Action{Hang: true}}}},
		"TECHISSUE_SMTP_CONNECTIONS=2", "TECHISSUE_UNCERTAIN=hold", "TECHISSUE_STOP_GRACE=1s")
	h.first(10)
	server := h.serve()
	h.run(0, "issue", "send", "1")
	h.until("every connection hangs", func() bool { return len(h.smtp.Accepted()) == 2 })
	h.stop(server)
	if c := h.counts(1); sum(c, "uncertain") != 2 || sum(c, "queued") != 8 {
		t.Errorf("after the grace time: %v", c)
	}
}

// F02: killed again and again while recipients are inserted. The next start inserts the rest, nobody is missed or doubled, and nothing leaves before all stand there.
func TestStoryOfKillsWhilePreparing(t *testing.T) {
	t.Parallel()
	const n = 12_000 // more than two chunks of 5,000
	h := newHouse(t, smtptest.Config{LogLimit: -1}, "TECHISSUE_UNCERTAIN=hold")
	h.first(n)
	file := openFile(t, filepath.Join(h.data, "techissue.db"))
	// Each chunk takes a moment in its middle, so that every kill hits one.
	if _, err := file.Exec(`CREATE TRIGGER slow AFTER INSERT ON deliveries WHEN NEW.id % 2500 = 1250 BEGIN
		SELECT COUNT(*) FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 4000000) SELECT x FROM c); END`); err != nil {
		t.Fatal(err)
	}
	rows := func() (n int, state string) {
		if err := file.QueryRow(`SELECT (SELECT COUNT(*) FROM deliveries), state FROM issues`).Scan(&n, &state); err != nil {
			t.Fatal(err)
		}
		return n, state
	}
	server := h.serve()
	h.run(0, "issue", "send", "1")
	for _, threshold := range []int{0, 5000, 10_000} {
		h.until("the rows", func() bool {
			have, state := rows()
			if state != "preparing" && state != "draft" {
				t.Fatalf("%s before %d rows were seen", state, threshold)
			}
			return state == "preparing" && have >= threshold
		})
		if threshold == 0 { // in the first chunk
			time.Sleep(100 * time.Millisecond)
		}
		if err := server.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = server.Wait()
		if have, state := rows(); state != "preparing" || have >= n || h.smtp.Count() != 0 {
			t.Errorf("killed at %d rows: %d are there, %s, %d letters left", threshold, have, state, h.smtp.Count())
		}
		if threshold == 10_000 {
			if _, err := file.Exec(`DROP TRIGGER slow`); err != nil {
				t.Fatal(err)
			}
		}
		server = h.launch()
	}
	var c map[string]any
	h.until("the issue is done", seldom(func() bool { c = h.counts(1); return c["state"] == "done" }))
	if got, doubled := h.copies("첫 호"); len(got) != n || doubled > 0 || sum(c, "sent") != n {
		t.Errorf("%d missing, %d doubled: %v", n-len(got), doubled, c)
	}
	h.run(0, "doctor", "--offline")
}

// F03: the send is acknowledged and the program killed at once. The next start begins by itself.
func TestStoryOfAKillBehindTheAnswer(t *testing.T) {
	t.Parallel()
	const n = 500
	h := newHouse(t, slow(time.Millisecond), fmt.Sprintf("TECHISSUE_SMTP_CONNECTIONS=%d", killConnections), "TECHISSUE_UNCERTAIN=hold")
	h.first(n)
	server := h.serve()
	key := h.key("issues:send")
	if code, answer := h.call(key, "POST", "/api/v1/issues/1/send", "", "Idempotency-Key", "once"); code != http.StatusAccepted {
		t.Fatalf("%d %v", code, answer)
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	h.serve()
	if o := h.tally(n, 0, ""); o.uncertain > killConnections {
		t.Errorf("%d uncertain", o.uncertain)
	}
}

// openFile opens a SQLite file as another program would.
func openFile(t *testing.T, path string) *sql.DB {
	t.Helper()
	d, err := sql.Open("sqlite3", "file:"+path+"?mode=rw&_busy_timeout=20000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}
