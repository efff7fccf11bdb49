package main_test

import (
	"fmt"
	"testing"
	"time"

	"techissue/mailer/smtptest"
)

// kill -9 at random moments of one send; then the three accounts are compared: what the server accepted, what the database says, who was to get one.
func TestStoryOfTenKills(t *testing.T) {
	t.Parallel()
	const n, kills, connections = 2000, 10, 4
	h := newHouse(t, smtptest.Config{LogLimit: -1, Rules: []smtptest.Rule{{At: smtptest.Dot, Do: smtptest.Action{Delay: 5 * time.Millisecond}}}},
		fmt.Sprintf("TECHISSUE_SMTP_CONNECTIONS=%d", connections), "TECHISSUE_UNCERTAIN=hold")
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(n)), "--consent-source", "test")
	h.run(0, "issue", "create", h.write("1.md", fmt.Sprintf(issueText, "첫 호")))
	server := h.serve()
	h.run(0, "issue", "send", "1")
	for k := range kills {
		h.until("more letters", func() bool { return len(h.smtp.Accepted()) >= (k+1)*n/(kills+2) })
		if err := server.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = server.Wait()
		server = h.serve()
	}
	var c map[string]any
	h.until("the issue is done", func() bool { c = h.counts(1); return c["state"] == "done" })
	got := map[string]int{}
	for _, m := range h.smtp.Accepted() {
		got[m.Rcpt()]++
	}
	doubled := 0
	for _, times := range got {
		if times > 1 {
			doubled++
		}
	}
	uncertain := int(c["uncertain"].(float64))
	missing := n - len(got)
	t.Logf("%d kills: %d missing, %d doubled, %d uncertain", kills, missing, doubled, uncertain)
	if doubled > 0 || uncertain > kills*(connections+1) || missing > uncertain || int(c["sent"].(float64))+uncertain != n {
		t.Errorf("hold: %d missing, %d doubled, %d uncertain of %v", missing, doubled, uncertain, c)
	}
	h.run(0, "doctor", "--offline")
}
