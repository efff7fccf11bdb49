package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"techissue/db/dbtest"
	"techissue/mailer/smtptest"
)

// The crash loop (make crash): kill -9 at random moments of many issues, the first ones while recipients are still being inserted,
// some before the program is up again. Three accounts are compared: what was acknowledged (the send's exit code), what the
// SMTP server took, and what the database says. TECHISSUE_CRASH is the number of kills in all.
func TestCrashLoop(t *testing.T) {
	kills, err := strconv.Atoi(os.Getenv("TECHISSUE_CRASH"))
	if err != nil {
		t.Skip("make crash runs it")
	}
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("TECHISSUE_CRASH_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("TECHISSUE_CRASH_SEED=%d", seed)
	var mu sync.Mutex
	var table []string
	t.Run("all", func(t *testing.T) {
		for n, c := range []crash{
			{engine: "sqlite", policy: "hold", issues: 4}, {engine: "sqlite", policy: "resend_once", issues: 4},
			{engine: "postgres", policy: "hold", issues: 3}, {engine: "postgres", policy: "resend_once", issues: 3},
		} {
			c.kills = (kills + 3 - n) / 4
			t.Run(c.engine+"/"+c.policy, func(t *testing.T) {
				t.Parallel()
				c.random = rand.New(rand.NewPCG(seed, uint64(n)))
				c.run(t)
				mu.Lock()
				defer mu.Unlock()
				table = append(table, c.row(!t.Failed()))
			})
		}
	})
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "engine\tpolicy\tissues\tletters\tkills\tSMTP took\tmissing\tof these listed\tdoubled (bound)\tuncertain (bound)\tverdict")
	for _, row := range table {
		fmt.Fprintln(w, row)
	}
	w.Flush()
}

// crash is one engine and policy.
type crash struct {
	engine, policy string
	issues, kills  int
	random         *rand.Rand

	extra                                                             int // kills of a program that was not up yet
	killed, letters, took, missing, listed, doubled, uncertain, bound int
}

func (c *crash) row(ok bool) string {
	verdict := "holds"
	if !ok {
		verdict = "BROKEN"
	}
	double := c.bound
	if c.policy == "hold" {
		double = 0
	}
	return fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d (%d)\t%d (%d)\t%s", c.engine, c.policy, c.issues, c.letters, c.killed+c.extra, c.took,
		c.missing, c.listed, c.doubled, double, c.uncertain, c.bound, verdict)
}

const crashReaders = 1000

func (c *crash) run(t *testing.T) {
	env := []string{fmt.Sprintf("TECHISSUE_SMTP_CONNECTIONS=%d", killConnections), "TECHISSUE_UNCERTAIN=" + c.policy, "TECHISSUE_LOG_LEVEL=error"}
	if c.engine == "postgres" {
		env = append(env, "TECHISSUE_DB="+dbtest.EmptyPostgresURL(t), "TECHISSUE_SECRET=a secret of the crash loop")
	}
	h := newClocked(t, smtptest.Config{LogLimit: -1, Rules: []smtptest.Rule{{At: smtptest.Dot, Do: smtptest.Action{Delay: 5 * time.Millisecond}}}}, env...)
	h.run(0, "migrate")
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(crashReaders)), "--consent-source", "test")
	for n := 1; n <= c.issues; n++ {
		h.run(0, "issue", "create", h.write("issue.md", fmt.Sprintf(issueText, fmt.Sprintf("%d번째", n))))
		left := c.kills - c.killed
		c.issue(h, n, left/(c.issues-n+1))
	}
	h.run(0, "doctor", "--offline")
	if c.killed != c.kills {
		t.Errorf("%d kills instead of %d", c.killed, c.kills)
	}
}

// issue sends one and kills the program some times meanwhile. Its letters go slowly enough for that.
func (c *crash) issue(h *clocked, number, kills int) {
	t := h.t
	begin := h.smtp.Count()
	bound := kills * killConnections
	server := h.serve()
	h.run(0, "issue", "send", fmt.Sprint(number)) // acknowledged: from here on everybody is owed a letter
	for k := range kills {
		// Evenly over the letters, at a random moment: the first before or while recipients are inserted.
		h.until("more letters", func() bool { return h.smtp.Count()-begin >= k*crashReaders*4/5/kills })
		time.Sleep(time.Duration(c.random.IntN(40_000)) * time.Microsecond)
		if err := server.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = server.Wait()
		c.killed++
		server = h.launch()
		if c.random.IntN(8) == 0 && c.killed < c.kills && k+1 < kills { // once more before it is up; counted as any other
			bound += killConnections
			c.extra++
			time.Sleep(time.Duration(c.random.IntN(300)) * time.Millisecond)
			if err := server.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = server.Wait()
			server = h.launch()
		}
	}
	var counts map[string]any
	h.until("nothing is owed", seldom(func() bool {
		counts = h.counts(number)
		return sum(counts, "queued", "leased", "handing") == 0 && sum(counts, everyState...) == crashReaders
	}))
	uncertain := sum(counts, "uncertain")
	list := h.run(0, "issue", "deliveries", fmt.Sprint(number), "--state", "uncertain", "--json")
	got := c.taken(h, begin)
	for email := range wanted(crashReaders) {
		if got[email] == 0 && !contains(list, email) {
			t.Errorf("issue %d: %s has no letter and is not on the list", number, email)
		}
	}
	if c.policy == "resend_once" {
		h.move(fmt.Sprintf("%dm", 16*number))
		h.until("the second tries", seldom(func() bool { counts = h.counts(number); return counts["state"] == "done" }))
		list = ""
	} else {
		h.until("the issue is done", seldom(func() bool { counts = h.counts(number); return counts["state"] == "done" }))
	}
	got = c.taken(h, begin)
	c.judge(h, number, counts, got, list, uncertain, bound)
	h.stop(server)
}

// seldom asks a question that costs a process twice a second at most.
func seldom(ask func() bool) func() bool {
	var last time.Time
	return func() bool {
		if time.Since(last) < 500*time.Millisecond {
			return false
		}
		defer func() { last = time.Now() }()
		return ask()
	}
}

func (c *crash) taken(h *clocked, begin int) map[string]int {
	got := map[string]int{}
	for _, m := range h.smtp.Accepted()[begin:] {
		got[m.Rcpt()]++
	}
	return got
}

func (c *crash) judge(h *clocked, number int, counts map[string]any, got map[string]int, list string, uncertain, bound int) {
	doubled, missing := 0, 0
	for email := range wanted(crashReaders) {
		switch n := got[email]; {
		case n == 0:
			missing++
			if strings.Contains(list, `"`+email+`"`) {
				c.listed++
			}
		case n == 2:
			doubled++
		case n > 2:
			h.t.Errorf("issue %d: %s got %d letters", number, email, n)
		}
		c.took += got[email]
	}
	c.letters += crashReaders
	c.missing += missing
	c.doubled += doubled
	c.uncertain += uncertain
	c.bound += bound
	if uncertain > bound {
		h.t.Errorf("issue %d: %d uncertain, the bound is %d", number, uncertain, bound)
	}
	if c.policy == "hold" && (doubled > 0 || missing > uncertain) || c.policy != "hold" && (doubled > bound || missing > 0 || sum(counts, "sent") != crashReaders) {
		h.t.Errorf("issue %d: %d missing, %d doubled, %d uncertain of %v", number, missing, doubled, uncertain, counts)
	}
}
