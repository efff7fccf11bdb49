package handlers_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

func picture(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// postForm sends a multipart form with values and files.
func (b *browser) postForm(path string, values map[string]string, files map[string][]byte, accept string) answer {
	b.h.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, v := range values {
		if err := w.WriteField(name, v); err != nil {
			b.h.t.Fatal(err)
		}
	}
	for name, data := range files {
		part, err := w.CreateFormFile("file", name)
		if err != nil {
			b.h.t.Fatal(err)
		}
		if _, err := part.Write(data); err != nil {
			b.h.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.h.t.Fatal(err)
	}
	return b.do("POST", path, &body, http.Header{"Content-Type": {w.FormDataContentType()}, "Sec-Fetch-Site": {"same-origin"}, "Accept": {accept}})
}

// S34: what is uploaded is judged by its bytes, drawn anew, and served so that it can be nothing but a picture.
func TestUploads(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	b.get("/admin/media").must(t, 200, "아직 그림이 없어요")
	for name, data := range map[string][]byte{"x.html": []byte("<!doctype html><script>alert(1)</script>"), "x.svg": []byte("<svg onload=alert(1)>"), "빈.png": {}} {
		b.postForm("/admin/media", nil, map[string][]byte{name: data}, "text/html").must(t, 422, "그림").mustNot(t, "<svg onload")
	}
	b.postForm("/admin/media", map[string]string{"alt": "밥솥"}, map[string][]byte{"밥솥.png": append(picture(t, 8, 4), "<script>"...)}, "text/html").must(t, http.StatusSeeOther)
	page := b.get("/admin/media").must(t, 200, "밥솥.png", "8×4", "![밥솥](/media/")
	path := regexp.MustCompile(`/media/[\w-]+\.png`).FindString(page.text)
	shown := h.browser().get(path)
	if shown.StatusCode != 200 || shown.Header.Get("Content-Type") != "image/png" || !strings.Contains(shown.Header.Get("Content-Security-Policy"), "sandbox") ||
		shown.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(shown.Header.Get("Content-Disposition"), "inline; filename=") || strings.Contains(shown.text, "script") {
		t.Errorf("the picture is served as %d %v", shown.StatusCode, shown.Header)
	}
	for _, other := range []string{"/media/none.png", "/media/..%2ftechissue.db", "/media/%2e%2e%2fleavers.log"} {
		if a := h.browser().get(other); a.StatusCode != 404 {
			t.Errorf("%s: %d", other, a.StatusCode)
		}
	}
	var said struct {
		Data []struct{ Markdown, Path string }
	}
	a := b.postForm("/admin/media", nil, map[string][]byte{"둘.png": picture(t, 3, 3)}, "application/json")
	if err := json.Unmarshal([]byte(a.text), &said); err != nil || len(said.Data) != 1 || said.Data[0].Markdown != "![]("+said.Data[0].Path+")" {
		t.Errorf("a script is told %s, %v", a.text, err)
	}
	list, _, err := h.svc.MediaList(t.Context(), "", 0, 0)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d pictures, %v", len(list), err)
	}
	b.post(fmt.Sprintf("/admin/media/%d", list[0].ID), url.Values{"alt": {"둘째 그림"}}).must(t, http.StatusSeeOther)
	b.get("/admin/media?q="+url.QueryEscape("둘째")).must(t, 200, "둘째 그림").mustNot(t, "밥솥.png")
	b.post(fmt.Sprintf("/admin/media/%d/delete", list[0].ID), nil).must(t, http.StatusSeeOther)
	b.get(list[0].Path()).must(t, 404)
}

// What is pasted becomes Markdown, and the pictures in it become the house's own.
func TestPaste(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	html := `<h2 onclick="x()">제목</h2><p><b>굵게</b></p><img alt="그림" src="data:image/png;base64,` + base64.StdEncoding.EncodeToString(picture(t, 2, 2)) +
		`"><img src="data:image/svg+xml;base64,PHN2Zz4="><img src="https://pictures.example/kept.png" alt="먼 그림">`
	var said struct{ Markdown string }
	a := b.postForm("/admin/paste", map[string]string{"html": html}, nil, "application/json").must(t, 200)
	if err := json.Unmarshal([]byte(a.text), &said); err != nil {
		t.Fatal(err)
	}
	if want := regexp.MustCompile(`(?s)^## 제목\n\n\*\*굵게\*\*\n\n!\[그림\]\(/media/[\w-]+\.png\) ?!\[먼 그림\]\(https://pictures\.example/kept\.png\)$`); !want.MatchString(said.Markdown) {
		t.Errorf("it became\n%s", said.Markdown)
	}
}

// The composer saves by itself, tells a second window of the first one's change, and an older text comes back.
func TestWritingSavesItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	save := func(path, intro string, version int64) (out struct {
		Version    int64
		Path, Save string
		Code       string
	}) {
		t.Helper()
		form := url.Values{"subject": {"쓰는 호"}, "kind": {"info"}, "intro": {intro}, "version": {fmt.Sprint(version)}}
		a := b.do("POST", path, strings.NewReader(form.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}, "Accept": {"application/json"}})
		if err := json.Unmarshal([]byte(a.text), &out); err != nil {
			t.Fatalf("%d %s: %v", a.StatusCode, a.text, err)
		}
		return out
	}
	first := save("/admin/issues/autosave", "하나", 0)
	if first.Path != "/admin/issues/1" || first.Save != "/admin/issues/1/autosave" || first.Version != 1 {
		t.Fatalf("a new one is %+v", first)
	}
	second := save(first.Save, "둘", first.Version)
	if second.Version != 2 || second.Path != "" {
		t.Errorf("the next is %+v", second)
	}
	if stale := save(first.Save, "늦은 창", first.Version); stale.Code != "version" {
		t.Errorf("a window that was overtaken got %+v", stale)
	}
	b.get("/admin/issues/1").must(t, 200, "둘", `data-autosave="/admin/issues/1/autosave"`).mustNot(t, "늦은 창")
	h.clock.add(time.Hour) // another sitting
	b.post("/admin/issues/1", url.Values{"subject": {"쓰는 호"}, "kind": {"info"}, "intro": {"셋"}, "version": {"2"}, "do": {"save"}}).must(t, http.StatusSeeOther)
	page := b.get("/admin/issues/1/history").must(t, 200, "지금 글", "되살리기", "둘", "나")
	restore := regexp.MustCompile(`/admin/issues/1/history/\d+/restore`).FindString(page.text)
	b.post(restore, nil).must(t, http.StatusSeeOther)
	b.get("/admin/issues/1").must(t, 200, ">\n둘</textarea>")
	b.get("/admin/issues/9/history").must(t, 404)
}

// A draft is read by whoever has its link, plans its own day, and wears one of the house's pictures.
func TestADraftArticle(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	b.postForm("/admin/media", map[string]string{"alt": "표지"}, map[string][]byte{"c.png": picture(t, 2, 2)}, "text/html").must(t, http.StatusSeeOther)
	list, _, err := h.svc.MediaList(t.Context(), "", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"title": {"감춘 글"}, "slug": {"hidden"}, "body": {"**굵은** 본문"}, "cover": {list[0].Path()}, "cover_alt": {"표지"}, "do": {"save"}}
	b.post("/admin/articles/new", form).must(t, http.StatusSeeOther)
	page := b.get("/admin/articles/hidden").must(t, 200, `value="`+list[0].Path()+`" checked`, "미리보기 링크", `data-autosave="/admin/articles/hidden/autosave"`)
	secret := regexp.MustCompile(`http://localhost:8080(/preview/[^"]+)`).FindStringSubmatch(page.text)
	stranger := h.browser()
	stranger.get(secret[1]).must(t, 200, "감춘 글", "<strong>굵은</strong>", "아직 발행하지 않은 글이에요", `content="noindex"`)
	stranger.get("/articles/hidden").must(t, 404)
	stranger.get(secret[1][:len(secret[1])-2]+"xx").must(t, 404)
	stored, err := h.svc.Article(t.Context(), "hidden")
	if err != nil {
		t.Fatal(err)
	}
	form.Set("version", fmt.Sprint(stored.Version))
	form.Set("do", "plan")
	form.Set("publish_at", "2000-01-01T00:00")
	b.post("/admin/articles/hidden", form).must(t, 422, "앞으로 올 날짜")
	seoul := h.options.Location
	form.Set("publish_at", h.clock.now().Add(time.Hour).In(seoul).Format("2006-01-02T15:04"))
	b.post("/admin/articles/hidden", form).must(t, http.StatusSeeOther)
	b.get("/admin/articles/hidden").must(t, 200, "에 저절로 발행돼요")
	h.clock.add(2 * time.Hour)
	if n, err := h.svc.PublishDue(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	stranger.get("/articles/hidden").must(t, 200, "감춘 글")
	if to := stranger.get(secret[1]).Header.Get("Location"); to != "/articles/hidden" {
		t.Errorf("the secret link leads to %q", to)
	}
	b.get("/admin/articles/hidden/history").must(t, 200, "지금 글")
}
