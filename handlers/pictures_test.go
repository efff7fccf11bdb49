package handlers_test

import (
	"bytes"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"techissue/handlers"
	"techissue/newsletter"
	"techissue/templates"
)

// postFile posts a form with a file in it.
func (b *browser) postFile(path, field string, file []byte, form map[string]string) answer {
	b.h.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for k, v := range form {
		_ = w.WriteField(k, v)
	}
	if file != nil {
		p, err := w.CreateFormFile(field, "../picture.png")
		if err != nil {
			b.h.t.Fatal(err)
		}
		_, _ = p.Write(file)
	}
	_ = w.Close()
	return b.do("POST", path, &body, http.Header{"Content-Type": {w.FormDataContentType()}, "Sec-Fetch-Site": {"same-origin"}})
}

func drawn(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var coverAddress = regexp.MustCompile(`/covers/\d+/[A-Za-z0-9_-]+\.png`)

func TestBrand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Owner)
	h.browser().get("/").must(t, 200, "<svg viewBox").mustNot(t, "/brand/")
	b.get("/admin/settings/brand").must(t, 200, "#0b5c9e")
	b.postFile("/admin/settings/brand", "logo", []byte("<svg onload=alert(1)>"), map[string]string{"accent": "#1f7a4d", "tagline": "새 소개"}).must(t, 422, `id="logo-fault"`, `value="새 소개"`)
	b.postFile("/admin/settings/brand", "logo", nil, map[string]string{"accent": "초록"}).must(t, 422, `id="accent-fault"`)
	h.browser().get("/").must(t, 200).mustNot(t, "/brand/", "새 소개") // all or none

	b.postFile("/admin/settings/brand", "logo", drawn(t, 900, 300), map[string]string{"accent": "FEE500", "tagline": "새 소개"}).must(t, 303)
	b.get("/admin/settings/brand").must(t, 200, "조금 어둡게", "로고를 빼고")
	page := h.browser().get("/").must(t, 200, `href="/brand/fee500.css"`, `href="/brand/fee500.svg"`, "새 소개", `width="108" height="36" alt="테크잇슈"`).mustNot(t, `<svg viewBox="0 0 24 24" width="24"`)
	b.get("/admin").must(t, 200, `href="/brand/fee500.css"`)
	h.browser().get(regexp.MustCompile(`/media/[A-Za-z0-9_-]+\.png`).FindString(page.text)).must(t, 200)
	css := h.browser().get("/brand/fee500.css").must(t, 200, "--accent:light-dark(#").mustNot(t, "fee500")
	if css.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Error(css.Header)
	}
	h.browser().get("/brand/fee500.svg").must(t, 200, "<svg")
	for _, none := range []string{"/brand/red.css", "/brand/fee500.js", "/brand/FEE500.css"} {
		h.browser().get(none).must(t, 404)
	}
	b.postFile("/admin/settings/brand", "logo", nil, map[string]string{"no_logo": "on"}).must(t, 303)
	h.browser().get("/").must(t, 200, "<svg viewBox").mustNot(t, "/brand/", "/media/")
}

func TestCovers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p, err := templates.ReadPicture(drawn(t, 1300, 900))
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.svc.AddMedia(t.Context(), "test", "wall.png", "회색 벽", newsletter.Picture(p))
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.svc.CreateArticle(t.Context(), "test", newsletter.Article{Title: "그림 있는 글", Body: "본문", Cover: m.Path(), CoverAlt: "회색 벽", Status: newsletter.ArticlePublished})
	if err != nil {
		t.Fatal(err)
	}
	page := h.browser().get("/articles/"+url.PathEscape("그림-있는-글")).must(t, 200, `width="1200" height="630" alt="회색 벽"`, `content="http://localhost:8080/covers/1200/`, `og:image:alt" content="회색 벽"`)
	cover := h.browser().get(coverAddress.FindString(page.text)).must(t, 200)
	for name, want := range map[string]string{"Content-Type": "image/jpeg", "X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable"} {
		if got := cover.Header.Get(name); got != want {
			t.Errorf("%s of a cover is %q", name, got)
		}
	}
	for _, none := range []string{"/covers/601/" + m.Name, "/covers/600/none.png", "/covers/600/..%2f..%2fetc%2fpasswd", "/covers/x/" + m.Name} {
		h.browser().get(none).must(t, 404)
	}
	h.article("그림 없는 글", "본문")
	h.article("호에 실린 글", "본문")
	h.past(7, "일곱째 호", "호에-실린-글")
	list := h.browser().get("/articles").must(t, 200, "/covers/600/", `loading="lazy"`, `aria-hidden="true">7<small>호</small>`, `aria-hidden="true">그</span>`)
	h.browser().get(coverAddress.FindString(list.text)).must(t, 200)
	if err := h.svc.DeleteMedia(t.Context(), "test", m.ID); newsletter.KindOf(err) != newsletter.Conflict {
		t.Errorf("a cover in use was deleted: %v", err)
	}
}

func TestEditedCards(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	h.article("링크 글", "글\n\nhttps://a.example/1https://b.example/한글\n")
	at := "/admin/articles/" + url.PathEscape("링크-글")
	b.get(at).must(t, 200, "링크 카드 2개")
	b.get(at+"/cards").must(t, 200, "https://b.example/한글", "아직 읽지 못했어요")
	form := url.Values{"url": {"https://a.example/1", "https://b.example/한글", "https://evil.example/"}, "title": {"<b>첫 카드</b>", "", "남의 카드"}, "summary": {"한 줄", "", ""}, "site": {"예시일보", "", ""}}
	b.post(at+"/cards", form).must(t, 303)
	b.get(at+"/cards").must(t, 200, "직접 고친 카드")
	h.browser().get("/articles/"+url.PathEscape("링크-글")).must(t, 200, `class="linkcard"`, "&lt;b&gt;첫 카드", "예시일보").mustNot(t, "남의 카드")
	form["title"][0] = strings.Repeat("가", 200)
	b.post(at+"/cards", form).must(t, 422, `id="cards-0-title-fault"`, "한 줄")
}

func TestIndexNowKeyAndNaverShare(t *testing.T) {
	t.Parallel()
	const key = "0123456789abcdef0123456789abcdef"
	h := newHouse(t, func(o *handlers.Options) { o.IndexNowKey = key })
	if a := h.browser().get("/"+key+".txt").must(t, 200); a.text != key {
		t.Errorf("the key file says %q", a.text)
	}
	h.article("글", "본문")
	h.browser().get("/articles/"+url.PathEscape("글")).must(t, 200).mustNot(t, "share.naver.com")
	b := h.desk(newsletter.Owner)
	b.post("/admin/settings", url.Values{"indexnow": {"http://plain.example/"}}).must(t, 422, `id="indexnow-fault"`)
	b.post("/admin/settings", url.Values{"share_naver": {"on"}}).must(t, 303)
	h.browser().get("/articles/"+url.PathEscape("글")).must(t, 200, "https://share.naver.com/web/shareView?url=http%3a%2f%2flocalhost%3a8080%2farticles")
}

// Who asks to save data gets the pages without their font; styles come compressed, once and for ever.
func TestAssetsSaveData(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	page := h.browser().get("/").text
	rules := regexp.MustCompile(`/assets/[0-9a-f]+/vendor/pretendard/pretendard\.css`).FindString(page)
	ask := func(path string, header http.Header) answer { return h.browser().do("GET", path, nil, header) }
	if a := ask(rules, http.Header{}).must(t, 200, "@font-face"); !strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "Save-Data") {
		t.Errorf("Vary is %v", a.Header.Values("Vary"))
	}
	if a := ask(rules, http.Header{"Save-Data": {"on"}}).must(t, 200); a.text != "" {
		t.Errorf("%d bytes of font rules for who saves data", len(a.text))
	}
	packed := ask(regexp.MustCompile(`/assets/[0-9a-f]+/site\.css`).FindString(page), http.Header{"Accept-Encoding": {"gzip"}}).must(t, 200)
	if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("Content-Length") != strconv.Itoa(len(packed.text)) || len(packed.text) > 9000 {
		t.Errorf("%v, %d bytes", packed.Header, len(packed.text))
	}
}
