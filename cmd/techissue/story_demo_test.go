package main_test

import (
	"bufio"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The demo as a newcomer meets it: the tree, Enter, a report that is not empty, and nothing left behind.
func TestDemo(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + tmp, "TMPDIR=" + tmp}
	cmd := exec.Command(build(t), "demo", "--addr", "127.0.0.1:0", "--rate", "100")
	cmd.Env, cmd.Dir, cmd.SysProcAttr = env, tmp, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said talk
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var tree []string
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl+C") {
		tree = append(tree, lines.Text())
	}
	want := []string{
		`^테크잇슈 demo is ready\.   data: (\S+/techissue-demo-[a-z0-9]{4}) \(removed when you leave\)$`, `^ ✓ database   \d+ migrations$`,
		`^ ✓ samples    3 articles · 4 comments · issue 12 ready to go · 1 reader \+ 200 made-up readers$`, `^ ✓ mailbox    127\.0\.0\.1:\d+, no mail leaves this machine$`,
		`^ ├─ site      http://127\.0\.0\.1:\d+/$`, `^ ├─ admin     http://\S+/admin/enter\?t=\S+    \(a page with one button that signs you in, 30 minutes\)$`,
		`^ ├─ watch it  http://\S+/admin/issues/12/send$`, `^ └─ mailbox   http://\S+/mailbox$`, `issue 12 goes out`,
	}
	if !slices.EqualFunc(tree, want, func(line, pattern string) bool { return regexp.MustCompile(pattern).MatchString(line) }) {
		t.Fatalf("the tree is\n%s\n%s", strings.Join(tree, "\n"), said.String())
	}
	data := regexp.MustCompile(want[0]).FindStringSubmatch(tree[0])[1]
	report := func() map[string]any {
		ask := exec.Command(build(t), "issue", "report", "12", "--json", "--data", data)
		ask.Env, ask.Dir = env, tmp
		raw, err := ask.Output()
		var view map[string]any
		if err != nil || json.Unmarshal(raw, &view) != nil {
			t.Fatalf("report: %v %s", err, raw)
		}
		return view
	}
	if r := report(); r["state"] != "draft" {
		t.Errorf("before Enter the issue is %v", r["state"])
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t}
	h.until("the report has openings and clicks", func() bool {
		r := report()
		return r["state"] == "done" && r["opened"].(float64) > 0 && r["clicked"].(float64) > 0
	})
	if r := report(); r["failed"] != 3.0 || r["sent"] != 198.0 {
		t.Errorf("3 bounces and 2 letters that came later: %v", r)
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	var progress []string
	for lines.Scan() {
		progress = append(progress, lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl+C: %v %s", err, said.String())
	}
	if n := len(progress); n == 0 || progress[n-1] != strings.TrimSpace(progress[n-1]) || !strings.Contains(progress[n-1], "100%  201/201") || !strings.Contains(progress[n-1], "(bounced 3)") {
		t.Errorf("the progress: %q", progress)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the folder is left: %v", err)
	}
}

func TestDemoRefusesARealHouse(t *testing.T) {
	t.Parallel()
	h := &house{t: t, bin: build(t), data: t.TempDir(), said: &talk{}}
	h.env = []string{"PATH=" + os.Getenv("PATH"), "TECHISSUE_DATA=" + h.data, "TECHISSUE_LOG_LEVEL=warn"}
	h.run(0, "link", "add", "https://news.example/1")
	before := snapshotOf(t, h.data)
	if out := h.run(3, "demo", "--addr", "127.0.0.1:0", "--keep", h.data); !strings.Contains(out, "not a demo's") {
		t.Errorf("it said %s", out)
	}
	if after := snapshotOf(t, h.data); !slices.Equal(before, after) {
		t.Errorf("it changed the house: %v, before %v", after, before)
	}
	h.run(2, "demo", "--addr", "nowhere")
	h.run(2, "demo", "--subscribers", "-1")
}

// snapshotOf lists a folder with what each file holds; the shared memory beside a database is rebuilt by every reader.
func snapshotOf(t *testing.T, folder string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "-shm") || strings.HasSuffix(path, "-wal") {
			return err
		}
		raw, err := os.ReadFile(path)
		all = append(all, path+" "+string(raw))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
