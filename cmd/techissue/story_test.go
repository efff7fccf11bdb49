package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
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

// The main job: sign up, confirm from the caught letter, send, one click, and the second issue leaves that reader out.
func TestStoryOfAReader(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	server := h.serve()
	h.run(3, "serve") // the folder is in use
	if code, body := h.post("/subscribe", url.Values{"email": {"not an address"}}); code != 422 || !strings.Contains(body, "동의") {
		t.Errorf("a bad form: %d", code)
	}
	for _, email := range []string{"kim@naver.example", "lee@daum.example"} {
		if code, _ := h.post("/subscribe", url.Values{"email": {email}, "name": {"김독자"}, "consent": {"on"}, "age14": {"on"}}); code != 303 {
			t.Fatalf("subscribe: %d", code)
		}
	}
	h.until("two confirmations", func() bool { return len(h.smtp.Accepted()) == 2 })
	for _, m := range h.smtp.Accepted() {
		link := strings.TrimPrefix(linkIn.FindString(m.Text()), h.base)
		res, err := http.Get(h.base + link) // a scanner opens every link
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("GET %s: %v", link, err)
		}
		res.Body.Close()
		if code, _ := h.post(link, nil); code != 200 {
			t.Fatalf("confirm: %d", code)
		}
		if code, _ := h.post(link, nil); code != 410 {
			t.Errorf("confirming twice: %d", code)
		}
	}
	h.until("two welcomes", func() bool { return len(h.smtp.Accepted()) == 4 })
	h.run(0, "issue", "create", h.write("1.md", fmt.Sprintf(issueText, "첫 호")))
	h.run(0, "issue", "send", "1", "--wait")
	letters := h.smtp.Accepted()[4:]
	if len(letters) != 2 {
		t.Fatalf("%d letters of issue 1", len(letters))
	}
	opt := strings.Trim(letters[0].Header().Get("List-Unsubscribe"), "<>")
	gone := letters[0].Rcpt()
	for range 2 { // idempotent
		if code, _ := h.post(strings.TrimPrefix(opt, h.base), url.Values{"List-Unsubscribe": {"One-Click"}}); code != 200 {
			t.Fatalf("one-click: %d", code)
		}
	}
	h.run(0, "issue", "create", h.write("2.md", fmt.Sprintf(issueText, "둘째 호")))
	h.run(0, "issue", "send", "2", "--wait")
	if c := h.counts(2); c["recipients"] != 1.0 || c["sent"] != 1.0 {
		t.Errorf("issue 2: %v", c)
	}
	var refusals int
	for _, m := range h.smtp.Accepted() {
		if m.Subject() == "둘째 호" && m.Rcpt() == gone {
			t.Error("the second issue went to the reader who left")
		}
		if strings.Contains(m.Subject(), "수신거부 처리 결과") {
			refusals++
		}
	}
	if refusals != 1 {
		t.Errorf("%d notices of the refusal, want one", refusals)
	}
	if log, err := os.ReadFile(filepath.Join(h.data, "leavers.log")); err != nil || !strings.Contains(string(log), "unsubscribed") {
		t.Errorf("leavers.log: %q, %v", log, err)
	}
	if out := h.run(4, "subscribers", "import", h.write("back.csv", "email\n"+gone+"\nbroken\n"), "--consent-source", "test"); !strings.Contains(out, "3") {
		t.Errorf("the import does not name line 3: %s", out)
	}
	if out := h.run(0, "subscribers", "list", "--status", "active", "--json"); strings.Contains(out, gone) {
		t.Error("an import revived a reader who left")
	}
	h.run(0, "doctor", "--offline")
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	if faults := h.smtp.Faults(); len(faults) > 0 {
		t.Errorf("breaches of SMTP: %v", faults)
	}
}

// kill -9 at random moments of one send; then the three accounts are compared: what the server accepted, what the database says, who was to get one.
func TestStoryOfTenKills(t *testing.T) {
	t.Parallel()
	const n, kills, connections = 2000, 10, 4
	h := newHouse(t, smtptest.Config{LogLimit: -1, Rules: []smtptest.Rule{{At: smtptest.Dot, Do: smtptest.Action{Delay: 5 * time.Millisecond}}}},
		fmt.Sprintf("TECHISSUE_SMTP_CONNECTIONS=%d", connections), "TECHISSUE_UNCERTAIN=hold")
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(n)), "--consent-source", "test")
	h.run(0, "issue", "create", h.write("1.md", fmt.Sprintf(issueText, "첫 호")))
	server := h.serve()
	h.run(0, "issue", "send", "1")
	for k := range kills {
		h.until("more letters", func() bool { return len(h.smtp.Accepted()) >= (k+1)*n/(kills+2) })
		if err := server.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = server.Wait()
		server = h.serve()
	}
	var c map[string]any
	h.until("the issue is done", func() bool { c = h.counts(1); return c["state"] == "done" })
	got := map[string]int{}
	for _, m := range h.smtp.Accepted() {
		got[m.Rcpt()]++
	}
	doubled := 0
	for _, times := range got {
		if times > 1 {
			doubled++
		}
	}
	uncertain := int(c["uncertain"].(float64))
	missing := n - len(got)
	t.Logf("%d kills: %d missing, %d doubled, %d uncertain", kills, missing, doubled, uncertain)
	if doubled > 0 || uncertain > kills*(connections+1) || missing > uncertain || int(c["sent"].(float64))+uncertain != n {
		t.Errorf("hold: %d missing, %d doubled, %d uncertain of %v", missing, doubled, uncertain, c)
	}
	h.run(0, "doctor", "--offline")
}

// The editor signs in with a password, writes an issue in the form, sends it and watches; a key answers for a program.
func TestStoryOfAnEditor(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(3)), "--consent-source", "test")
	create := exec.Command(h.bin, "admin", "create", "editor@example.kr", "--password-stdin")
	create.Env, create.Dir, create.Stdin = h.env, h.data, strings.NewReader("오늘도 편지를 씁니다 한 통\n")
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("admin create: %v %s", err, out)
	}
	key := strings.TrimSpace(strings.Split(h.run(0, "key", "create", "reader", "--scopes", "issues:read"), "\n")[0])
	h.serve()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	ask := func(method, path string, form url.Values) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, h.base+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res, string(body)
	}
	if res, _ := ask("GET", "/admin", nil); !strings.HasPrefix(res.Request.URL.Path, "/admin/login") {
		t.Errorf("a stranger at the desk: %s", res.Request.URL)
	}
	if res, body := ask("POST", "/admin/login", url.Values{"email": {"editor@example.kr"}, "password": {"wrong password"}}); res.StatusCode != 401 || strings.Contains(body, "없는") {
		t.Errorf("a wrong password: %d", res.StatusCode)
	}
	if res, body := ask("POST", "/admin/login", url.Values{"email": {"editor@example.kr"}, "password": {"오늘도 편지를 씁니다 한 통"}}); res.StatusCode != 200 || !strings.Contains(body, "3명") {
		t.Fatalf("login: %d %s", res.StatusCode, body)
	}
	if res, body := ask("POST", "/admin/issues/new", url.Values{"subject": {""}, "kind": {"info"}, "intro": {"잃으면 안 되는 글"}}); res.StatusCode != 422 || !strings.Contains(body, "잃으면 안 되는 글") {
		t.Errorf("an issue without a subject: %d", res.StatusCode)
	}
	res, body := ask("POST", "/admin/issues/new", url.Values{"subject": {"<b>첫</b> 호"}, "kind": {"info"}, "intro": {"안녕하세요."}, "links": {"https://news.example/1 | 소식 | 신문 | 한 줄"}})
	if res.StatusCode != 200 || !strings.Contains(body, "3명에게 발송하기") || strings.Contains(body, "<b>첫") {
		t.Fatalf("a new issue: %d\n%s", res.StatusCode, body)
	}
	if res, _ := ask("POST", "/admin/issues/1/send", nil); res.Request.URL.Path != "/admin/issues/1/send" || res.StatusCode != 200 {
		t.Errorf("send: %d %s", res.StatusCode, res.Request.URL)
	}
	if res, _ := ask("POST", "/admin/issues/1/send", nil); res.StatusCode != 409 {
		t.Errorf("sending twice: %d", res.StatusCode)
	}
	h.until("three letters", func() bool { return len(h.smtp.Accepted()) == 3 })
	h.until("the page says so", func() bool {
		_, body := ask("GET", "/admin/issues/1/send", nil)
		return strings.Contains(body, "발송완료")
	})
	cross, err := http.NewRequestWithContext(t.Context(), "POST", h.base+"/admin/issues/1/cancel", nil)
	if err != nil {
		t.Fatal(err)
	}
	cross.Header.Set("Sec-Fetch-Site", "cross-site")
	if res, err := browser.Do(cross); err != nil || res.StatusCode != 403 {
		t.Errorf("another site's form: %v %v", res, err)
	}
	for _, c := range []struct {
		key  string
		want int
	}{{key, 200}, {"ti_wrong", 401}, {"", 401}} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", h.base+"/api/v1/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+c.key)
		if res, err := http.DefaultClient.Do(req); err != nil || res.StatusCode != c.want {
			t.Errorf("key %q: %v %v", c.key, res, err)
		}
	}
}

// A program does what the editor does, within its scopes.
func TestStoryOfAProgram(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(2)), "--consent-source", "test")
	all := strings.TrimSpace(strings.Split(h.run(0, "key", "create", "all", "--scopes", "all"), "\n")[0])
	reads := strings.TrimSpace(strings.Split(h.run(0, "key", "create", "reads", "--scopes", "issues:read"), "\n")[0])
	h.serve()
	call := func(key, method, path, body string) (int, map[string]any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, h.base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var out map[string]any
		_ = json.NewDecoder(res.Body).Decode(&out)
		return res.StatusCode, out
	}
	for _, c := range []struct {
		name, key, method, path, body string
		status                        int
		field                         string
		want                          any
	}{
		{"a scope that is missing", reads, "POST", "/api/v1/issues", `{"subject":"첫 호"}`, 403, "code", "scope"},
		{"no subject", all, "POST", "/api/v1/issues", `{"intro":"글"}`, 422, "code", "invalid"},
		{"an unknown field", all, "POST", "/api/v1/issues", `{"subject":"첫 호","role":"owner"}`, 422, "code", "invalid"},
		{"no JSON", all, "POST", "/api/v1/issues", `{`, 400, "code", "bad_request"},
		{"a draft", all, "POST", "/api/v1/issues", `{"subject":"첫 호","intro":"{이름|독자}님","links":[{"url":"https://news.example/1","title":"소식"}]}`, 201, "number", 1.0},
		{"its check", all, "POST", "/api/v1/issues/1/check", ``, 200, "", nil},
		{"a change", all, "PATCH", "/api/v1/issues/1", `{"subject":"새 제목"}`, 200, "subject", "새 제목"},
		{"the send", all, "POST", "/api/v1/issues/1/send", ``, 202, "number", 1.0},
		{"the send again", all, "POST", "/api/v1/issues/1/send", ``, 409, "code", "state"},
		{"an issue that is not", reads, "GET", "/api/v1/issues/9", ``, 404, "code", "not_found"},
		{"a reader", all, "POST", "/api/v1/subscribers", `{"email":"new@example.com"}`, 201, "status", "pending"},
		{"the same reader", all, "POST", "/api/v1/subscribers", `{"email":"new@example.com"}`, 409, "", nil},
	} {
		code, out := call(c.key, c.method, c.path, c.body)
		if code != c.status || c.field != "" && out[c.field] != c.want {
			t.Errorf("%s: %d %v", c.name, code, out)
		}
	}
	h.until("two letters of the issue", func() bool {
		_, p := call(reads, "GET", "/api/v1/issues/1/progress", "")
		return p["state"] == "done" && p["sent"] == 2.0 && p["recipients"] == 2.0
	})
	if _, out := call(reads, "GET", "/api/v1/issues/1/deliveries?limit=1", ""); out["has_more"] != true || len(out["data"].([]any)) != 1 {
		t.Errorf("a page of letters: %v", out)
	}
	if code, out := call("", "GET", "/openapi.json", ""); code != 200 || out["openapi"] != "3.1.0" {
		t.Errorf("OpenAPI: %d %v", code, out["openapi"])
	}
}

// Two machines share one PostgreSQL and one issue. Each sends a part, nobody gets two, nobody is left out.
func TestStoryOfTwoNodes(t *testing.T) {
	t.Parallel()
	const n = 600
	h := newHouse(t, smtptest.Config{LogLimit: -1, Rules: []smtptest.Rule{{At: smtptest.Dot, Do: smtptest.Action{Delay: 5 * time.Millisecond}}}},
		"TECHISSUE_DB="+dbtest.EmptyPostgresURL(t), "TECHISSUE_SECRET=a secret that both nodes share", "TECHISSUE_SMTP_CONNECTIONS=2")
	h.run(0, "migrate")
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(n)), "--consent-source", "test")
	h.run(0, "issue", "create", h.write("1.md", fmt.Sprintf(issueText, "첫 호")))
	h.serve()
	second := *h
	second.data = t.TempDir()
	addr := freePort(t)
	second.base = "http://" + addr // its own door; the links in letters stay the first one's
	second.env = append(append([]string{}, h.env...), "TECHISSUE_DATA="+second.data, "TECHISSUE_ADDR="+addr)
	second.serve()
	second.run(0, "issue", "send", "1")
	h.until("the issue is done", func() bool { return h.counts(1)["state"] == "done" })
	got := map[string]int{}
	for _, m := range h.smtp.Accepted() {
		got[m.Rcpt()]++
	}
	doubled := 0
	for _, times := range got {
		if times > 1 {
			doubled++
		}
	}
	t.Logf("two nodes: %d missing, %d doubled of %d", n-len(got), doubled, n)
	if len(got) != n || doubled > 0 {
		t.Errorf("%d missing, %d doubled", n-len(got), doubled)
	}
	h.run(0, "doctor", "--offline")
}

// A real page of the archive becomes an article and an issue, and goes to 2,000 readers.
func TestStoryOfAnArchivePage(t *testing.T) {
	t.Parallel()
	page := os.Getenv("ARCHIVE_PAGE")
	if page == "" {
		t.Skip("ARCHIVE_PAGE names no page of the archive")
	}
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const n = 2000
	h := newHouse(t, smtptest.Config{LogLimit: -1})
	title, article, links := archive(string(raw))
	if len(links) < 12 {
		t.Fatalf("found %d links", len(links))
	}
	h.run(0, "article", "import", h.write("article.md", fmt.Sprintf("---\ntitle: %q\nslug: ai\n---\n%s", title, article)), "--publish")
	var list strings.Builder
	for i, l := range links {
		fmt.Fprintf(&list, "  - {url: %q, title: \"소식 %d\"}\n", l, i+1)
	}
	h.run(0, "issue", "create", h.write("issue.md", fmt.Sprintf("---\nsubject: %q\narticles: [ai]\nlinks:\n%s---\n{이름|독자}님, 안녕하세요.\n", title, &list)))
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(n)), "--consent-source", "test")
	start := time.Now()
	h.run(0, "issue", "send", "1", "--wait")
	took := time.Since(start)
	seen := map[string]bool{}
	for _, m := range h.smtp.Accepted() {
		if seen[m.Rcpt()] {
			t.Errorf("%s got two", m.Rcpt())
		}
		seen[m.Rcpt()] = true
		text, html := m.Text(), m.HTML()
		for _, l := range links {
			if !strings.Contains(text, l) || !strings.Contains(html, strings.ReplaceAll(l, "&", "&amp;")) {
				t.Fatalf("%s lacks %s", m.Rcpt(), l)
			}
		}
		opt := strings.Trim(m.Header().Get("List-Unsubscribe"), "<>")
		if m.Subject() != title || strings.Count(text, opt) < 2 || strings.Count(html, opt) < 2 || len(html) > 100<<10 || strings.Contains(html, "**") {
			t.Fatalf("letter of %s: subject %q, %d bytes", m.Rcpt(), m.Subject(), len(html))
		}
	}
	t.Logf("%d letters in %s: %.0f/s", len(seen), took.Round(time.Millisecond), float64(n)/took.Seconds())
	if len(seen) != n {
		t.Errorf("%d of %d readers got one", len(seen), n)
	}
	if faults := h.smtp.Faults(); len(faults) > 0 {
		t.Errorf("breaches of SMTP: %v", faults)
	}
}

// archive takes a page as plain text apart: title, body with its section titles as headings, and every source.
func archive(raw string) (title, body string, links []string) {
	lines := strings.Split(strings.ReplaceAll(raw, "\r\n", "\n"), "\n")
	title = strings.TrimSpace(lines[0])
	var b strings.Builder
	for _, line := range lines[4:] {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "이재훈님의") {
			break
		}
		if strings.Contains(line, " : ") && len([]rune(line)) < 40 {
			line = "## " + line
		}
		b.WriteString(line + "\n\n")
		for i, part := range strings.Split(line, "http") {
			if i > 0 && strings.Contains(part, "://") {
				links = append(links, "http"+part)
			}
		}
	}
	return title, b.String(), links
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.run(2, "issue", "send", "first")
	h.run(2, "nonsense")
	h.run(2, "subscribers", "import", h.write("a.csv", "email\na@example.com\n"))
	if out := h.run(1, "issue", "create", h.write("x.md", "---\nsubject: 제목\nsubjct: x\n---\n글\n")); !strings.Contains(out, "line 3") || !strings.Contains(out, "subjct") {
		t.Errorf("unknown front matter: %s", out)
	}
	if out := h.run(1, "issue", "create", h.write("y.md", "---\nlinks: []\n---\n글\n")); !strings.Contains(out, "제목") {
		t.Errorf("no subject: %s", out)
	}
	h.run(0, "issue", "create", h.write("z.md", fmt.Sprintf(issueText, "첫 호")))
	if out := h.run(1, "issue", "send", "1"); !strings.Contains(out, "받을 사람이 없어요") {
		t.Errorf("an empty audience: %s", out)
	}
	h.env = append(h.env, "TECHISSUE_UNCERTAIN=maybe", "TECHISSUE_BASE_URL=nowhere")
	if out := h.run(3, "issue", "list"); !strings.Contains(out, "TECHISSUE_UNCERTAIN") || !strings.Contains(out, "TECHISSUE_BASE_URL") {
		t.Errorf("settings: %s", out)
	}
}
