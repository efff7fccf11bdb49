package main_test

import (
	"fmt"
	"testing"
	"time"

	"techissue/db/dbtest"
	"techissue/mailer/smtptest"
)

// Two machines share one PostgreSQL and one issue. Each sends a part, nobody gets two, nobody is left out.
func TestStoryOfTwoNodes(t *testing.T) {
	t.Parallel()
	const n = 600
	h := newHouse(t, smtptest.Config{LogLimit: -1, Rules: []smtptest.Rule{{At: smtptest.Dot, Do: smtptest.Action{Delay: 5 * time.Millisecond}}}},
		"TECHISSUE_DB="+dbtest.EmptyPostgresURL(t), "TECHISSUE_SECRET=a secret that both nodes share", "TECHISSUE_SMTP_CONNECTIONS=2")
	h.run(0, "migrate")
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(n)), "--consent-source", "test")
	h.run(0, "issue", "create", h.write("1.md", fmt.Sprintf(issueText, "첫 호")))
	h.serve()
	second := *h
	second.data = t.TempDir()
	addr := freePort(t)
	second.base = "http://" + addr // its own door; the links in letters stay the first one's
	second.env = append(append([]string{}, h.env...), "TECHISSUE_DATA="+second.data, "TECHISSUE_ADDR="+addr)
	second.serve()
	second.run(0, "issue", "send", "1")
	h.until("the issue is done", func() bool { return h.counts(1)["state"] == "done" })
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
	t.Logf("two nodes: %d missing, %d doubled of %d", n-len(got), doubled, n)
	if len(got) != n || doubled > 0 {
		t.Errorf("%d missing, %d doubled", n-len(got), doubled)
	}
	h.run(0, "doctor", "--offline")
}
