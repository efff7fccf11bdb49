package main_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chrome is the one browser of all tests; each test has a profile of its own in it.
var chrome struct {
	sync.Once
	ctx  context.Context
	stop func()
	err  error
}

func startChrome() {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		chrome.err = exec.ErrNotFound
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-domain-reliability", true), chromedp.Flag("no-pings", true),
		chromedp.Flag("no-proxy-server", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stopBrowser := chromedp.NewContext(allocator)
	chrome.ctx, chrome.stop = ctx, func() { stopBrowser(); stopAllocator() }
	chrome.err = chromedp.Do(ctx)
}

// stopChrome is called once, when all tests are over.
func stopChrome() {
	if chrome.stop != nil {
		chrome.stop()
	}
}

// tab is somebody at a browser. What the browser complains about is kept, and so is every request to another host.
type tab struct {
	t      *testing.T
	ctx    context.Context
	base   string
	script bool

	mu     sync.Mutex
	faults []string
	status int64 // of the page that was opened last
}

// openTab gives a fresh profile. Without Chromium the test is skipped; in CI it fails.
func openTab(t *testing.T, base string, script bool) *tab {
	t.Helper()
	chrome.Do(startChrome)
	if chrome.err == exec.ErrNotFound {
		const how = "Chromium is missing: make setup, or apt-get install chromium"
		if os.Getenv("CI") != "" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	if chrome.err != nil {
		t.Fatalf("start the browser: %v", chrome.err)
	}
	ctx, cancel := chromedp.NewContext(chrome.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, base: base, script: script}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, audits.Enable, cdp.Empty{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !script})
		return err
	}))
	return b
}

// hear takes what the browser tells of itself. It runs on the goroutine that reads the browser's messages.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fault := func(format string, args ...any) { b.faults = append(b.faults, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		fault("console.%s: %v", e.Type, e.Args)
	case *runtime.EventExceptionThrown:
		fault("exception: %s", e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		fault("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue {
			fault("CSP: %s", e.Issue.Details.ContentSecurityPolicyIssueDetails.ViolatedDirective)
		}
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, b.base+"/") && !strings.HasPrefix(u, "data:") {
			fault("a request to another host: %s", u)
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument && e.FrameID != "" {
			b.status = e.Response.Status
		}
	}
}

// forget drops the complaints about an answer that the test wanted: a browser logs each 4xx.
func (b *tab) forget(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rest []string
	for _, f := range b.faults {
		if !strings.Contains(f, text) {
			rest = append(rest, f)
		}
	}
	b.faults = rest
}

// clean wants that the browser had nothing to complain about.
func (b *tab) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Errorf("the browser says: %s", f)
	}
}

func (b *tab) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.ctx, 2*time.Minute)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v, on the page:\n%s", err, b.peek())
	}
}

// peek is the page's text for a failure's message.
func (b *tab) peek() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + (document.body ? document.body.innerText.slice(0, 1500) : "")`))
	if err != nil {
		return err.Error()
	}
	return text
}

// open goes to a page of the house and waits until it is loaded.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
}

// press clicks and waits for the page behind it.
func (b *tab) press(css string) {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.WaitEvent(page.LoadEventFired, nil, chromedp.Click(chromedp.CSS(css)))); err != nil {
		b.t.Fatalf("press %s: %v, on the page:\n%s", css, err, b.peek())
	}
}

// fill types into a field as a person would.
func (b *tab) fill(css, text string) {
	b.t.Helper()
	b.do(chromedp.Focus(chromedp.CSS(css)))
	eval[chromedp.Void](b, `document.activeElement.select()`) // what is there is typed over
	b.do(chromedp.SendKeys(chromedp.CSS(css), text))
}

// eval asks the page; it works without its scripts, too.
func eval[T any](b *tab, expression string, options ...chromedp.EvaluateOption) T {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, options...))
	if err != nil {
		b.t.Fatalf("%.200s: %v", expression, err)
	}
	return v
}

func (b *tab) text() string { return eval[string](b, `document.body.innerText`) }

// must wants words on the page.
func (b *tab) must(words ...string) {
	b.t.Helper()
	text := b.text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Fatalf("the page lacks %q:\n%s", w, b.peek())
		}
	}
}

// until looks at the page until a script's expression is true.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression)); err == nil && ok { // an error: the page is just changing
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("waited in vain: %s, on the page:\n%s", what, b.peek())
		case <-tick.C:
		}
	}
}

// comes waits for something that the page's own scripts bring; without them the page is loaded anew, as its reader would.
func (b *tab) comes(what, expression string) {
	b.t.Helper()
	if !b.script || !eval[bool](b, `!!document.querySelector("[data-live],[data-events],[data-progress],[data-hx-sse],[hx-sse],[data-hx-ext]")`) {
		expression = "(() => { const there = " + expression + "; if (!there && document.readyState === \"complete\") location.reload(); return there })()"
	}
	b.until(what, expression)
}

// look sets width and theme.
func (b *tab) look(width int64, theme string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, 800), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
		})
		return err
	}))
}

// shot keeps a picture of the page in the folder that SHOTS names, for people to look at.
func (b *tab) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("SHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := b.within()
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/"+name+".png", picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// demoHouse is a running demo.
type demoHouse struct{ base, enter, issue string }

var demoLines = regexp.MustCompile(`(site|admin|watch it|mailbox) +(http://\S+)`)

// startDemo runs the real binary as `make demo` does and reads from its terminal where everything is.
func startDemo(t *testing.T, args ...string) demoHouse {
	t.Helper()
	cmd := exec.Command(build(t), append([]string{"demo", "--addr", "127.0.0.1:0"}, args...)...)
	cmd.Env, cmd.Dir = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir()}, t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said talk
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("the demo ended with %v and said %s", err, said.String())
		}
	})
	var d demoHouse
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "Ctrl+C") {
			break
		}
		m := demoLines.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		switch u, err := url.Parse(m[2]); {
		case err != nil:
			t.Fatal(err)
		case m[1] == "site":
			d.base = strings.TrimSuffix(m[2], "/")
		case m[1] == "admin":
			d.enter = u.RequestURI()
		case m[1] == "watch it":
			d.issue = u.Path
		}
	}
	go func() { // an unread pipe would stop the demo
		for lines.Scan() {
		}
	}()
	if d.base == "" || d.enter == "" {
		t.Fatalf("the demo did not say where it is: %s", said.String())
	}
	return d
}

func TestVendoredTestFilesAreUnchanged(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("testdata/VENDORED.md")
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(script); !strings.Contains(string(table), hex.EncodeToString(sum[:])) {
		t.Errorf("axe.min.js has the sum %x, which testdata/VENDORED.md does not name", sum)
	}
}

// click presses something that leads nowhere.
func (b *tab) click(css string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(css)))
}
