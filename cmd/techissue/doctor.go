package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Levels of a check.
const (
	levelOK   = "ok"
	levelWarn = "warn" // works, but will hurt one day
	levelFail = "fail"
)

// check is one line of the doctor's list.
type check struct {
	ID    string `json:"id"`
	Group string `json:"group"`
	Level string `json:"level"`
	Text  string `json:"text"`
	Fix   string `json:"fix"` // what to do or the record to paste; empty when all is well
}

// doctor looks at everything, each check going on where the one before failed. The fields behind cfg are the outside world, which
// tests put in place of the real one.
type doctor struct {
	cfg      *Config
	faults   settingFaults
	offline  bool
	sendTest string

	resolver *net.Resolver
	client   *http.Client
	now      func() time.Time
	space    func(path string) (free uint64, err error)
	files    func() (uint64, error)        // the limit of open files
	synced   func() (known bool, ntp bool) // whether a time server keeps the clock

	checks []check
}

func newDoctor(cfg *Config, faults settingFaults) *doctor {
	return &doctor{
		cfg: cfg, faults: faults, resolver: net.DefaultResolver, now: now, space: freeSpace, files: fileLimit, synced: clockSynced,
		// The house is asked as a mail provider would ask it: no redirect followed, no cookie kept.
		client: &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

func (d *doctor) add(group, id, level, text, fix string) {
	d.checks = append(d.checks, check{ID: id, Group: group, Level: level, Text: text, Fix: fix})
}

// ok, warn and fail add a line; texts are whole sentences without a full stop.
func (d *doctor) ok(group, id, text string, args ...any) {
	d.add(group, id, levelOK, fmt.Sprintf(text, args...), "")
}
func (d *doctor) warn(group, id, fix, text string, args ...any) {
	d.add(group, id, levelWarn, fmt.Sprintf(text, args...), fix)
}
func (d *doctor) fail(group, id, fix, text string, args ...any) {
	d.add(group, id, levelFail, fmt.Sprintf(text, args...), fix)
}

// run makes every check.
func (d *doctor) run(ctx context.Context) []check {
	d.checks = []check{}
	d.examineSettings()
	d.examineData()
	d.examineHouse(ctx)
	if !d.offline {
		d.examineSMTP(ctx)
		d.examineDNS(ctx)
		d.examineSite(ctx)
	}
	return d.checks
}

func (c *cli) doctor() *cobra.Command {
	var offline, watch bool
	var sendTest, dns string
	var every time.Duration
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look at everything and name the fix of each fault", Args: cobra.NoArgs,
		Example: "  techissue doctor --send-test you@example.kr\n  techissue doctor --watch      # until DNS and the relay are ready",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, faults, err := c.settingsToExamine()
			if err != nil {
				return err
			}
			d := newDoctor(cfg, faults)
			d.offline, d.sendTest = offline, sendTest
			if d.resolver, err = resolverAt(dns); err != nil {
				return err
			}
			switch {
			case watch && c.json, watch && sendTest != "":
				return usage("--watch goes with neither --json nor --send-test")
			case offline && sendTest != "":
				return usage("--send-test needs the relay: leave --offline out")
			case every < time.Second:
				return usage("--every is at least 1s")
			case watch:
				return d.watch(cmd.Context(), os.Stdout, every)
			}
			checks := d.run(cmd.Context())
			if err := c.print(map[string]any{"checks": checks}, func() { printChecks(os.Stdout, checks, colours(os.Stdout)) }); err != nil {
				return err
			}
			if _, _, failed := levels(checks); failed > 0 {
				return &exitError{code: exitFailed, said: true}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&offline, "offline", false, "leave out DNS, SMTP and the base URL")
	f.StringVar(&sendTest, "send-test", "", "send a test letter to this address and tell what the server said")
	f.BoolVar(&watch, "watch", false, "look again until nothing has failed, and tell what changes")
	f.DurationVar(&every, "every", 30*time.Second, "with --watch: how often to look")
	f.StringVar(&dns, "dns", "", "ask this name server (host:port) instead of the system's")
	return cmd
}

// settingsToExamine reads the settings; wrong ones are findings, not the end.
func (c *cli) settingsToExamine() (*Config, settingFaults, error) {
	cfg, err := c.settings()
	faults, ok := err.(settingFaults)
	if err != nil && (!ok || cfg == nil) {
		return nil, nil, err
	}
	return cfg, faults, nil
}

func resolverAt(addr string) (*net.Resolver, error) {
	if addr == "" {
		return net.DefaultResolver, nil
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		if _, _, err := net.SplitHostPort(addr + ":53"); err != nil {
			return nil, usage("--dns is host:port, not %q", addr)
		}
		addr += ":53"
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}, nil
}

func levels(checks []check) (ok, warned, failed int) {
	for _, k := range checks {
		switch k.Level {
		case levelFail:
			failed++
		case levelWarn:
			warned++
		default:
			ok++
		}
	}
	return ok, warned, failed
}

func colours(out *os.File) bool { return term.IsTerminal(int(out.Fd())) && os.Getenv("NO_COLOR") == "" }

var levelWords = map[string]struct{ word, colour string }{
	levelOK: {"ok  ", "\x1b[32m"}, levelWarn: {"warn", "\x1b[33m"}, levelFail: {"FAIL", "\x1b[31m"},
}

func printCheck(out io.Writer, group string, k check, coloured bool) {
	word := levelWords[k.Level].word
	if coloured {
		word = levelWords[k.Level].colour + word + "\x1b[0m"
	}
	fmt.Fprintf(out, "%-10s  %s  %s\n", group, word, k.Text)
	if k.Fix != "" {
		fmt.Fprintf(out, "%18s→ %s\n", "", strings.ReplaceAll(k.Fix, "\n", "\n"+strings.Repeat(" ", 20)))
	}
}

// printChecks prints the list by group and the sum.
func printChecks(out io.Writer, checks []check, coloured bool) {
	last := ""
	for _, k := range checks {
		group := k.Group
		if group == last {
			group = ""
		}
		last = k.Group
		printCheck(out, group, k, coloured)
	}
	fmt.Fprintln(out, sumOf(checks))
}

func sumOf(checks []check) string {
	ok, warned, failed := levels(checks)
	return fmt.Sprintf("%d failed · %s · %d passed", failed, plural(int64(warned), "warning"), ok)
}

// watch looks until nothing has failed: DNS and a relay's approval take hours, and nobody should have to ask again and again.
func (d *doctor) watch(ctx context.Context, out *os.File, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var before []check
	for {
		checks := d.run(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if before == nil {
			printChecks(out, checks, colours(out))
		} else {
			printChanges(out, before, checks, d.now().In(d.cfg.loc), colours(out))
		}
		_, _, failed := levels(checks)
		if failed == 0 {
			fmt.Fprintln(out, "nothing has failed")
			return nil
		}
		if before == nil {
			fmt.Fprintf(out, "looking again every %s · Ctrl+C to leave\n", every)
		}
		before = checks
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// printChanges tells which checks say something else than before.
func printChanges(out io.Writer, before, after []check, at time.Time, coloured bool) {
	said := map[string]check{}
	for _, k := range before {
		said[k.ID] = k
	}
	changed := false
	for _, k := range after {
		if old, known := said[k.ID]; known && old.Level == k.Level && (k.Level == levelOK || old.Text == k.Text) {
			continue
		}
		printCheck(out, at.Format("15:04:05"), k, coloured)
		changed = true
	}
	if changed {
		fmt.Fprintln(out, sumOf(after))
	}
}
