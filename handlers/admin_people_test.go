package handlers_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"techissue/handlers"
	"techissue/newsletter"
)

func TestReadersAtTheDesk(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	b.get("/admin/subscribers").must(t, 200, "구독 폼을 공유하거나 파일로 추가해 보세요.")
	one := h.active("kim@example.com", "김하나", "세미나")
	h.active("lee@example.com", "=이둘")
	b.get("/admin/subscribers?q=%EA%B9%80").must(t, 200, "kim@example.com", "1명 내보내기").mustNot(t, "lee@example.com")
	b.get("/admin/subscribers?tag=%EC%84%B8%EB%AF%B8%EB%82%98&status=active").must(t, 200, "kim@example.com").mustNot(t, "lee@example.com")
	b.get("/admin/subscribers?status=pending").must(t, 200, "조건에 맞는 구독자가 없어요").mustNot(t, "kim@example.com")
	b.post("/admin/subscribers/new", url.Values{"email": {"broken"}, "status": {"active"}}).must(t, 422, `id="email-fault"`, `id="consent_source-fault"`, `value="broken"`)
	b.post("/admin/subscribers/new", url.Values{"email": {"kim@example.com"}, "status": {"pending"}}).must(t, 409, "이미 있는 구독자예요")
	b.post("/admin/subscribers/new", url.Values{"email": {"new@example.com"}, "status": {"pending"}}).must(t, 303)
	if _, ok := h.newest(newsletter.NoticeConfirm, "new@example.com"); !ok {
		t.Error("no confirmation was mailed")
	}
	at := fmt.Sprintf("/admin/subscribers/%d", one.ID)
	b.get(at).must(t, 200, "구독을 신청했어요", "다른 곳에서 받은 동의", "시험")
	b.post(at, url.Values{"name": {"김 하나"}, "tags": {"강연, 세미나"}}).must(t, 303)
	if s := h.subscriber("kim@example.com"); s.Name != "김 하나" || len(s.Tags) != 2 {
		t.Errorf("changed to %+v", s)
	}
	if _, err := h.svc.Suppress(t.Context(), "admin:1", "kim@example.com", newsletter.SuppressedHard, "550"); err != nil {
		t.Fatal(err)
	}
	b.get(at).must(t, 200, "자동삭제", "없는 주소라고 서버가 답했어요")
	b.post(at+"/lift", nil).must(t, 422, `id="evidence-fault"`)
	b.post(at+"/lift", url.Values{"evidence": {"전화"}}).must(t, 303)
	b.post(at+"/unsubscribe", nil).must(t, 303)
	b.get(at).must(t, 200, "수신거부").mustNot(t, "수신거부 처리하기")
	b.post(at+"/erase", url.Values{"address": {"other@example.com"}}).must(t, 422, `id="address-fault"`)
	b.post(at+"/erase", url.Values{"address": {" KIM@example.com "}}).must(t, 303)
	b.get(at).must(t, 404).mustNot(t, "kim@example.com")
	b.post("/admin/subscribers/export", url.Values{"format": {"safe"}}).must(t, 200, "lee@example.com", "'=이둘").mustNot(t, "kim@example.com")
	b.post("/admin/subscribers/export", url.Values{"format": {"xml"}}).must(t, 422)
	b.get("/admin/subscribers/export").must(t, 404)
}

// until asks for a page until it says so; the file is read beside the request.
func (b *browser) until(path, word string) answer {
	b.h.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		a := b.get(path)
		if strings.Contains(a.text, word) {
			return a
		}
		if time.Now().After(end) {
			b.h.t.Fatalf("%s never says %q: %s", path, word, clip(a.text))
		}
	}
}

func TestImportAtTheDesk(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	left := h.active("left@example.com", "떠난이")
	if _, err := h.svc.UnsubscribeReader(t.Context(), "admin:1", left.ID); err != nil {
		t.Fatal(err)
	}
	b.upload("/admin/subscribers/import", map[string]string{"as": "active"}, "readers.csv", "email\nnew@example.com\n").must(t, 422, `id="consent_source-fault"`)
	b.upload("/admin/subscribers/import", map[string]string{"as": "active", "consent_source": "시험"}, "", "").must(t, 422, `id="file-fault"`)
	a := b.upload("/admin/subscribers/import", map[string]string{"as": "active", "consent_source": "시험"}, `C:\비밀\readers.csv`,
		"email,name\nnew@example.com,새이\n=broken,<script>\nleft@example.com,떠난이\n").must(t, 303)
	dry := a.Header.Get("Location")
	b.until(dry, "아직 아무도 들이지 않았어요").must(t, 200, "readers.csv", "거절된 줄", "명 들이기").mustNot(t, "비밀", "<script>")
	if s := h.subscriber("new@example.com"); s.ID != 0 {
		t.Fatal("a dry run made a reader")
	}
	b.get(dry+"/rejected.csv").must(t, 200, "line,value,reason", "'=broken")
	a = b.post(dry+"/start", nil).must(t, 303)
	b.until(a.Header.Get("Location"), "구독자 보기").mustNot(t, "검사만")
	if s := h.subscriber("new@example.com"); s.Shown() != newsletter.Active {
		t.Errorf("the new reader is %q", s.Shown())
	}
	if s := h.subscriber("left@example.com"); s.Shown() != newsletter.Unsubscribed {
		t.Errorf("who left is %q", s.Shown())
	}
	b.post(dry+"/start", nil).must(t, http.StatusGone, "다시 올려 주세요")
	b.get("/admin/imports/999").must(t, 404)
}

func TestArticlesAtTheDesk(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	b.get("/admin/articles").must(t, 200, "아직 글이 없어요")
	b.post("/admin/articles/new", url.Values{"title": {""}, "body": {"잃으면 안 되는 글"}}).must(t, 422, `id="title-fault"`, "잃으면 안 되는 글")
	b.post("/admin/articles/new", url.Values{"title": {"글"}, "body": {"**'굵게'**는 <script>alert(1)</script>"}, "do": {"preview"}}).
		must(t, 200, "<strong>", "아직 저장하지 않았어요").mustNot(t, "<script>alert")
	a := b.post("/admin/articles/new", url.Values{"title": {"작은 글"}, "body": {"본문"}, "tags": {"가, 나"}}).must(t, 303)
	at, _, _ := strings.Cut(a.Header.Get("Location"), "?")
	page := b.get(at).must(t, 200, "작성중", "저장하고 발행하기", "작은 글")
	version := versionField.FindStringSubmatch(page.text)[1]
	form := url.Values{"title": {"작은 글"}, "slug": {"작은-글"}, "body": {"고친 본문"}, "version": {version}, "do": {"publish"}}
	b.post(at, form).must(t, 303)
	h.browser().get("/articles/"+url.PathEscape("작은-글")).must(t, 200, "고친 본문")
	form.Set("body", "내 본문")
	b.post(at, form).must(t, 409, "다른 창에서 바뀌었어요", "내 본문", "고친 본문")
	b.get(at+"/delete").must(t, 200, "작은 글")
	b.post(at+"/delete", nil).must(t, 303)
	b.get(at).must(t, 404)
}

func TestSettingsKeysAndAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *handlers.Options) { o.Transport = "smtp.example.com:587" })
	b := h.desk(newsletter.Owner)
	page := b.get("/admin/settings").must(t, 200, "smtp.example.com:587", "letter@example.com")
	forms := page.text + b.get("/admin/settings/brand").must(t, 200).text
	for _, name := range newsletter.SettingNames() {
		if !strings.Contains(forms, `name="`+name+`"`) {
			t.Errorf("the form has no %s", name)
		}
	}
	b.post("/admin/settings", url.Values{"site_name": {"새 이름"}, "legal_phone": {"02\x01"}}).must(t, 422, `id="legal_phone-fault"`, `value="새 이름"`)
	b.post("/admin/settings", url.Values{"site_name": {"새 이름"}}).must(t, 303)
	b.get("/admin").must(t, 200, "새 이름")

	b.post("/admin/settings/keys", url.Values{"name": {""}}).must(t, 422, `href="#name"`, `href="#scopes"`).mustNot(t, "ti_")
	plain := regexp.MustCompile(`ti_[a-z0-9]{40}`).FindString(b.post("/admin/settings/keys", url.Values{"name": {"봇"}, "scope": {"issues:read"}}).must(t, 201).text)
	if plain == "" {
		t.Fatal("the key is not shown")
	}
	list := b.get("/admin/settings/keys").must(t, 200, "봇", "호 보기").mustNot(t, plain)
	id := regexp.MustCompile(`/admin/settings/keys/\d+/revoke`).FindString(list.text)
	b.post(id, nil).must(t, 303)
	b.get("/admin/settings/keys").must(t, 200, "폐기함")
	if a := h.browser().do("GET", "/api/v1/me", nil, http.Header{"Authorization": {"Bearer " + plain}}); a.StatusCode != 401 {
		t.Errorf("a revoked key opens the API: %d", a.StatusCode)
	}

	other := h.browser()
	other.post("/admin/login", url.Values{"email": {"owner@example.kr"}, "password": {deskPassword}}).must(t, 303)
	change := url.Values{"old": {"틀려요"}, "password": {"내일도 편지를 씁니다"}, "again": {"내일도"}}
	b.post("/admin/account/password", change).must(t, 422, `id="again-fault"`).mustNot(t, "내일도")
	change.Set("again", "내일도 편지를 씁니다")
	b.post("/admin/account/password", change).must(t, 422, `id="old-fault"`)
	change.Set("old", deskPassword)
	b.post("/admin/account/password", change).must(t, 303)
	b.get("/admin/account").must(t, 200, "이 기기")
	if a := other.get("/admin"); a.StatusCode != 303 {
		t.Errorf("another device is still signed in: %d", a.StatusCode)
	}
}

// event reads one server-sent event.
func event(t *testing.T, r *bufio.Scanner) (name, id, data string) {
	t.Helper()
	for r.Scan() {
		key, value, _ := strings.Cut(r.Text(), ": ")
		switch {
		case key == "event":
			name = value
		case key == "id":
			id = value
		case key == "data":
			data += value + "\n"
		case r.Text() == "" && data != "":
			return name, id, data
		}
	}
	return name, id, data
}

func TestProgressStream(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	h.active("one@example.com", "하나")
	i := h.draft("흐르는 호")
	if _, err := h.svc.SendIssue(t.Context(), "test", i.Number, 0); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h.handler)
	t.Cleanup(server.Close)
	at := fmt.Sprintf("/admin/issues/%d", i.Number)
	listen := func(last string) (*http.Response, *bufio.Scanner) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		t.Cleanup(cancel)
		req, err := http.NewRequestWithContext(ctx, "GET", server.URL+at+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(&http.Cookie{Name: "session", Value: b.cookies["session"]})
		req.Header.Set("Last-Event-ID", last)
		req.Header.Set("Accept-Encoding", "gzip")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res, bufio.NewScanner(res.Body)
	}
	res, lines := listen("")
	if res.Header.Get("Content-Encoding") != "" || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Errorf("headers: %v", res.Header)
	}
	_, id, data := event(t, lines)
	if id == "" || !strings.Contains(data, "발송중") || !strings.Contains(data, "합계") {
		t.Fatalf("the first event %q: %s", id, data)
	}
	_, again := listen(id) // has seen it: the next event is the one that brings news
	if _, err := h.svc.CancelIssue(t.Context(), "test", i.Number); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*bufio.Scanner{lines, again} {
		name, next, data := event(t, r)
		if name != "done" || next == id || !strings.Contains(data, "취소했어요") {
			t.Errorf("the last event is %q %q: %s", name, next, data)
		}
		if r.Scan() && r.Text() != "" {
			t.Errorf("more after the end: %q", r.Text())
		}
	}
	if a := h.browser().do("GET", at+"/events", nil, http.Header{"Accept": {"text/event-stream"}}); a.StatusCode != 401 && a.StatusCode != 303 {
		t.Errorf("a stranger listens: %d", a.StatusCode)
	}
}

// A stream must not hold the stop of the server.
func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	h.active("one@example.com", "하나")
	i := h.draft("멈추는 호")
	if _, err := h.svc.SendIssue(t.Context(), "test", i.Number, 0); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h.handler)
	server.Config = handlers.Server("", h.handler)
	server.Start()
	t.Cleanup(server.Close)
	req, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("%s/admin/issues/%d/events", server.URL, i.Number), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(&http.Cookie{Name: "session", Value: b.cookies["session"]})
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	event(t, bufio.NewScanner(res.Body))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	begin := time.Now()
	if err := server.Config.Shutdown(ctx); err != nil || time.Since(begin) > 10*time.Second {
		t.Errorf("the stop took %v: %v", time.Since(begin), err)
	}
}
