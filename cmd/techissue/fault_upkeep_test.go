package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"techissue/mailer/smtptest"
)

// killedMigrating kills the program at a write of its migrations, later and later until it comes through. What is there then is the first so many
// steps and nothing of the next; the next start does the rest, with a copy made first when there was something to lose.
func killedMigrating(t *testing.T) outcome {
	kills, halves := 0, map[int]bool{}
	for at := 10; ; at += 30 {
		h := newHouse(t, smtptest.Config{})
		cmd := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", fmt.Sprintf("inject=pwrite64:signal=KILL:when=%d", at), h.bin, "migrate")
		cmd.Env, cmd.Dir, cmd.SysProcAttr = h.env, h.data, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		err := cmd.Run()
		if err == nil {
			break
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		kills++
		applied, all := h.migrated()
		halves[applied] = true
		h.run(0, "migrate")
		if now, _ := h.migrated(); now != all {
			t.Errorf("killed at write %d: %d of %d steps after the next start", at, now, all)
		}
		if copies, _ := filepath.Glob(filepath.Join(h.data, "techissue.db.before-v*")); applied > 0 && applied < all && len(copies) != 1 {
			t.Errorf("killed behind step %d: the copies made before going on are %v", applied, copies)
		}
		h.run(0, "subscribers", "import", h.write("readers.csv", readers(3)), "--consent-source", "test")
		h.run(0, "doctor", "--offline")
	}
	if kills < 5 || len(halves) < 3 {
		t.Errorf("%d kills left %d different states", kills, len(halves))
	}
	return outcome{checked: fmt.Sprintf("%d kills left %d different schemas, each whole and finished by the next start", kills, len(halves))}
}

// migrated counts the steps that are applied, which must be the first ones, and all.
func (h *house) migrated() (applied, all int) {
	h.t.Helper()
	var steps []struct{ AppliedAt time.Time }
	if err := json.Unmarshal([]byte(h.run(0, "migrate", "status", "--json")), &steps); err != nil {
		h.t.Fatal(err)
	}
	for n, s := range steps {
		if s.AppliedAt.IsZero() {
			continue
		}
		if applied != n {
			h.t.Errorf("step %d is applied and one before it is not", n+1)
		}
		applied++
	}
	return applied, len(steps)
}

// savedMeanwhile makes a backup in the middle of a send: whoever writes beside it waits a second at most, and what was saved is whole.
func savedMeanwhile(t *testing.T) outcome {
	const n = 20_000
	h := newHouse(t, slow(time.Millisecond), "TECHISSUE_UNCERTAIN=hold")
	h.first(n)
	h.serve()
	h.run(0, "issue", "send", "1")
	h.until("a part has gone", func() bool { return h.smtp.Count() > n/20 })
	saved := make(chan time.Duration, 1)
	file := filepath.Join(t.TempDir(), "copy.tar")
	go func() {
		begin := time.Now()
		if !h.try("backup", file) {
			t.Error("the backup failed")
		}
		saved <- time.Since(begin)
	}()
	longest, writes := time.Duration(0), 0
	var took time.Duration
	for took == 0 {
		select {
		case took = <-saved:
		default:
			begin := time.Now()
			res, err := http.PostForm(h.base+"/subscribe", url.Values{"email": {fmt.Sprintf("new%d@a.example", writes)}, "consent": {"on"}, "age14": {"on"}})
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close() // a 429 is a write as well
			longest, writes = max(longest, time.Since(begin)), writes+1
		}
	}
	if longest > time.Second {
		t.Errorf("a write waited for %s", longest)
	}
	h.run(0, "restore", file, "--verify")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return h.tally(n, 0, fmt.Sprintf("%d MB saved in %s, the longest of %d writes beside it took %s; it verifies", info.Size()>>20, took.Round(10*time.Millisecond), writes, longest.Round(time.Millisecond)))
}
