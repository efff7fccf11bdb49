package main_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/mailer/smtptest"
)

// status is what a reader's row says, "" when there is none.
func (h *house) status(email string) string {
	h.t.Helper()
	var all []map[string]any
	if err := json.Unmarshal([]byte(h.run(0, "subscribers", "list", "--json", "--limit", "200")), &all); err != nil {
		h.t.Fatal(err)
	}
	for _, s := range all {
		if s["email"] == email {
			return s["status"].(string)
		}
	}
	return ""
}

// depart lets three of five readers go, each by another door, after the backup.
func (h *house) depart() {
	h.t.Helper()
	h.run(0, "subscribers", "unsubscribe", "reader0@mail0.example")
	h.run(0, "subscribers", "erase", "reader1@mail1.example")
	h.run(0, "suppress", "add", "reader2@mail2.example")
}

// stayed sends an issue and wants that only those who did not go get it.
func (h *house) stayed(subject string) {
	h.t.Helper()
	n := strings.TrimSpace(h.run(0, "issue", "create", h.write("new.md", fmt.Sprintf(issueText, subject))))
	h.run(0, "issue", "send", n, "--wait")
	got, _ := h.copies(subject)
	if len(got) != 2 || got["reader3@mail3.example"] != 1 || got["reader4@mail4.example"] != 1 {
		h.t.Errorf("%s went to %v", subject, got)
	}
}

// F50: unsubscribe and erase, restore last night's backup, send a new issue.
func TestRestoreForgetsNobodyWhoLeft(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(5)), "--consent-source", "test")
	file := filepath.Join(t.TempDir(), "night.tar.gz")
	h.run(0, "backup", file)
	h.depart()
	if out := h.run(3, "restore", file); !strings.Contains(out, "--yes") || !strings.Contains(out, "techissue.db") {
		t.Errorf("onto a folder with data it says %s", out)
	}
	out := h.run(0, "restore", file, "--yes")
	if !strings.Contains(out, "left since: 3 readers") || strings.Contains(out, "nobody knows") {
		t.Errorf("it said %s", out)
	}
	for email, want := range map[string]string{"reader0@mail0.example": "unsubscribed", "reader1@mail1.example": "", "reader2@mail2.example": "suppressed", "reader3@mail3.example": "active"} {
		if got := h.status(email); got != want {
			t.Errorf("%s is %q, want %q", email, got, want)
		}
	}
	h.stayed("되살린 뒤")
	if aside, _ := filepath.Glob(filepath.Join(h.data, "replaced-*", "techissue.db")); len(aside) != 1 {
		t.Errorf("the old house lies in %v", aside)
	}
	if out := h.run(4, "subscribers", "import", h.write("again.csv", "email\nreader0@mail0.example\nreader1@mail1.example\nnew@mail.example\n"), "--consent-source", "old list"); !strings.Contains(out, "3,reader1@mail1.example") {
		t.Errorf("old leavers in a CSV: %s", out)
	}
	if h.status("reader1@mail1.example") != "" || h.status("reader0@mail0.example") != "unsubscribed" {
		t.Error("an import brought leavers back")
	}
	h.run(0, "doctor", "--offline")
}

func TestRestoreElsewhere(t *testing.T) {
	t.Parallel()
	old := newHouse(t, smtptest.Config{})
	old.run(0, "subscribers", "import", old.write("readers.csv", readers(5)), "--consent-source", "test")
	old.run(0, "issue", "create", old.write("1.md", fmt.Sprintf(issueText, "첫 호")))
	old.run(0, "issue", "send", "1", "--wait")
	letter := old.smtp.AcceptedTo("reader3@mail3.example")[0].Text()
	link, err := url.Parse(linkIn.FindString(letter[strings.Index(letter, "/u/")-60:]))
	if err != nil || !strings.HasPrefix(link.Path, "/u/") {
		t.Fatalf("no way out in %s (%v)", letter, err)
	}
	file := filepath.Join(t.TempDir(), "night.tar")
	old.run(0, "backup", file)
	old.depart()

	t.Run("with the newest log", func(t *testing.T) {
		h := newHouse(t, smtptest.Config{})
		if out := h.run(0, "restore", file, "--leavers", filepath.Join(old.data, "leavers.log")); !strings.Contains(out, "left since: 3 readers") {
			t.Errorf("it said %s", out)
		}
		h.stayed("새 집")
		server := h.serve()
		if code, _ := h.post(link.Path, url.Values{"List-Unsubscribe": {"One-Click"}}); code != http.StatusOK {
			t.Errorf("an old letter's way out answers %d", code)
		}
		h.stop(server)
		if got := h.status("reader3@mail3.example"); got != "unsubscribed" {
			t.Errorf("who used it is %s", got)
		}
		h.run(0, "doctor", "--offline")
	})
	t.Run("without one", func(t *testing.T) {
		h := newHouse(t, smtptest.Config{})
		if out := h.run(0, "restore", file); !strings.Contains(out, "nobody knows who left") {
			t.Errorf("it said %s", out)
		}
		h.run(0, "issue", "create", h.write("2.md", fmt.Sprintf(issueText, "새 호")))
		if out := h.run(1, "issue", "send", "2"); !strings.Contains(out, "떠난 분을 알 수 없어요") {
			t.Errorf("it said %s", out)
		}
		h.run(1, "issue", "send", "2", "--at", "2099-01-01 08:00")
		if n := h.smtp.Count(); n != 0 {
			t.Fatalf("%d letters left", n)
		}
		if out := h.run(0, "leavers", "import", filepath.Join(old.data, "leavers.log")); !strings.Contains(out, "3 readers had left") {
			t.Errorf("it said %s", out)
		}
		h.stayed("기록을 가져온 뒤")
	})
	t.Run("confirmed", func(t *testing.T) {
		h := newHouse(t, smtptest.Config{})
		h.run(0, "restore", file)
		h.run(0, "leavers", "confirm")
		h.run(0, "issue", "create", h.write("2.md", fmt.Sprintf(issueText, "새 호")))
		h.run(0, "issue", "send", "2", "--wait")
		if got, _ := h.copies("새 호"); len(got) != 5 {
			t.Errorf("it went to %v", got)
		}
	})
	t.Run("with another house's log", func(t *testing.T) {
		h := newHouse(t, smtptest.Config{})
		other := newHouse(t, smtptest.Config{})
		other.run(0, "subscribers", "import", other.write("r.csv", readers(1)), "--consent-source", "x")
		other.stop(other.serve())
		if out := h.run(1, "restore", file, "--leavers", filepath.Join(other.data, "leavers.log")); !strings.Contains(out, "another house") {
			t.Errorf("it said %s", out)
		}
		if _, err := os.Stat(filepath.Join(h.data, "techissue.db")); !os.IsNotExist(err) {
			t.Errorf("a refused restore left a database (%v)", err)
		}
	})
}

// A backup in the middle of a send: what was on its way waits for a person, and then goes to those who lack it by the backup's account.
func TestRestoredIssuesWait(t *testing.T) {
	t.Parallel()
	h := newHouse(t, slow(20*time.Millisecond), "TECHISSUE_SMTP_CONNECTIONS=2")
	h.first(300)
	h.run(0, "issue", "create", h.write("2.md", fmt.Sprintf(issueText, "예약한 호")))
	h.run(0, "issue", "send", "2", "--at", "2099-01-01 08:00")
	server := h.serve()
	h.run(0, "issue", "send", "1")
	if err := h.smtp.WaitAccepted(t.Context(), 40); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "middle.tar.gz")
	h.run(0, "backup", file)
	if out := h.run(3, "restore", file, "--yes"); !strings.Contains(out, fmt.Sprint(server.Process.Pid)) {
		t.Errorf("beside a running server it says %s", out)
	}
	h.stop(server)
	if out := h.run(0, "restore", file, "--yes"); !strings.Contains(out, "issue 1 is paused") || !strings.Contains(out, "issue 2 is paused") {
		t.Errorf("it said %s", out)
	}
	sent := h.smtp.Count()
	server = h.serve()
	if state := h.counts(1)["state"]; state != "paused" {
		t.Errorf("issue 1 is %v", state)
	}
	if out := h.run(0, "doctor", "--offline", "--json"); !strings.Contains(out, "alert.restored") {
		t.Errorf("no alert: %s", out)
	}
	if n := h.smtp.Count(); n != sent {
		t.Errorf("%d letters left by themselves", n-sent)
	}
	h.run(0, "issue", "resume", "2")
	if state := h.counts(2)["state"]; state != "scheduled" {
		t.Errorf("issue 2 is %v", state)
	}
	h.run(0, "issue", "resume", "1")
	h.until("issue 1 is done", func() bool {
		return h.counts(1)["state"] == "done" || sum(h.counts(1), "queued", "leased", "handing") == 0
	})
	h.stop(server)
	if got, _ := h.copies("첫 호"); len(got) != 300 {
		t.Errorf("%d of 300 readers got it", len(got))
	}
	h.run(0, "doctor", "--offline")
}

func TestFinalBackup(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.first(3)
	h.run(0, "issue", "send", "1", "--wait")
	letter := h.smtp.AcceptedTo("reader0@mail0.example")[0].Text()
	link, err := url.Parse(linkIn.FindString(letter[strings.Index(letter, "/u/")-60:]))
	if err != nil {
		t.Fatal(err)
	}
	h.run(0, "issue", "create", h.write("2.md", fmt.Sprintf(issueText, "둘째 호")))
	server := h.serve()
	file := filepath.Join(t.TempDir(), "last.tar.gz")
	if out := h.run(0, "backup", "--final", file); !strings.Contains(out, "at rest") {
		t.Errorf("it said %s", out)
	}
	sent := h.smtp.Count()
	code, body := h.post("/subscribe", url.Values{"email": {"new@mail.example"}, "consent": {"on"}, "age14": {"on"}})
	if code != http.StatusServiceUnavailable || !strings.Contains(body, "이사 중이에요") {
		t.Errorf("sign-up answers %d %s", code, body)
	}
	if out := h.run(1, "issue", "send", "2"); !strings.Contains(out, "쉬는 집") {
		t.Errorf("it said %s", out)
	}
	h.run(3, "wake")
	if code, _ := h.post(link.Path, url.Values{"List-Unsubscribe": {"One-Click"}}); code != http.StatusOK {
		t.Errorf("an unsubscribe answers %d", code)
	}
	if log, err := os.ReadFile(filepath.Join(h.data, "leavers.log")); err != nil || !strings.Contains(string(log), "unsubscribed") {
		t.Errorf("leavers.log: %s (%v)", log, err)
	}
	h.stop(server)
	server = h.serve() // a restart does not wake it
	h.stop(server)
	if n := h.smtp.Count(); n != sent {
		t.Errorf("a house at rest sent %d letters", n-sent)
	}

	next := newHouse(t, smtptest.Config{})
	next.run(0, "restore", file, "--leavers", filepath.Join(h.data, "leavers.log"))
	if got := next.status("reader0@mail0.example"); got != "unsubscribed" {
		t.Errorf("who left the old house is %s in the new one", got)
	}
	next.run(0, "issue", "send", "2", "--wait")
	if got, _ := next.copies("둘째 호"); len(got) != 2 {
		t.Errorf("the new house sent to %v", got)
	}
	h.run(0, "wake", "--yes")
	h.run(0, "issue", "send", "2", "--wait")
}

func TestBackupVerified(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.first(20)
	dir := t.TempDir()
	file := filepath.Join(dir, "a.tar.gz")
	h.run(0, "backup", file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if out := h.run(0, "restore", file, "--verify"); !strings.Contains(out, "every checksum matches") || !strings.Contains(out, "0 failed") {
		t.Errorf("it said %s", out)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "b.tar")
	h.run(0, "backup", plain)
	tarred, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := bytes.Clone(tarred)
	at := bytes.Index(spoiled, []byte("SQLite format 3")) + 5000
	spoiled[at] ^= 0xff
	var outside bytes.Buffer
	w := tar.NewWriter(&outside)
	_ = w.WriteHeader(&tar.Header{Name: "uploads/../../escape", Mode: 0o600, Size: 1})
	_, _ = w.Write([]byte("x"))
	_ = w.Close()
	for name, raw := range map[string][]byte{
		"cut off": whole[:len(whole)/2], "without its end": tarred[:bytes.LastIndex(tarred, []byte("SHA256SUMS"))-100], "one byte other": spoiled,
		"empty": {}, "no backup": []byte("hello, this is no backup at all"), "a path outside": outside.Bytes(),
	} {
		bad := filepath.Join(dir, "bad.tar")
		if err := os.WriteFile(bad, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if out := h.run(1, "restore", bad, "--verify"); !strings.Contains(out, "no whole backup") {
			t.Errorf("%s: it said %s", name, out)
		}
		if out := h.run(1, "restore", bad, "--yes"); !strings.Contains(out, "no whole backup") {
			t.Errorf("%s: it said %s", name, out)
		}
	}
	if got := len(strings.Split(h.run(0, "subscribers", "list"), "\n")); got < 20 {
		t.Error("a refused restore touched the house")
	}
	if left, _ := filepath.Glob(filepath.Join(h.data, ".restore-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	h.run(2, "restore", filepath.Join(dir, "nowhere"))
	keyless := filepath.Join(dir, "keyless.tar")
	h.run(0, "backup", keyless, "--without-keys")
	raw, err := os.ReadFile(keyless)
	secret, err2 := os.ReadFile(filepath.Join(h.data, "secret"))
	if err != nil || err2 != nil || bytes.Contains(raw, bytes.TrimSpace(secret)) || strings.Contains(string(raw), "\x00secret\x00") {
		t.Error("the secret is in a backup without keys")
	}
	if out := newHouse(t, smtptest.Config{}).run(1, "restore", keyless); !strings.Contains(out, "carries no keys") {
		t.Errorf("it said %s", out)
	}
	h.run(0, "restore", keyless, "--yes")
	h.run(0, "subscribers", "unsubscribe", "reader0@mail0.example")
	if !slices.Contains([]string{"unsubscribed"}, h.status("reader0@mail0.example")) {
		t.Error("the keys are not the old ones")
	}
}
