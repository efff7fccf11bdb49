package handlers

import (
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// pileRow is a collected link in a list.
type pileRow struct {
	ID                          int64
	URL, Title, Source, Summary string
	Reading                     bool
	Twin                        string
	Issue                       int
	At                          time.Time
	Here                        bool // it stands in the round-up already
}

func pileRowOf(l newsletter.PiledLink) pileRow {
	r := pileRow{ID: l.ID, URL: l.URL, Title: l.Title, Source: l.Source, Summary: l.Summary, Reading: l.Reading, Twin: l.Twin, Issue: l.Issue, At: l.CreatedAt}
	if r.Title == "" {
		r.Title = r.URL
	}
	return r
}

type pileView struct {
	Query       string
	Rows        []pileRow
	Pager       pager
	Any         bool
	URLs        string
	Faults      faults
	Bookmarklet template.URL
	API         string
}

// bookmarklet opens the page for one link with what the present page is: its address, its title, the words marked on it.
func (s *server) bookmarklet() template.URL {
	return template.URL(`javascript:void(open('` + s.baseURL + `/admin/links/add?url='+encodeURIComponent(location.href)` +
		`+'&title='+encodeURIComponent(document.title)+'&summary='+encodeURIComponent(String(getSelection()).slice(0,300)),'_blank','width=520,height=680'))`)
}

func (s *server) pile(c echo.Context) error { return s.showPile(c, http.StatusOK, pileView{}) }

func (s *server) showPile(c echo.Context, status int, v pileView) error {
	v.Query, v.Bookmarklet, v.API = query(c), s.bookmarklet(), s.baseURL+apiPrefix+"/links"
	rows, more, err := s.svc.Pile(c.Request().Context(), v.Query, cursorOf(c), 50)
	if err != nil {
		return err
	}
	for _, l := range rows {
		v.Rows = append(v.Rows, pileRowOf(l))
	}
	if len(rows) > 0 {
		v.Pager = pageAfter(c, more, rows[len(rows)-1].ID)
	}
	v.Any = len(rows) > 0 || v.Query != "" || cursorOf(c) > 0
	return s.deskPage(c, status, "admin/links", "links", "링크 모아두기", v)
}

var addressInText = regexp.MustCompile(`https?://[^\s<>"]+`)

// collect puts every address of a pasted text on the pile. Those that lie there already are no fault unless all do.
func (s *server) collect(c echo.Context) error {
	text := c.FormValue("urls")
	found := addressInText.FindAllString(text, 100)
	if len(found) == 0 {
		wrong := faults{{Kind: newsletter.Invalid, Field: "urls", Msg: "http:// 나 https:// 로 시작하는 주소를 붙여 넣어 주세요."}}
		return s.showPile(c, http.StatusUnprocessableEntity, pileView{URLs: text, Faults: wrong})
	}
	added := 0
	var last error
	for _, u := range found {
		_, err := s.svc.AddLink(c.Request().Context(), actorOf(c), newsletter.RoundupLink{URL: u})
		switch newsletter.KindOf(err) {
		case newsletter.None:
			added++
		case newsletter.Conflict, newsletter.Invalid:
			last = err
		default:
			return err
		}
	}
	if added == 0 {
		wrong, status, _ := faultsFrom(last)
		wrong[0].Field = "urls"
		return s.showPile(c, status, pileView{URLs: text, Faults: wrong[:1]})
	}
	return doneAt(c, "/admin/links", "piled")
}

// linkView is the page that a bookmarklet and a phone's share open: one link, filled in, one button.
type linkView struct {
	newsletter.RoundupLink
	Faults faults
	Done   bool
}

// shareLink shows the form. A share from a phone may hide the address within its text.
func (s *server) shareLink(c echo.Context) error {
	v := linkView{RoundupLink: newsletter.RoundupLink{URL: c.QueryParam("url"), Title: c.QueryParam("title"), Summary: c.QueryParam("summary")}}
	if v.URL == "" {
		text := c.QueryParam("text")
		v.URL = addressInText.FindString(text)
		if v.URL == "" {
			v.URL = addressInText.FindString(v.Title)
		}
	}
	v.Title, v.Summary = oneLineOf(strings.ReplaceAll(v.Title, v.URL, "")), oneLineOf(v.Summary)
	v.Done = c.QueryParam("done") != ""
	return s.deskPage(c, http.StatusOK, "admin/link_add", "links", "링크 모아두기", v)
}

// oneLineOf makes what was marked on a page fit for a form's line.
func oneLineOf(s string) string { return strings.Join(strings.Fields(s), " ") }

func (s *server) keepLink(c echo.Context) error {
	v := linkView{RoundupLink: newsletter.RoundupLink{
		URL: c.FormValue("url"), Title: c.FormValue("title"), Source: c.FormValue("source"), Summary: c.FormValue("summary"),
	}}
	_, err := s.svc.AddLink(c.Request().Context(), actorOf(c), v.RoundupLink)
	if wrong, status, ok := faultsFrom(err); ok {
		v.Faults = wrong
		return s.deskPage(c, status, "admin/link_add", "links", "링크 모아두기", v)
	}
	if err != nil {
		return err
	}
	return doneAt(c, "/admin/links/add", "piled")
}

func (s *server) dropLink(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	if err := s.svc.DeleteLink(c.Request().Context(), actorOf(c), id); err != nil {
		return err
	}
	return doneAt(c, "/admin/links", "unpiled")
}

// linkCard says what is known of a row's page and asks for it to be read, for a script that fills the row in.
func (s *server) linkCard(c echo.Context) error {
	rows, reading, err := s.svc.FillLinks(c.Request().Context(), []newsletter.RoundupLink{{URL: strings.TrimSpace(c.FormValue("url"))}})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"title": rows[0].Title, "source": rows[0].Source, "summary": rows[0].Summary, "reading": reading})
}

// pileFor is the pile beside a round-up; what stands in the form already says so.
func (s *server) pileFor(c echo.Context, f issueForm) (rows []pileRow, err error) {
	list, _, err := s.svc.Pile(c.Request().Context(), "", 0, 100)
	if err != nil {
		return nil, err
	}
	here := map[string]bool{}
	for _, l := range f.Links {
		here[newsletter.LinkKey(l.URL)] = true
	}
	for _, l := range list {
		r := pileRowOf(l)
		r.Here = here[newsletter.LinkKey(l.URL)]
		if r.Issue != 0 && fmt.Sprint(r.Issue) == f.Number {
			r.Issue = 0
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// manifest makes the desk something a phone can install, so that its share sheet knows the pile.
func (s *server) manifest(c echo.Context) error {
	icon, err := s.pages.Assets().URL("icon.svg")
	if err != nil {
		return err
	}
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentType, "application/manifest+json")
	return c.JSON(http.StatusOK, map[string]any{
		"name": house.SiteName + " 관리", "short_name": house.SiteName, "lang": "ko", "id": "/admin", "start_url": "/admin", "scope": "/admin", "display": "standalone",
		"background_color": "#fffdf9", "theme_color": "#fffdf9",
		"icons": []map[string]string{{"src": icon, "sizes": "any", "type": "image/svg+xml"}},
		"share_target": map[string]any{
			"action": "/admin/links/add", "enctype": "application/x-www-form-urlencoded", "method": "GET", "params": map[string]string{"title": "title", "text": "text", "url": "url"},
		},
	})
}
