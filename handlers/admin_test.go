package handlers_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"techissue/handlers"
	"techissue/newsletter"
)

const deskPassword = "오늘도 편지를 씁니다"

// desk signs somebody in by the form.
func (h *house) desk(role newsletter.Role) *browser {
	h.t.Helper()
	email := string(role) + "@example.kr"
	if _, err := h.svc.CreateAdmin(h.t.Context(), "cli", email, role, deskPassword); err != nil {
		h.t.Fatal(err)
	}
	b := h.browser()
	b.post("/admin/login", url.Values{"email": {email}, "password": {deskPassword}}).must(h.t, http.StatusSeeOther)
	return b
}

// draft keeps an issue that is ready to go.
func (h *house) draft(subject string) newsletter.Issue {
	h.t.Helper()
	i, err := h.svc.CreateIssue(h.t.Context(), "test", newsletter.Issue{Content: newsletter.Content{
		Subject: subject, Preheader: "미리", Intro: "안녕하세요.", Outro: "또 만나요.",
		Links: []newsletter.RoundupLink{{URL: "https://a.example/1", Title: "하나", Source: "가"}, {URL: "https://b.example/2", Title: "둘"}},
	}})
	if err != nil {
		h.t.Fatal(err)
	}
	return i
}

// active adds a reader who agreed elsewhere.
func (h *house) active(email, name string, tags ...string) newsletter.Subscriber {
	h.t.Helper()
	s, err := h.svc.AddSubscriber(h.t.Context(), "admin:1", newsletter.NewSubscriber{
		Email: email, Name: name, Tags: tags, Status: newsletter.Active, ConsentSource: "시험", Via: "admin",
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// S13: no unsafe route of the desk acts on a form of another site, whoever is signed in.
func TestDeskRefusesForeignForms(t *testing.T) {
	t.Parallel()
	h, routes := walk(t)
	b, seen := h.desk(newsletter.Owner), 0
	for _, r := range routes {
		if !strings.HasPrefix(r.Path, "/admin") || r.Method == "GET" {
			continue
		}
		for _, header := range []http.Header{
			{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}, {"Origin": {"null"}},
		} {
			if r.Token && header.Get("Origin") == "null" { // the token in the form is the permission, no cookie
				continue
			}
			seen++
			if a := b.do(r.Method, fill(r.Path), nil, header); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s %s %v: %d", r.Method, r.Path, header, a.StatusCode)
			}
		}
	}
	if seen < 80 {
		t.Errorf("only %d requests", seen)
	}
}

// S15: an editor does everything but people, keys and settings; an owner everything.
func TestRolesAtTheDesk(t *testing.T) {
	t.Parallel()
	h, routes := walk(t)
	editor, owner, owned := h.desk(newsletter.Editor), h.desk(newsletter.Owner), 0
	for _, r := range routes {
		if !r.Admin || r.Path == "/admin/logout" || r.Stream {
			continue
		}
		if secret := strings.HasPrefix(r.Path, "/admin/settings"); secret != r.Owner {
			t.Errorf("%s %s: owner only is %v", r.Method, r.Path, r.Owner)
		}
		header := http.Header{"Sec-Fetch-Site": {"same-origin"}, "Accept": {"text/html"}}
		if a := editor.do(r.Method, fill(r.Path), nil, header); (a.StatusCode == http.StatusForbidden) != r.Owner {
			t.Errorf("an editor at %s %s: %d", r.Method, r.Path, a.StatusCode)
		}
		if a := owner.do(r.Method, fill(r.Path), nil, header); a.StatusCode == http.StatusForbidden || a.StatusCode == http.StatusUnauthorized || a.StatusCode >= 500 {
			t.Errorf("an owner at %s %s: %d", r.Method, r.Path, a.StatusCode)
		}
		if r.Owner {
			owned++
		}
	}
	if owned < 5 {
		t.Errorf("only %d routes are the owner's", owned)
	}
	editor.get("/admin").must(t, 200, "대시보드").mustNot(t, `href="/admin/settings"`)
	owner.get("/admin").must(t, 200, `href="/admin/settings"`)
}

// S03, S11: the session of a login is new, the one that came along is over, no account is told from none.
func TestLoginRenewsTheSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Owner)
	old := b.cookies["session"]
	b.post("/admin/login", url.Values{"email": {"owner@example.kr"}, "password": {deskPassword}, "next": {"//evil.example"}}).must(t, 303)
	if fresh := b.cookies["session"]; fresh == old || len(fresh) < 26 {
		t.Errorf("the session is %q after %q", fresh, old)
	}
	thief := h.browser()
	thief.cookies["session"] = old
	if a := thief.get("/admin"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the old session opens the desk: %d", a.StatusCode)
	}
	b.get("/admin/account").must(t, 200, "이 기기", "203.0.113.9").mustNot(t, b.cookies["session"])
	wrong := h.browser()
	unknown := wrong.post("/admin/login", url.Values{"email": {"nobody@example.kr"}, "password": {"x"}}).must(t, 401)
	known := wrong.post("/admin/login", url.Values{"email": {"owner@example.kr"}, "password": {"x"}}).must(t, 401)
	if strings.ReplaceAll(unknown.text, "nobody@", "owner@") != known.text {
		t.Error("the login tells an unknown account from a known one")
	}
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	h := newHouseWith(t, func(o *newsletter.Options) { o.FeedbackWays = []string{"imap"} })
	b := h.desk(newsletter.Owner)
	b.get("/admin").must(t, 200, "시작하기", "구독자 맞이하기", "지금 할 일이 없어요").mustNot(t, "데모 둘러보기", "no value", "ZgotmplZ")
	h.active("one@example.com", "하나")
	i := h.draft(`<b>굵은</b> 제목`)
	if err := h.store.Update(t.Context(), func(tx newsletter.Tx) error {
		return tx.PutAlert(t.Context(), &newsletter.Alert{Issue: i.ID, Kind: "late", Text: "예약한 시각이 지났어요.", At: h.clock.now()})
	}); err != nil {
		t.Fatal(err)
	}
	b.get("/admin").must(t, 200, "+1", "1호 — 예약한 시각이 지났어요.", "&lt;b&gt;굵은").mustNot(t, "<b>굵은")
	b.get("/admin?done=<script>").must(t, 200).mustNot(t, `class="saved"`, "<script>")
}

func TestDemoGuideTicksItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *handlers.Options) { o.Demo = &handlers.Demo{Bar: "데모", Mailbox: &box{}} })
	b := h.desk(newsletter.Owner)
	done := func() int {
		return strings.Count(b.get("/admin").must(t, 200, "데모 둘러보기").text, `class="done"`)
	}
	if n := done(); n != 0 {
		t.Fatalf("%d steps are done in a fresh demo", n)
	}
	reader := h.reader("new@example.com") // signs up and uses the mailed link
	if n := done(); n != 2 {
		t.Errorf("%d steps after signing up and confirming", n)
	}
	i := h.draft("첫 호")
	b.post(fmt.Sprintf("/admin/issues/%d/test", i.Number), url.Values{"to": {"me@example.com"}}).must(t, 303)
	if _, err := h.svc.UnsubscribeReader(t.Context(), "admin:1", reader.ID); err != nil {
		t.Fatal(err)
	}
	if n := done(); n != 4 {
		t.Errorf("%d steps after a test and an unsubscribe", n)
	}
}

func TestIssueList(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	b.get("/admin/issues").must(t, 200, "아직 호가 없어요")
	h.past(7, "지난 이야기")
	draft := h.draft("새 이야기")
	b.get("/admin/issues").must(t, 200, "지난 이야기", "새 이야기", "작성중", "발송완료", fmt.Sprintf("/admin/issues/%d/delete", draft.Number))
	b.get("/admin/issues?state=draft").must(t, 200, "새 이야기").mustNot(t, "지난 이야기")
	b.get("/admin/issues?q=%EC%A7%80%EB%82%9C").must(t, 200, "지난 이야기").mustNot(t, "새 이야기")
	b.get("/admin/issues?q='%25--").must(t, 200, "조건에 맞는 호가 없어요")
	at := fmt.Sprintf("/admin/issues/%d", draft.Number)
	b.get(at+"/delete").must(t, 200, "새 이야기", "초안 지우기")
	b.post(at+"/delete", nil).must(t, 303)
	b.get("/admin/issues?done=deleted").must(t, 200, "지웠어요.").mustNot(t, "새 이야기")
	b.get("/admin/issues/7").must(t, 303)
	b.post("/admin/issues/7/delete", nil).must(t, 409)
}

func issueValues(subject string) url.Values {
	return url.Values{"number": {"5"}, "subject": {subject}, "kind": {"info"}, "intro": {"잃으면 안 되는 글"}, "outro": {"끝"},
		"link_url": {"https://a.example/1", "https://b.example/2"}, "link_title": {"하나", "둘"}, "link_source": {"가", "나"}, "link_summary": {"", ""}}
}

func TestComposer(t *testing.T) {
	t.Parallel()
	with := func(change func(url.Values)) url.Values {
		v := issueValues("다섯째 호")
		change(v)
		return v
	}
	for _, row := range []struct {
		name         string
		form         url.Values
		status       int
		want, forbid []string
	}{
		{"a whole issue is kept", issueValues("다섯째 호"), 303, nil, nil},
		{"no subject is told at the field, with the text kept", issueValues(""), 422,
			[]string{`href="#subject"`, `id="subject-fault"`, `aria-describedby="subject-fault subject-count "`, "잃으면 안 되는 글", `value="https://b.example/2"`}, nil},
		{"a link that is none is told at its row", with(func(v url.Values) { v["link_url"][1] = "ftp://x" }), 422,
			[]string{`href="#links-1-url"`, `id="links-1-url-fault"`, `value="ftp://x"`}, nil},
		{"a number that is none", with(func(v url.Values) { v.Set("number", "셋") }), 422, []string{`id="number-fault"`, `value="셋"`, "잃으면 안 되는 글"}, nil},
		{"a day that is none", with(func(v url.Values) { v.Set("joined_after", "어제") }), 422, []string{`id="joined_after-fault"`}, nil},
		{"an article that is not there", with(func(v url.Values) { v["article"] = []string{"없는-글"} }), 422, []string{`id="articles-fault"`, "없는 글"}, nil},
		{"a row is added and nothing is saved", with(func(v url.Values) { v.Set("do", "link-add") }), 200,
			[]string{`id="links-2-url"`, "아직 저장하지 않았어요", "잃으면 안 되는 글"}, nil},
		{"a row goes up", with(func(v url.Values) { v.Set("do", "link-up:1") }), 200,
			[]string{`id="links-0-url" name="link_url" type="text" value="https://b.example/2"`}, nil},
		{"a row goes away", with(func(v url.Values) { v.Set("do", "link-remove:0") }), 200, []string{"https://b.example/2"}, []string{"https://a.example/1"}},
		{"rows beyond the end are let be", with(func(v url.Values) { v.Set("do", "link-down:99") }), 200, []string{"https://a.example/1"}, nil},
		{"pasted lines become rows", with(func(v url.Values) { v.Set("do", "link-add"); v.Set("links", "https://c.example/ | 셋 | 다\n\n") }), 200,
			[]string{`id="links-2-url" name="link_url" type="text" value="https://c.example/"`, `value="셋"`}, nil},
		{"markup stays text", with(func(v url.Values) { v.Set("subject", ""); v.Set("intro", `</textarea><script>alert(1)</script>`) }), 422, nil,
			[]string{"<script>alert"}},
		{"fields that are not ours change nothing", with(func(v url.Values) { v.Set("state", "done"); v.Set("archived", "1"); v.Set("id", "9") }), 303, nil, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			a := h.desk(newsletter.Editor).post("/admin/issues/new", row.form).must(t, row.status, row.want...).mustNot(t, row.forbid...)
			i, err := h.svc.Issue(t.Context(), 5)
			if (err == nil) != (row.status == 303) {
				t.Errorf("kept: %v", err)
			}
			if err == nil && (i.State != newsletter.IssueDraft || i.Archived || len(i.Links) != 2 || a.Header.Get("Location") != "/admin/issues/5?done=saved") {
				t.Errorf("%+v, sent to %s", i, a.Header.Get("Location"))
			}
		})
	}
}

var versionField = regexp.MustCompile(`name="version" value="(\d+)"`)

func TestComposerKeepsBothTextsOfAConflict(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	i := h.draft("처음 제목")
	at := fmt.Sprintf("/admin/issues/%d", i.Number)
	version := versionField.FindStringSubmatch(b.get(at).must(t, 200, "처음 제목").text)[1]
	form := func(subject string) url.Values {
		v := issueValues(subject)
		v.Set("number", fmt.Sprint(i.Number))
		v.Set("version", version)
		return v
	}
	b.post(at, form("그들의 제목")).must(t, 303)
	page := b.post(at, form("나의 제목")).must(t, 409, "다른 창에서 바뀌었어요", `value="나의 제목"`, "그들의 제목")
	version = versionField.FindStringSubmatch(page.text)[1]
	b.post(at, form("나의 제목")).must(t, 303)
	if now, _ := h.svc.Issue(t.Context(), i.Number); now.Subject != "나의 제목" {
		t.Errorf("the subject is %q", now.Subject)
	}
}

func TestTestLetterAndPreview(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	i := h.draft("보기")
	form := issueValues("고친 제목")
	form.Set("do", "test")
	form.Set("to", "broken")
	b.post(fmt.Sprintf("/admin/issues/%d", i.Number), form).must(t, 422, "고친 제목", `id="to-fault"`, `value="broken"`).mustNot(t, "테스트 메일을 보냈어요")
	form.Set("to", "me@example.com, you@example.com")
	b.post("/admin/issues/5", form).must(t, 303)
	if n, ok := h.newest(newsletter.NoticeTest, "you@example.com"); !ok || n.Payload.Issue != i.ID {
		t.Errorf("the test: %+v", n)
	}
	b.get("/admin/issues/5/preview").must(t, 200, "고친 제목")
	b.get("/admin/issues/5/preview?part=text").must(t, 200, "고친 제목").mustNot(t, "<h1>")
	a := b.post("/admin/issues/preview", url.Values{"subject": {"아직 없는 제목"}, "kind": {"info"}}).must(t, 200, "아직 없는 제목")
	if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") || strings.Contains(csp, "allow-scripts") {
		t.Errorf("S21: the preview's CSP is %q", csp)
	}
	b.post("/admin/issues/preview", url.Values{"subject": {"가"}, "kind": {"info"}, "link_url": {"javascript:alert(1)"}}).must(t, 422, "미리보기를 만들 수 없어요")
}

func TestSendPage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Owner)
	i := h.draft("보낼 호")
	at := fmt.Sprintf("/admin/issues/%d", i.Number)
	b.get(at+"/send").must(t, 200, "막힘", "받을 사람이 없어요").mustNot(t, "지금 0명에게")
	b.post(at+"/send", nil).must(t, 422, "받을 사람이 없어요")
	h.active("one@example.com", "하나")
	h.active("two@example.com", "둘")
	gone := h.active("gone@example.com", "셋")
	if _, err := h.svc.UnsubscribeReader(t.Context(), "admin:1", gone.ID); err != nil {
		t.Fatal(err)
	}
	b.get(at+"/send").must(t, 200, "지금 2명에게 발송하기", "1명</strong> 수신을 거부했어요")
	b.post(at+"/schedule", url.Values{"at": {"어제"}}).must(t, 422, `id="at-fault"`, `value="어제"`)
	b.post(at+"/schedule", url.Values{"at": {"2020-01-01T00:00"}}).must(t, 422, "앞으로 올 시각")
	b.post(at+"/send", nil).must(t, 303)
	b.get(at+"/send").must(t, 200, "예약중", "초 뒤에 보내기 시작해요", "지금 모두 보내기", "되돌리고 고치기", `http-equiv="refresh"`)
	if now, _ := h.svc.Issue(t.Context(), i.Number); now.State != newsletter.IssueScheduled || now.ScheduledAt.Sub(h.clock.now()).Seconds() != 30 {
		t.Errorf("not waiting for 30 s: %+v", now)
	}
	if _, ok := h.newest(newsletter.NoticeTest, "owner@example.kr"); !ok {
		t.Error("the owner's copy is missing")
	}
	b.post(at+"/send", nil).must(t, 409, "할 수 없어요")
	b.post(at+"/undo", nil).must(t, 303)
	b.get(at).must(t, 200, "보낼 호")
	b.post(at+"/send", nil).must(t, 303)
	b.post(at+"/send", url.Values{"now": {"1"}}).must(t, 303)
	b.get(at+"/send").must(t, 200, "발송중", "일시정지")
	b.post(at+"/pause", nil).must(t, 303)
	b.get(at+"/send").must(t, 200, "계속 보내기")
	b.post(at+"/cancel", nil).must(t, 303)
	b.get(at+"/send").must(t, 200, "취소했어요").mustNot(t, "data-events", `http-equiv="refresh"`)
	b.post(at+"/pause", nil).must(t, 409, "멈출 수 없어요")
}

// upload posts a file as the browser does.
// A new domain with many readers: the page proposes portions, and takes them back.
func TestSendPageProposesPortions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Owner)
	i := h.draft("첫 호")
	at := fmt.Sprintf("/admin/issues/%d", i.Number)
	h.active("one@example.com", "하나")
	b.get(at+"/send").must(t, 200, "지금 1명에게").mustNot(t, "나눠 보내기")
	var csv strings.Builder
	csv.WriteString("email\n")
	for n := range 1400 {
		fmt.Fprintf(&csv, "reader%d@example.com\n", n)
	}
	if _, err := h.svc.ImportSubscribers(t.Context(), "cli", strings.NewReader(csv.String()), newsletter.ImportOptions{As: newsletter.ImportActive, ConsentSource: "명단"}); err != nil {
		t.Fatal(err)
	}
	b.get(at+"/send").must(t, 200, "3일에 나눠 보내기로 정하기", "1일째 <strong>200명", "3일째 <strong>801명", "많이 읽는 분부터")
	b.post(at+"/portions", url.Values{"portions": {"9"}}).must(t, 422, "5일 사이로")
	b.post(at+"/portions", url.Values{"portions": {"3"}}).must(t, 303)
	b.get(at+"/send").must(t, 200, "<strong>3일</strong>에 나눠 보내요", "한꺼번에 보내기로 바꾸기").mustNot(t, "스팸함으로")
	b.post(at+"/portions", url.Values{"portions": {"1"}}).must(t, 303)
	b.get(at+"/send").must(t, 200, "3일에 나눠 보내기로 정하기")
}

func (b *browser) upload(path string, fields map[string]string, name, content string) answer {
	b.h.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for k, v := range fields {
		_ = w.WriteField(k, v)
	}
	f, _ := w.CreateFormFile("file", name)
	_, _ = f.Write([]byte(content))
	_ = w.Close()
	return b.do("POST", path, &body, http.Header{"Content-Type": {w.FormDataContentType()}, "Accept": {"text/html"}, "Sec-Fetch-Site": {"same-origin"}})
}
