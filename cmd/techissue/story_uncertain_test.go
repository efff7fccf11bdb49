package main_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"techissue/mailer/smtptest"
)

// A letter in doubt from end to end: the server takes it, and before its answer is kept the program is killed. Its record says when and why nobody
// knows; a person decides, each way with its trace. docs/states.md shows what this test prints with -v.
func TestStoryOfAReaderWhoseLetterIsInDoubt(t *testing.T) {
	t.Parallel()
	silent := func(to string) smtptest.Rule {
		return smtptest.Rule{At: smtptest.Answer, To: to, Do: smtptest.Action{Hang: true}}
	}
	h := newHouse(t, smtptest.Config{Rules: []smtptest.Rule{silent("duri@b.example"), silent("sena@c.example")}}, "TECHISSUE_UNCERTAIN=hold")
	h.run(0, "subscribers", "import", h.write("readers.csv", "email,name\nhana@a.example,하나\nduri@b.example,두리\nsena@c.example,세나\n"), "--consent-source", "test")
	h.run(0, "issue", "create", h.write("1.md", fmt.Sprintf(issueText, "첫 호")))
	key := h.key("issues:read,issues:send")
	server := h.serve()
	h.run(0, "issue", "send", "1")
	h.until("three letters, two of them without an answer", func() bool { return h.smtp.Count() == 3 && sum(h.counts(1), "sent") == 1 })
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	h.smtp.SetRules()
	h.serve()
	h.until("the rest is done", func() bool { return h.counts(1)["state"] == "done" })

	t.Logf("$ techissue issue deliveries 1 --state uncertain\n%s", h.run(0, "issue", "deliveries", "1", "--state", "uncertain"))
	var rows []struct {
		ID    int
		Email string
	}
	if err := json.Unmarshal([]byte(h.run(0, "issue", "deliveries", "1", "--state", "uncertain", "--json")), &rows); err != nil || len(rows) != 2 {
		t.Fatalf("%v %v", rows, err)
	}
	look := func(id int) (map[string]any, []any) {
		t.Helper()
		code, d := h.call(key, "GET", "/api/v1/deliveries/"+strconv.Itoa(id), "")
		log, _ := d["attempt_log"].([]any)
		text, _ := json.MarshalIndent(d, "", "  ")
		t.Logf("GET /api/v1/deliveries/%d → %d\n%s", id, code, text)
		return d, log
	}
	last := func(log []any) string {
		if len(log) == 0 {
			return ""
		}
		return log[len(log)-1].(map[string]any)["outcome"].(string)
	}
	for _, row := range rows {
		d, log := look(row.ID)
		if d["state"] != "uncertain" || d["reason"] != "crash" || d["attempts"] != 1.0 || len(log) != 1 || last(log) != "uncertain" || d["message_id"] == "" {
			t.Errorf("in doubt: %v", d)
		}
		verb, want, wantLog := "mark-sent", 200, 2
		if row.Email == "sena@c.example" {
			verb, want = "resend", 202
		}
		t.Logf("POST /api/v1/deliveries/%d/%s", row.ID, verb)
		if code, d := h.call(key, "POST", fmt.Sprintf("/api/v1/deliveries/%d/%s", row.ID, verb), "", "Idempotency-Key", verb); code != want {
			t.Fatalf("%s: %d %v", verb, code, d)
		}
		h.until("it is sent", func() bool {
			_, d := h.call(key, "GET", "/api/v1/deliveries/"+strconv.Itoa(row.ID), "")
			return d["state"] == "sent"
		})
		if d, log = look(row.ID); len(log) != wantLog || last(log) != "sent" {
			t.Errorf("after %s: %v", verb, d)
		}
	}
	ids := map[string]int{}
	for _, m := range h.smtp.Accepted() {
		ids[m.Rcpt()+m.MessageID]++
	}
	if n := h.smtp.Count(); n != 4 || len(ids) != 3 {
		t.Errorf("%d letters, of which the second copy must be the first one: %v", n, ids)
	}
	h.run(0, "doctor", "--offline")
}
