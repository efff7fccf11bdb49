package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"techissue/db/dbtest"
	"techissue/mailer/smtptest"
)

// binaries are the programs that the stories run, made once, as a user would; one more has a clock that tests move.
var binaries struct {
	sync.Mutex
	dir  string
	path map[string]string
}

func build(t *testing.T, tags ...string) string {
	t.Helper()
	binaries.Lock()
	defer binaries.Unlock()
	name := "techissue" + strings.Join(tags, "-")
	if path := binaries.path[name]; path != "" {
		return path
	}
	if binaries.dir == "" {
		dir, err := os.MkdirTemp("", "techissue-bin-")
		if err != nil {
			t.Fatal(err)
		}
		binaries.dir, binaries.path = dir, map[string]string{}
	}
	path := filepath.Join(binaries.dir, name)
	out, err := exec.Command("go", "build", "-tags", strings.Join(tags, ","), "-o", path, "techissue/cmd/techissue").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	binaries.path[name] = path
	return path
}

func TestMain(m *testing.M) { dbtest.Main(sweeper{m}) }

// sweeper removes the programs when the tests are over.
type sweeper struct{ m *testing.M }

func (s sweeper) Run() int {
	defer func() { stopChrome(); os.RemoveAll(binaries.dir) }()
	return s.m.Run()
}

// house is a data folder with a relay of its own.
type house struct {
	t    *testing.T
	bin  string
	data string
	env  []string
	smtp *smtptest.Server
	base string
	said *talk // by every process of this house
}

// talk is what a process said so far.
type talk struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *talk) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *talk) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newHouse(t *testing.T, cfg smtptest.Config, env ...string) *house {
	t.Helper()
	h := &house{t: t, bin: build(t), data: t.TempDir(), smtp: smtptest.New(t, cfg), said: &talk{}}
	addr := freePort(t)
	h.base = "http://" + addr
	h.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + h.data, "TECHISSUE_DATA=" + h.data, "TECHISSUE_ADDR=" + addr, "TECHISSUE_BASE_URL=" + h.base,
		"TECHISSUE_INTERNAL_ADDR=", "TECHISSUE_SMTP_URL=" + h.smtp.URL(), "TECHISSUE_FROM=테크잇슈 <letter@example.kr>", "TECHISSUE_LOG_LEVEL=warn",
	}, env...)
	return h
}

func freePort(t *testing.T) string {
	t.Helper()
	s := smtptest.New(t, smtptest.Config{})
	addr := strings.TrimPrefix(s.URL(), "smtp+insecure://")
	s.Close()
	return addr
}

// run executes one command and wants its exit code.
func (h *house) run(want int, args ...string) string {
	h.t.Helper()
	cmd := exec.Command(h.bin, args...)
	cmd.Env, cmd.Dir = h.env, h.data
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, _ := cmd.Output()
	h.said.Write(out)
	h.said.Write(stderr.Bytes())
	if got := cmd.ProcessState.ExitCode(); got != want {
		h.t.Fatalf("techissue %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, want, out, &stderr)
	}
	return string(out) + stderr.String()
}

// try executes one command and tells whether it went well.
func (h *house) try(args ...string) bool {
	h.t.Helper()
	cmd := exec.Command(h.bin, args...)
	cmd.Env, cmd.Dir = h.env, h.data
	out, err := cmd.CombinedOutput()
	h.said.Write(out)
	return err == nil
}

// serve starts the server and waits until it is ready.
func (h *house) serve() *exec.Cmd {
	h.t.Helper()
	cmd := h.launch()
	h.until("the server is ready", func() bool {
		res, err := http.Get(h.base + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return cmd
}

// launch starts the server and waits for nothing.
func (h *house) launch() *exec.Cmd {
	h.t.Helper()
	cmd := exec.Command(h.bin, "serve")
	cmd.Env, cmd.Dir = h.env, h.data
	var log talk
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&log, h.said), io.MultiWriter(&log, h.said)
	// A group of its own: under another program (strace) the server is that one's child, outlives it and would keep our pipe open.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if cmd.ProcessState == nil {
			_ = cmd.Wait()
		}
		if h.t.Failed() {
			h.t.Logf("serve said:\n%s", log.String())
		}
	})
	return cmd
}

func (h *house) until(what string, ok func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 3*time.Minute) // a limit for what hangs, not a measure: the machine may be busy
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			h.t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

func (h *house) write(name, text string) string {
	h.t.Helper()
	path := filepath.Join(h.data, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func (h *house) post(path string, form url.Values) (int, string) {
	h.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.PostForm(h.base+path, form)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

func (h *house) counts(n int) map[string]any {
	h.t.Helper()
	var view map[string]any
	if err := json.Unmarshal([]byte(h.run(0, "issue", "report", fmt.Sprint(n), "--json")), &view); err != nil {
		h.t.Fatal(err)
	}
	return view
}

func readers(n int) string {
	var b strings.Builder
	b.WriteString("email,name\n")
	for i := range n {
		fmt.Fprintf(&b, "reader%d@mail%d.example,독자%d\n", i, i%7, i)
	}
	return b.String()
}

const issueText = "---\nsubject: %s\nlinks:\n  - {url: \"https://news.example/1\", title: 소식}\n---\n{이름|독자}님, 안녕하세요.\n"

var linkIn = regexp.MustCompile(`http://[^\s")]+/(?:confirm|u|me)/[a-z0-9-]+`)

func (l *talk) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

// key makes an API key.
func (h *house) key(scopes string) string {
	h.t.Helper()
	return strings.TrimSpace(strings.Split(h.run(0, "key", "create", "program", "--scopes", scopes), "\n")[0])
}

// call asks the API.
func (h *house) call(key, method, path, body string, header ...string) (int, map[string]any) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.base+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	var out map[string]any
	_ = json.NewDecoder(res.Body).Decode(&out)
	return res.StatusCode, out
}

// copies counts the letters with a subject that the SMTP server took, by reader: its own account of the truth.
func (h *house) copies(subject string) (got map[string]int, doubled int) {
	got = map[string]int{}
	for _, m := range h.smtp.Accepted() {
		if m.Subject() != subject {
			continue
		}
		if got[m.Rcpt()]++; got[m.Rcpt()] == 2 {
			doubled++
		}
	}
	return got, doubled
}

// sum adds up some states of an issue's report.
func sum(counts map[string]any, states ...string) (n int) {
	for _, s := range states {
		n += int(counts[s].(float64))
	}
	return n
}

var everyState = []string{"queued", "leased", "handing", "sent", "failed", "expired", "uncertain", "skipped", "cancelled"}

// stop ends a server as a service manager does and wants a clean end.
func (h *house) stop(server *exec.Cmd) {
	h.t.Helper()
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		h.t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		h.t.Errorf("SIGTERM: %v", err)
	}
}

// first makes readers and a draft of issue 1.
func (h *house) first(n int) {
	h.t.Helper()
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(n)), "--consent-source", "test")
	h.run(0, "issue", "create", h.write("1.md", fmt.Sprintf(issueText, "첫 호")))
}

// slow is a server that takes a moment for each letter, so that something can happen in between.
func slow(d time.Duration) smtptest.Config {
	return smtptest.Config{LogLimit: -1, Rules: []smtptest.Rule{{At: smtptest.Dot, Do: smtptest.Action{Delay: d}}}}
}

// clocked is a house whose clock the test moves.
type clocked struct {
	*house
	file string
}

func newClocked(t *testing.T, cfg smtptest.Config, env ...string) *clocked {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clock")
	h := newHouse(t, cfg, append(env, "TECHISSUE_CLOCK_FILE="+file)...)
	h.bin = build(t, "testclock")
	c := &clocked{h, file}
	c.move("0s")
	return c
}

func (c *clocked) move(d string) {
	c.t.Helper()
	if err := os.WriteFile(c.file+".new", []byte(d), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(c.file+".new", c.file); err != nil { // never half written
		c.t.Fatal(err)
	}
}

// answers tells whether somebody listens at the door.
func (h *house) answers() bool {
	res, err := http.Get(h.base + "/healthz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return true
}

// wanted are the addresses that readers(n) makes.
func wanted(n int) map[string]bool {
	all := map[string]bool{}
	for i := range n {
		all[fmt.Sprintf("reader%d@mail%d.example", i, i%7)] = true
	}
	return all
}

// contains looks for an address as a whole.
func contains(list, email string) bool { return strings.Contains(list, `"`+email+`"`) }

const interrupt = syscall.SIGINT

// begin starts a command; wait sends it a signal (0: none) and gives its exit code.
func (h *house) begin(args ...string) (said *talk, wait func(syscall.Signal) int) {
	h.t.Helper()
	said = &talk{}
	cmd := exec.Command(h.bin, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = h.env, h.data, said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	return said, func(s syscall.Signal) int {
		if s != 0 {
			_ = cmd.Process.Signal(s)
		}
		_ = cmd.Wait()
		return cmd.ProcessState.ExitCode()
	}
}
