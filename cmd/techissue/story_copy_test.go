package main_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"techissue/db/dbtest"
	"techissue/mailer/smtptest"
)

// A house moves from SQLite to PostgreSQL and back: nothing is lost, links of old letters work, and the copy waits for a person.
func TestCopyBothWays(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.first(60)
	h.run(0, "issue", "send", "1", "--wait")
	h.run(0, "article", "import", h.write("a.md", "---\ntitle: 작은 칩\n---\n손톱만 한 반도체 이야기\n"), "--publish")
	h.run(0, "subscribers", "unsubscribe", "reader0@mail0.example")
	h.run(0, "subscribers", "erase", "reader59@mail3.example") // its id must not come again
	h.run(0, "issue", "create", h.write("2.md", fmt.Sprintf(issueText, "둘째 호")))
	letter := h.smtp.AcceptedTo("reader7@mail0.example")[0].Text()
	link, err := url.Parse(linkIn.FindString(letter[strings.Index(letter, "/u/")-60:]))
	if err != nil {
		t.Fatal(err)
	}
	before := h.run(0, "subscribers", "export")
	secret, err := os.ReadFile(filepath.Join(h.data, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	pg := dbtest.EmptyPostgresURL(t)
	if out := h.run(0, "copy", filepath.Join(h.data, "techissue.db"), pg); !strings.Contains(out, "all counts agree") {
		t.Errorf("it said %s", out)
	}
	if out := h.run(3, "copy", filepath.Join(h.data, "techissue.db"), pg); !strings.Contains(out, "not empty") {
		t.Errorf("onto a house it said %s", out)
	}

	large := *h
	large.env = append(append([]string{}, h.env...), "TECHISSUE_DB="+pg, "TECHISSUE_SECRET="+strings.TrimSpace(string(secret)))
	if got := large.run(0, "subscribers", "export"); got != before {
		t.Errorf("the readers differ: %.500s, before %.500s", got, before)
	}
	if out := large.run(1, "issue", "send", "2"); !strings.Contains(out, "복사한 집") {
		t.Errorf("a copy sends: %s", out)
	}
	large.run(0, "wake", "--yes")
	server := large.serve()
	if code, _ := large.post(link.Path, url.Values{"List-Unsubscribe": {"One-Click"}}); code != http.StatusOK {
		t.Errorf("an old letter's way out answers %d", code)
	}
	if body := large.get("/search?q=" + url.QueryEscape("반도체")); !strings.Contains(body, "작은 칩") {
		t.Error("the article cannot be found in the copy")
	}
	large.stop(server)
	large.run(4, "subscribers", "import", large.write("again.csv", "email\nreader59@mail3.example\nnew@mail.example\n"), "--consent-source", "old list")
	large.run(0, "doctor", "--offline")

	small := newHouse(t, smtptest.Config{})
	if out := small.run(0, "copy", pg, filepath.Join(small.data, "techissue.db")); !strings.Contains(out, "all counts agree") {
		t.Errorf("it said %s", out)
	}
	if err := os.WriteFile(filepath.Join(small.data, "secret"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	small.run(0, "wake", "--yes")
	small.run(0, "issue", "send", "2", "--wait")
	got, _ := small.copies("둘째 호")
	if len(got) != 58 || got["reader0@mail0.example"]+got["reader7@mail0.example"]+got["reader59@mail3.example"] > 0 || got["new@mail.example"] != 1 {
		t.Errorf("it went to %d readers: %v", len(got), got)
	}
	if log, err := os.ReadFile(filepath.Join(small.data, "leavers.log")); err != nil || strings.Count(string(log), "unsubscribed") != 2 || strings.Count(string(log), "erased") != 1 {
		t.Errorf("leavers.log: %s (%v)", log, err)
	}
	small.run(0, "doctor", "--offline")
}

// get is a page as a stranger sees it.
func (h *house) get(path string) string {
	h.t.Helper()
	res, err := http.Get(h.base + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(body)
}
