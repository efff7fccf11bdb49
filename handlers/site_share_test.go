package handlers_test

import (
	"bytes"
	"image/png"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"techissue/newsletter"
)

var ogImage = regexp.MustCompile(`property="og:image" content="http://localhost:8080([^"]+)"`)

// Each public page names a picture of 1200 by 630 that is there, and changes its address with its words.
func TestSharePicturesOfPages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.article("화수분 야구와 인재육성", "본문")
	h.past(3, "세 번째 편지", a.Slug)
	b := h.browser()
	seen := map[string]bool{}
	for _, p := range []string{"/", articlePathOf(a), "/issues/3"} {
		m := ogImage.FindStringSubmatch(b.get(p).must(t, 200, "summary_large_image", `og:image:width" content="1200"`).text)
		if m == nil {
			t.Fatalf("%s names no picture", p)
		}
		address := strings.ReplaceAll(m[1], "&amp;", "&")
		if seen[address] {
			t.Errorf("%s has the picture of another page", p)
		}
		seen[address] = true
		res := b.get(address).must(t, 200)
		picture, err := png.Decode(bytes.NewReader([]byte(res.text)))
		if err != nil || picture.Bounds().Dx() != 1200 || picture.Bounds().Dy() != 630 || res.Header.Get("Content-Type") != "image/png" {
			t.Errorf("%s: %v, %s", p, err, res.Header.Get("Content-Type"))
		}
		b.do("GET", address, nil, http.Header{"If-None-Match": {res.Header.Get("ETag")}}).must(t, 304)
	}
	old := ogImage.FindStringSubmatch(b.get(articlePathOf(a)).text)[1]
	if _, err := h.svc.UpdateArticle(t.Context(), "test", a.Slug, func(a *newsletter.Article) error { a.Title = "고친 제목"; return nil }, 0); err != nil {
		t.Fatal(err)
	}
	if now := ogImage.FindStringSubmatch(b.get(articlePathOf(a)).text)[1]; now == old {
		t.Error("another title has the same address: messengers would go on showing the old one")
	}
	b.get("/articles/none/share.png").must(t, 404)
	b.get("/issues/4/share.png").must(t, 404)
}

func TestFormerAddressesAndVerification(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.article("옛 주소", "본문")
	h.past(3, "세 번째 편지", a.Slug)
	if _, err := h.svc.UpdateArticle(t.Context(), "test", a.Slug, func(a *newsletter.Article) error { a.Slug = "새-주소"; return nil }, 0); err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	res := b.get(articlePathOf(a)).must(t, 301)
	if got := res.Header.Get("Location"); got != "/articles/"+url.PathEscape("새-주소") {
		t.Errorf("leads to %s", got)
	}
	b.get("/articles/"+url.PathEscape("새-주소")).must(t, 200, "3호</a>에 실렸어요")
	b.get("/").mustNot(t, "site-verification")
	if err := h.svc.PutSettings(t.Context(), "test", map[string]string{"naver_verification": `abc"><script>`, "google_verification": "g-123"}); err != nil {
		t.Fatal(err)
	}
	b.get("/").must(t, 200, `name="naver-site-verification" content="abc&#34;&gt;&lt;script&gt;"`, `name="google-site-verification" content="g-123"`)
}
