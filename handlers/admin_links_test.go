package handlers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"techissue/newsletter"
)

// The pile is filled by hand, by a bookmarklet and by a phone's share; a page that was only opened keeps nothing.
func TestThePileAtTheDesk(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	b.get("/admin/links").must(t, 200, "아직 모아 둔 링크가 없어요", "javascript:void", "links:write")
	b.post("/admin/links", url.Values{"urls": {"여기 https://a.example/1 그리고\nhttps://b.example/2?utm_source=x"}}).must(t, http.StatusSeeOther)
	b.get("/admin/links").must(t, 200, "https://a.example/1", "https://b.example/2", "제목을 읽고 있어요")
	b.post("/admin/links", url.Values{"urls": {"주소가 없는 글"}}).must(t, 422, "http:// 나 https:// 로 시작하는", "주소가 없는 글")
	b.post("/admin/links", url.Values{"urls": {"https://a.example/1"}}).must(t, 409, "이미 모아 둔 링크예요")

	shared := b.get("/admin/links/add?title=" + url.QueryEscape("나눈 글 https://c.example/3") + "&text=" + url.QueryEscape("읽어 봐 https://c.example/3"))
	shared.must(t, 200, `value="https://c.example/3"`, `value="나눈 글"`)
	b.get("/admin/links").mustNot(t, "c.example")
	b.post("/admin/links/add", url.Values{"url": {"javascript:alert(1)"}}).must(t, 422, "링크는 http:// 나")
	b.post("/admin/links/add", url.Values{"url": {"https://c.example/3"}, "title": {"나눈 글"}}).must(t, http.StatusSeeOther)
	b.get("/admin/links?q="+url.QueryEscape("나눈")).must(t, 200, "나눈 글").mustNot(t, "a.example")

	pile, _, err := h.svc.Pile(t.Context(), "", 0, 0)
	if err != nil || len(pile) != 3 {
		t.Fatalf("%d links, %v", len(pile), err)
	}
	b.post(fmt.Sprintf("/admin/links/%d/delete", pile[0].ID), nil).must(t, http.StatusSeeOther)
	b.get("/admin/links").mustNot(t, "나눈 글")

	stranger := h.browser()
	if to := stranger.get("/admin/links/add?url=https://d.example/&title=x").Header.Get("Location"); !strings.HasPrefix(to, "/admin/login?next=") || !strings.Contains(to, "d.example") {
		t.Errorf("somebody signed out is led to %q", to)
	}
	manifest := stranger.get("/admin/manifest.webmanifest")
	manifest.must(t, 200, `"share_target"`, `"/admin/links/add"`)
	if kind := manifest.Header.Get("Content-Type"); kind != "application/manifest+json" {
		t.Errorf("the manifest is %q", kind)
	}
}

// One press moves a link from the pile into the round-up, nothing typed is lost by it, and an issue that carries it is named.
func TestALinkMovesIntoTheRoundup(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	l, err := h.svc.AddLink(t.Context(), "test", newsletter.RoundupLink{URL: "https://a.example/1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.FetchCards(t.Context(), func(context.Context, string) (newsletter.Card, error) {
		return newsletter.Card{Title: "읽어 온 제목", Summary: "한 줄", Site: "예시일보"}, nil
	}); err != nil {
		t.Fatal(err)
	}
	b.get("/admin/issues/new").must(t, 200, "모아 둔 링크 1개", fmt.Sprintf(`value="pile:%d"`, l.ID))
	form := url.Values{"number": {"1"}, "subject": {"쓰던 제목"}, "intro": {"쓰던 인사"}, "do": {fmt.Sprintf("pile:%d", l.ID)}, "link_url": {""}}
	b.post("/admin/issues/new", form).must(t, 200, "쓰던 제목", "쓰던 인사", `value="읽어 온 제목"`, `value="예시일보"`, `value="한 줄"`, "넣었어요", "아직 저장하지 않았어요")
	form.Set("do", "pile:999")
	b.post("/admin/issues/new", form).must(t, 200, "쓰던 제목")

	form.Set("do", "save")
	form.Set("link_url", "https://a.example/1") // a row without a title is filled when it is saved
	b.post("/admin/issues/new", form).must(t, http.StatusSeeOther)
	if i, err := h.svc.Issue(t.Context(), 1); err != nil || i.Links[0].Title != "읽어 온 제목" {
		t.Errorf("the issue has %+v, %v", i.Links, err)
	}
	b.get("/admin/links").must(t, 200, "1호에 실은 링크")
	b.get("/admin/issues/new").must(t, 200, "1호에 실은 링크")
	b.post("/admin/links/card", url.Values{"url": {"https://a.example/1"}}).must(t, 200, `"title":"읽어 온 제목"`, `"reading":false`)
	b.post("/admin/links/card", url.Values{"url": {"https://z.example/"}}).must(t, 200, `"title":""`, `"reading":true`)
}
