package main_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"techissue/mailer/smtptest"
)

// Faults that take minutes or touch the whole process (make fault). Each row sends an issue to everybody while something breaks, and then compares
// three accounts: what was acknowledged, what the SMTP server took, and what the database says.
type fault struct {
	id, name string
	needs    func() string // why it cannot run here, "" when it can
	run      func(t *testing.T) outcome
}

// outcome is what a fault's row says.
type outcome struct {
	checked                                  string
	owed, took, sent, uncertain, rest, twice int
}

func TestFaults(t *testing.T) {
	if os.Getenv("TECHISSUE_FAULT") == "" {
		t.Skip("make fault runs it")
	}
	var mu sync.Mutex
	rows := map[string]string{}
	t.Run("all", func(t *testing.T) {
		for _, f := range faults() {
			t.Run(f.id+" "+f.name, func(t *testing.T) {
				t.Parallel()
				verdict := "holds"
				var o outcome
				defer func() {
					if t.Failed() {
						verdict = "BROKEN"
					}
					mu.Lock()
					defer mu.Unlock()
					rows[f.id+f.name] = fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s", f.id, f.name, o.checked, o.owed, o.took, o.sent, o.uncertain, o.rest, o.twice, verdict)
				}()
				if f.needs != nil {
					if why := f.needs(); why != "" {
						o.checked, verdict = why, "not run"
						return
					}
				}
				o = f.run(t)
			})
		}
	})
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "fault\twhat breaks\twhat was checked\towed\tSMTP took\tsent\tuncertain\tother\ttwice\tverdict")
	for _, f := range faults() {
		fmt.Fprintln(w, rows[f.id+f.name])
	}
	w.Flush()
}

func faults() []fault {
	return []fault{
		{"F35", "SIGTERM while recipients are inserted", nil, stoppedWhilePreparing},
		{"F23", "fsync fails once a thread", needsStrace, failing("fsync:error=EIO:when=30")},
		{"F23", "no room for forty writes a thread", needsStrace, failing("pwrite64:error=ENOSPC:when=60..100")},
		{"F28", "killed at a write of a migration", needsStrace, killedMigrating},
		{"F29", "a backup in the middle of a send", nil, savedMeanwhile},
		{"F24", "fsync takes two seconds", needsStrace, slowDisk},
		{"F25", "another program holds the database", nil, lockedOut},
		{"power", "power cuts", needsStrace, powerCut},
		{"disk", "a full disk, freed later", needsMount, fullDisk},
		{"F42", "thirty issues, reconnecting after each third letter", nil, leaks},
		{"F04", "a node stopped for 40 s and continued", nil, stoppedNode},
		{"nodes", "a node killed", nil, killedNode},
		{"F45", "PostgreSQL away for five seconds", nil, databaseAway},
		{"F45", "the connection ends at every ninth COMMIT", nil, resetAtCommit},
	}
}

func needsStrace() string {
	if err := exec.Command("strace", "-o", "/dev/null", "true").Run(); err != nil {
		return "strace is missing or may not trace"
	}
	return ""
}

func needsMount() string {
	if os.Geteuid() != 0 {
		return "only root may mount a small disk"
	}
	return ""
}

// tally holds the three accounts against each other once nothing is owed any more: nobody without a letter who is not listed, nobody with two
// beyond the doubles allowed, and every row that is sent has its letter.
func (h *house) tally(n, doubles int, checked string) outcome {
	h.t.Helper()
	var c map[string]any
	h.until("nothing is owed", seldom(func() bool {
		c = h.counts(1)
		return sum(c, "queued", "leased", "handing") == 0 && sum(c, everyState...) == n
	}))
	got, twice := h.copies("첫 호")
	o := outcome{checked: checked, owed: n, took: len(h.smtp.Accepted()), sent: sum(c, "sent"), uncertain: sum(c, "uncertain"), twice: twice}
	o.rest = n - o.sent - o.uncertain
	list := h.run(0, "issue", "deliveries", "1", "--state", "uncertain", "--json")
	for email := range wanted(n) {
		if got[email] == 0 && !contains(list, email) {
			h.t.Errorf("%s has no letter and is not on the list", email)
		}
	}
	if o.rest != 0 || twice > doubles || o.sent > len(got) {
		h.t.Errorf("%+v of %v", o, c)
	}
	h.run(0, "doctor", "--offline")
	return o
}

func stoppedWhilePreparing(t *testing.T) outcome {
	const n = 20_000
	h := newHouse(t, smtptest.Config{LogLimit: -1}, "TECHISSUE_UNCERTAIN=hold")
	h.first(n)
	server := h.serve()
	h.run(0, "issue", "send", "1")
	for range 5 {
		h.stop(server)
		if c := h.counts(1); sum(c, "leased", "handing", "uncertain") != 0 {
			t.Errorf("after a stop: %v", c)
		}
		server = h.serve()
	}
	return h.tally(n, 0, "clean stops, nothing uncertain, goes on")
}

// traced starts the server under strace; what is injected happens to the server only, and counts in each of its threads. happened tells how often.
func (h *house) traced(inject string) (server *exec.Cmd, happened func() int) {
	h.t.Helper()
	name, _, _ := strings.Cut(inject, ":")
	server = h.under("strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace="+name, "-e", "signal=none", "-e", "inject="+inject)
	return server, func() int {
		said := h.said.String()
		return strings.Count(said, "(INJECTED)") + strings.Count(said, "(DELAYED)")
	}
}

// failing lets the disk fail once in the middle of a send. The program may go on or end; after a start nobody is forgotten, and no more are in doubt than
// connections were open.
func failing(inject string) func(*testing.T) outcome {
	return func(t *testing.T) outcome {
		const n = 1500
		h := newHouse(t, slow(3*time.Millisecond), "TECHISSUE_UNCERTAIN=hold")
		h.first(n)
		server, happened := h.traced(inject)
		h.run(0, "issue", "send", "1")
		pid, done := h.driver(), false
		h.until("the end of the issue or of the program", seldom(func() bool {
			if syscall.Kill(pid, 0) != nil {
				return true
			}
			c := h.counts(1)
			done = sum(c, "queued", "leased", "handing") == 0 && sum(c, everyState...) == n
			return done
		}))
		if happened() == 0 {
			t.Error("no call failed")
		}
		how := fmt.Sprintf("%d calls failed, went on by itself", happened())
		if !done {
			how = fmt.Sprintf("%d calls failed, ended, and went on after a start", happened())
			if err := server.Wait(); err == nil {
				t.Error("it ended and called that a success")
			}
			h.serve()
		}
		o := h.tally(n, 0, how)
		if o.uncertain > 2*8 {
			t.Errorf("%d uncertain", o.uncertain)
		}
		return o
	}
}

func slowDisk(t *testing.T) outcome {
	const n = 60
	h := newHouse(t, smtptest.Config{}, "TECHISSUE_UNCERTAIN=hold")
	h.first(n)
	_, happened := h.traced("fsync:delay_enter=2000000")
	for try := 1; !h.try("issue", "send", "1"); try++ { // whoever waits for the disk longer than five seconds is told to come again
		if try == 10 {
			t.Fatal("no send was accepted")
		}
	}
	slowest := time.Duration(0)
	h.until("half of the letters", func() bool {
		begin := time.Now()
		res, err := http.Get(h.base + "/")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		slowest = max(slowest, time.Since(begin))
		return h.smtp.Count() >= n/2
	})
	if slowest > 2*time.Second {
		t.Errorf("a page took %s", slowest)
	}
	if happened() == 0 {
		t.Error("no call was slow")
	}
	return h.tally(n, 0, fmt.Sprintf("all sent; the slowest page took %s", slowest.Round(time.Millisecond)))
}

// lockedOut: another program holds the write lock for 3 s, which a sign-up waits out, and for 30 s, in which it hears 503 and when to come again.
func lockedOut(t *testing.T) outcome {
	const n = 3000
	h := newHouse(t, slow(5*time.Millisecond), "TECHISSUE_UNCERTAIN=hold")
	h.first(n)
	h.serve()
	h.run(0, "issue", "send", "1")
	h.until("a part has gone", func() bool { return h.smtp.Count() > n/10 })
	hold := func(d time.Duration) (wait func()) {
		release := h.lockOut()
		over := make(chan struct{})
		time.AfterFunc(d, func() { defer close(over); release() })
		return func() { <-over }
	}
	join := func(email string) (int, string, time.Duration) {
		begin := time.Now()
		res, err := http.PostForm(h.base+"/subscribe", url.Values{"email": {email}, "consent": {"on"}, "age14": {"on"}})
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode, res.Header.Get("Retry-After"), time.Since(begin)
	}
	wait := hold(3 * time.Second)
	if code, _, took := join("patient@a.example"); code >= 500 {
		t.Errorf("beside a lock of 3 s: %d after %s", code, took)
	}
	wait()
	wait = hold(30 * time.Second)
	code, again, took := join("late@a.example")
	if code != http.StatusServiceUnavailable || again == "" || took > 8*time.Second {
		t.Errorf("beside a lock of 30 s: %d, Retry-After %q, after %s", code, again, took)
	}
	wait()
	return h.tally(n, 0, fmt.Sprintf("503 after %s; the queue went on", took.Round(100*time.Millisecond)))
}

// fullDisk: the folder's disk has no room for a while. Letters stop, nothing is lost, and with room again it goes on by itself.
func fullDisk(t *testing.T) outcome {
	const n = 3000
	h := newHouse(t, slow(3*time.Millisecond), "TECHISSUE_UNCERTAIN=hold")
	if err := syscall.Mount("tmpfs", h.data, "tmpfs", 0, "size=256m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(h.data, syscall.MNT_DETACH) })
	h.first(n)
	h.serve()
	h.run(0, "issue", "send", "1")
	h.until("a part has gone", func() bool { return h.smtp.Count() > n/10 })
	filler := filepath.Join(h.data, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, endless("full "))
	f.Close()
	if err == nil {
		t.Fatal("the disk takes everything")
	}
	last, since := 0, time.Now()
	h.until("the letters stop", func() bool {
		if c := h.smtp.Count(); c != last {
			last, since = c, time.Now()
		}
		return time.Since(since) > 5*time.Second || last >= n
	})
	stopped := last
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if stopped >= n {
		t.Errorf("the disk was never too full")
	}
	return h.tally(n, 0, fmt.Sprintf("stopped at %d, went on by itself", stopped))
}

// leaks: descriptors do not grow with issues and connections.
func leaks(t *testing.T) outcome {
	const n, issues = 60, 30
	h := newHouse(t, smtptest.Config{CloseAfter: 3, LogLimit: -1}, "TECHISSUE_UNCERTAIN=hold")
	h.first(n)
	server := h.serve()
	open := func() int {
		all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", server.Process.Pid))
		if err != nil {
			t.Skip(err)
		}
		return len(all)
	}
	early := 0
	for k := 1; k <= issues; k++ {
		if k > 1 {
			h.run(0, "issue", "create", h.write("k.md", fmt.Sprintf(issueText, fmt.Sprint("호 ", k))))
		}
		h.run(0, "issue", "send", fmt.Sprint(k))
		h.until("the letters", func() bool { return h.smtp.Count() == k*n })
		if k == 5 {
			early = open()
		}
	}
	late := open()
	if late > early+8 {
		t.Errorf("%d descriptors after 5 issues, %d after %d", early, late, issues)
	}
	o := h.tally(n, 0, fmt.Sprintf("descriptors: %d after 5 issues, %d after %d", early, late, issues))
	o.took = n
	return o
}
