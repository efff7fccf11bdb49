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

var binary struct {
	sync.Once
	path string
	err  error
}

// build makes the program once for all stories, as a user would.
func build(t *testing.T) string {
	t.Helper()
	binary.Do(func() {
		dir, err := os.MkdirTemp("", "techissue-bin-")
		if err != nil {
			binary.err = err
			return
		}
		binary.path = filepath.Join(dir, "techissue")
		out, err := exec.Command("go", "build", "-o", binary.path, "techissue/cmd/techissue").CombinedOutput()
		if err != nil {
			binary.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

func TestMain(m *testing.M) { dbtest.Main(sweeper{m}) }

// sweeper removes the program when the tests are over.
type sweeper struct{ m *testing.M }

func (s sweeper) Run() int {
	code := s.m.Run()
	if binary.path != "" {
		os.RemoveAll(filepath.Dir(binary.path))
	}
	return code
}

// house is a data folder with a relay of its own.
type house struct {
	t    *testing.T
	bin  string
	data string
	env  []string
	smtp *smtptest.Server
	base string
}

func newHouse(t *testing.T, cfg smtptest.Config, env ...string) *house {
	t.Helper()
	h := &house{t: t, bin: build(t), data: t.TempDir(), smtp: smtptest.New(t, cfg)}
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
	if got := cmd.ProcessState.ExitCode(); got != want {
		h.t.Fatalf("techissue %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, want, out, &stderr)
	}
	return string(out) + stderr.String()
}

// serve starts the server and waits until it is ready.
func (h *house) serve() *exec.Cmd {
	h.t.Helper()
	cmd := exec.Command(h.bin, "serve")
	cmd.Env, cmd.Dir = h.env, h.data
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if h.t.Failed() {
			h.t.Logf("serve said:\n%s", &log)
		}
	})
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

func (h *house) until(what string, ok func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
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
