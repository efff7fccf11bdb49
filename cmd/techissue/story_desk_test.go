package main_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"techissue/mailer/smtptest"
)

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
	if res.StatusCode != 200 || !strings.Contains(body, "https://news.example/1") || strings.Contains(body, "<b>첫") {
		t.Fatalf("a new issue: %d\n%s", res.StatusCode, body)
	}
	if res, body := ask("GET", "/admin/issues/1/send", nil); res.StatusCode != 200 || !strings.Contains(body, "지금 3명에게 발송하기") {
		t.Errorf("before the send: %d\n%s", res.StatusCode, body)
	}
	if res, _ := ask("POST", "/admin/issues/1/send", nil); res.Request.URL.Path != "/admin/issues/1/send" || res.StatusCode != 200 {
		t.Errorf("send: %d %s", res.StatusCode, res.Request.URL)
	}
	if res, _ := ask("POST", "/admin/issues/1/send", nil); res.StatusCode != 409 {
		t.Errorf("sending twice: %d", res.StatusCode)
	}
	if res, body := ask("POST", "/admin/issues/1/send", url.Values{"now": {"1"}}); res.StatusCode != 200 || strings.Contains(body, "지금 모두 보내기") {
		t.Errorf("ending the undo time: %d\n%s", res.StatusCode, body)
	}
	h.until("three letters and the editor's copy", func() bool { return len(h.smtp.Accepted()) == 4 })
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
		if method == http.MethodPost {
			req.Header.Set("Idempotency-Key", rand.Text())
		}
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
	_, out := call(reads, "GET", "/api/v1/issues/1/deliveries?limit=1", "")
	if out["has_more"] != true || len(out["data"].([]any)) != 1 {
		t.Fatalf("a page of letters: %v", out)
	}
	letter := out["data"].([]any)[0].(map[string]any)
	copied(t, h, letter, func() (int, map[string]any) {
		return call(all, "POST", fmt.Sprintf("/api/v1/deliveries/%v/resend", letter["id"]), `{"copy":true}`)
	})
	if code, out := call("", "GET", "/openapi.json", ""); code != 200 || out["openapi"] != "3.1.0" {
		t.Errorf("OpenAPI: %d %v", code, out["openapi"])
	}
}

// copied sends a further copy of a letter, which arrives the same to the byte.
func copied(t *testing.T, h *house, letter map[string]any, again func() (int, map[string]any)) {
	t.Helper()
	email, _ := letter["email"].(string)
	if code, out := again(); code != http.StatusAccepted || out["state"] != "sent" {
		t.Fatalf("a copy: %d %v", code, out)
	}
	h.until("the copy", func() bool { return len(h.smtp.AcceptedTo(email)) == 2 })
	got := h.smtp.AcceptedTo(email)
	if !bytes.Equal(got[0].Data, got[1].Data) {
		t.Errorf("the copy is another letter:\n%s\n%s", got[0].Data, got[1].Data)
	}
	if got[1].MessageID != letter["message_id"] {
		t.Errorf("Message-ID %s, the API says %v", got[1].MessageID, letter["message_id"])
	}
}
