package handlers_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/handlers"
	"techissue/newsletter"
	"techissue/templates"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// clock is a clock that stands until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// plainPasswords keeps these tests from hashing: the real ones have tests of their own.
type plainPasswords struct{}

func (plainPasswords) Hash(p string) (string, error)       { return "plain:" + p, nil }
func (plainPasswords) Check(p, h string) (ok, rehash bool) { return h == "plain:"+p, false }

// letters shows an issue as a letter with inline style, which is what its page must allow.
type letters struct{}

func (letters) RenderIssue(s newsletter.Snapshot, _ string) (html, text string, err error) {
	return `<!doctype html><body style="color:#222"><h1>` + s.Subject + `</h1><a href="/me">수신거부</a> <a href="/me">수신거부</a></body>`, s.Subject, nil
}

// roundupLinks are the counted links, where the mailer would find all those of the letter.
func roundupLinks(s newsletter.Snapshot) (urls []string, err error) {
	for _, l := range s.Links {
		urls = append(urls, l.URL)
	}
	return urls, nil
}

// house is the whole program but mailer and command line, on a real store.
type house struct {
	t       *testing.T
	svc     *newsletter.Service
	store   db.Store
	keys    newsletter.Keyring
	clock   *clock
	options handlers.Options
	handler http.Handler
	log     *logBuffer
}

type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newHouse(t *testing.T, change ...func(*handlers.Options)) *house {
	t.Helper()
	return newHouseWith(t, nil, change...)
}

// newHouseWith changes what the service is made of, too.
func newHouseWith(t *testing.T, inside func(*newsletter.Options), change ...func(*handlers.Options)) *house {
	t.Helper()
	c := &clock{t: dbtest.Start}
	return newHouseOn(t, dbtest.New(t, dbtest.Now(c.now)), c, inside, change...)
}

// onBoth runs a test in a house on each engine.
func onBoth(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	for name, open := range map[string]func(testing.TB, ...dbtest.Option) *db.DB{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &clock{t: dbtest.Start}
			test(t, newHouseOn(t, open(t, dbtest.Now(c.now)), c, nil))
		})
	}
}

// newHouseOn is a house on a given store.
func newHouseOn(t *testing.T, d *db.DB, c *clock, inside func(*newsletter.Options), change ...func(*handlers.Options)) *house {
	t.Helper()
	h := &house{t: t, clock: c, log: &logBuffer{}}
	h.store = db.Store{DB: d}
	var err error
	if h.keys, err = newsletter.NewKeyring([]string{"a secret of these tests only"}, nil); err != nil {
		t.Fatal(err)
	}
	files, err := db.OpenFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	parts := newsletter.Options{
		Files: files, Store: h.store, Keys: func() newsletter.Keyring { return h.keys }, Now: h.clock.now,
		House: newsletter.House{
			SiteName: "테크잇슈", Tagline: "쉽고 친근한 IT 트렌드 레터", Author: "이재훈", AuthorLine: "IT 이야기를 씁니다.",
			BaseURL: "http://localhost:8080", From: "letter@example.com", FromName: "테크잇슈", ListID: "letter.example.com",
			Legal: newsletter.Legal{Name: "테크잇슈", Representative: "이재훈", Address: "서울", Phone: "02-000-0000", Email: "hello@example.com"},
		},
		Renderer: letters{}, Links: roundupLinks, Passwords: plainPasswords{},
	}
	if inside != nil {
		inside(&parts)
	}
	if h.svc, err = newsletter.NewService(t.Context(), parts); err != nil {
		t.Fatal(err)
	}
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := templates.New(templates.Options{Location: seoul, Now: h.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	h.options = handlers.Options{
		Service: h.svc, Pages: pages, Now: h.clock.now, Location: seoul, BaseURL: "http://localhost:8080",
		Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&h.options)
	}
	if h.handler, err = handlers.New(h.options); err != nil {
		t.Fatal(err)
	}
	return h
}

// browser is somebody with cookies.
type browser struct {
	h       *house
	cookies map[string]string
	agent   string
	ip      string
}

func (h *house) browser() *browser {
	return &browser{h: h, cookies: map[string]string{}, agent: "Mozilla/5.0 (X11; Linux x86_64)", ip: "203.0.113.9"}
}

type answer struct {
	*http.Response
	text string
}

func (b *browser) do(method, path string, body io.Reader, header http.Header) answer {
	b.h.t.Helper()
	r := httptest.NewRequest(method, "http://localhost:8080"+path, body)
	r.RemoteAddr = b.ip + ":40000"
	r.Header.Set("User-Agent", b.agent)
	for k, v := range header {
		r.Header[k] = v
	}
	for k, v := range b.cookies {
		r.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	w := httptest.NewRecorder()
	b.h.handler.ServeHTTP(w, r)
	res := w.Result()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return answer{res, string(text)}
}

func (b *browser) get(path string) answer {
	b.h.t.Helper()
	return b.do("GET", path, nil, http.Header{"Accept": {"text/html"}})
}

func (b *browser) post(path string, form url.Values) answer {
	b.h.t.Helper()
	return b.do("POST", path, strings.NewReader(form.Encode()), http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"text/html"}, "Sec-Fetch-Site": {"same-origin"},
	})
}

func (a answer) must(t *testing.T, status int, want ...string) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%d, want %d: %s", a.StatusCode, status, clip(a.text))
	}
	for _, w := range want {
		if !strings.Contains(a.text, w) {
			t.Errorf("the page lacks %q: %s", w, clip(a.text))
		}
	}
	return a
}

func (a answer) mustNot(t *testing.T, forbidden ...string) answer {
	t.Helper()
	for _, f := range forbidden {
		if strings.Contains(a.text, f) {
			t.Errorf("the page has %q: %s", f, clip(a.text))
		}
	}
	return a
}

var mainPart = regexp.MustCompile(`(?s)<main.*</main>`)

func clip(s string) string {
	if m := mainPart.FindString(s); m != "" {
		s = m
	}
	return s[:min(len(s), 1500)]
}

func signup(email string) url.Values {
	return url.Values{"email": {email}, "name": {"홍길동"}, "consent": {"on"}, "age14": {"on"}}
}

// newest returns the newest letter of a kind to an address.
func (h *house) newest(kind newsletter.NoticeKind, email string) (newsletter.Notice, bool) {
	h.t.Helper()
	var list []newsletter.Notice
	err := h.store.View(h.t.Context(), func(tx newsletter.Tx) (err error) {
		list, err = tx.Notices(h.t.Context(), kind, 50)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, n := range list {
		if n.Email == email && n.State != newsletter.Skipped {
			return n, true
		}
	}
	return newsletter.Notice{}, false
}

// count counts the letters of a kind that are owed to an address.
func (h *house) count(kind newsletter.NoticeKind, email string) (n int) {
	h.t.Helper()
	err := h.store.View(h.t.Context(), func(tx newsletter.Tx) error {
		list, err := tx.Notices(h.t.Context(), kind, 1000)
		for _, l := range list {
			if l.Email == email && l.State == newsletter.Queued {
				n++
			}
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// link makes the token that the letter carries.
func (h *house) link(kind newsletter.NoticeKind, p newsletter.Purpose, email string) string {
	h.t.Helper()
	n, ok := h.newest(kind, email)
	if !ok {
		h.t.Fatalf("no %s letter to %s", kind, email)
	}
	return h.keys.Sign(p, n.Payload.Grant, n.Payload.Expires)
}

// reader signs up and confirms.
func (h *house) reader(email string) newsletter.Subscriber {
	h.t.Helper()
	b := h.browser()
	b.post("/subscribe", signup(email)).must(h.t, http.StatusSeeOther)
	b.post("/confirm/"+h.link(newsletter.NoticeConfirm, newsletter.PurposeConfirm, email), nil).must(h.t, http.StatusOK, "구독이 시작됐어요")
	return h.subscriber(email)
}

func (h *house) subscriber(email string) newsletter.Subscriber {
	h.t.Helper()
	list, _, err := h.svc.Subscribers(context.Background(), newsletter.SubscriberFilter{Query: email, Limit: 5})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, s := range list {
		if s.Email.String() == email {
			return s
		}
	}
	return newsletter.Subscriber{}
}

// article publishes one.
func (h *house) article(title, body string, tags ...string) newsletter.Article {
	h.t.Helper()
	a, err := h.svc.CreateArticle(h.t.Context(), "test", newsletter.Article{
		Title: title, Summary: title + " 요약", Body: body, Tags: tags, Status: newsletter.ArticlePublished,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// past stores an issue of the archive: a public one that needs no queue.
func (h *house) past(number int, subject string, articles ...string) newsletter.Issue {
	h.t.Helper()
	is, err := h.svc.CreateIssue(h.t.Context(), "test", newsletter.Issue{
		Number: number, Archived: true, AcceptedAt: h.clock.now().Add(-24 * time.Hour),
		Content: newsletter.Content{
			Subject: subject, Preheader: "미리보기", Kind: newsletter.KindInfo, Intro: "안녕하세요.", Articles: articles,
			Links: []newsletter.RoundupLink{{URL: "https://news.example.com/1", Title: "새 소식", Source: "예시일보", Summary: "한 줄"}},
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return is
}

var errBroken = errors.New("the disk is on fire at /secret/path")
