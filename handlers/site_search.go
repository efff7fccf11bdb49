package handlers

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// searchView is a page of results, the best first.
type searchView struct {
	Query       string
	Kinds       []searchKind
	Narrow      bool // only one kind is looked at
	Total       int
	Most        bool // there may be more than are counted
	First       int  // number of the first on this page
	Hits        []searchHit
	Newer, More string
}

type searchKind struct {
	Name, URL string
	On        bool
}

type searchHit struct {
	Kind           string
	Number         int
	URL            string
	Outside        string // where a line of a round-up leads
	At             time.Time
	Title, Excerpt []newsletter.TextPart
}

const (
	hitsOnPage   = 10
	countedHits  = 100 // from here on the number says "more than"
	lastHitsPage = 20
)

func (s *server) search(c echo.Context) error {
	kind := newsletter.SearchKind(c.QueryParam("kind"))
	switch kind {
	case newsletter.FoundArticle, newsletter.FoundIssue, newsletter.FoundLink:
	default:
		kind = ""
	}
	return s.searchIn(c, kind)
}

func (s *server) searchIn(c echo.Context, kind newsletter.SearchKind) error {
	q := query(c)
	page, _ := strconv.Atoi(c.QueryParam("page"))
	page = min(max(page, 1), lastHitsPage)
	v := searchView{Query: q, Narrow: kind != "", First: (page-1)*hitsOnPage + 1}
	title := "검색"
	if q != "" {
		title = "‘" + q + "’ 검색"
		found, err := s.svc.Search(c.Request().Context(), newsletter.SearchFilter{Query: q, Kind: kind, Offset: (page - 1) * hitsOnPage, Limit: hitsOnPage})
		if err != nil {
			return err
		}
		v.Total, v.Most = found.Total, found.Total >= countedHits
		for _, h := range found.Hits {
			v.Hits = append(v.Hits, hitOf(h))
		}
		v.Kinds = searchKinds(q, kind)
		if page > 1 {
			v.Newer = searchPath(q, kind, page-1)
		}
		if found.More {
			v.More = searchPath(q, kind, page+1)
		}
	}
	return s.page(c, http.StatusOK, "site/search", templates.Page{Title: title, NoIndex: true, Body: v})
}

func searchPath(q string, kind newsletter.SearchKind, page int) string {
	u := url.Values{"q": {q}}
	if kind != "" {
		u.Set("kind", string(kind))
	}
	if page > 1 {
		u.Set("page", strconv.Itoa(page))
	}
	return "/search?" + u.Encode()
}

func searchKinds(q string, on newsletter.SearchKind) (list []searchKind) {
	for _, k := range []struct {
		kind newsletter.SearchKind
		name string
	}{{"", "전체"}, {newsletter.FoundArticle, "아티클"}, {newsletter.FoundIssue, "지난 호"}, {newsletter.FoundLink, "링크"}} {
		list = append(list, searchKind{k.name, searchPath(q, k.kind, 1), k.kind == on})
	}
	return list
}

func hitOf(h newsletter.SearchHit) searchHit {
	out := searchHit{Kind: string(h.Kind), Number: h.Number, At: h.At, Title: h.TitleParts, Excerpt: h.Excerpt}
	switch h.Kind {
	case newsletter.FoundArticle:
		out.URL = articlePath(h.Slug)
	case newsletter.FoundIssue:
		out.URL = issuePath(h.Number)
	case newsletter.FoundLink:
		out.URL, out.Outside = issuePath(h.Number)+"#link-"+itoa(h.Position), h.URL
	}
	return out
}
