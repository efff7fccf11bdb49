package handlers

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// page shows one of the house's pages. The frame's common parts are filled in here; the handler gives what
// is its own. The page is rendered before the first byte leaves, so a fault in it is a clean 500.
func (s *server) page(c echo.Context, status int, name string, p templates.Page) error {
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	return s.write(c, status, name, s.frame(c, p, house))
}

// frame completes a page with the house's name, the demo's bar, the path.
func (s *server) frame(c echo.Context, p templates.Page, h newsletter.House) templates.Page {
	p.Site = templates.Site{
		Name: h.SiteName, Tagline: h.Tagline, Author: h.Author, AuthorLine: h.AuthorLine, BaseURL: s.baseURL,
		Legal: templates.Legal(h.Legal), Naver: h.NaverVerification, Google: h.GoogleVerification,
		Brand: strings.TrimPrefix(h.Accent, "#"), NaverShare: h.ShareNaver == "on",
	}
	logo := h.Sign()
	p.Site.Logo = templates.LogoRoom(logo.Path, logo.Width, logo.Height)
	if p.Image == "" && !p.Private {
		p.Image = s.pictureURL("/share.png", houseCard(h))
	}
	p.Path = c.Request().URL.Path
	if s.opt.Demo != nil {
		p.Bar = s.opt.Demo.Bar
	}
	return p
}

func (s *server) write(c echo.Context, status int, name string, p templates.Page) error {
	var buf bytes.Buffer
	if err := s.pages.Render(&buf, name, p); err != nil {
		return err
	}
	if rule, _ := s.ruleOf(c); rule.baked {
		return s.writeBaked(c, status, buf.Bytes())
	}
	h := c.Response().Header()
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	if err := c.HTMLBlob(status, bytes.ReplaceAll(buf.Bytes(), []byte(stampHole), []byte(s.stamp(s.now())))); err != nil {
		return err
	}
	s.looked(c, status)
	return nil
}

// looked starts the demo's sample send with the first page somebody sees.
func (s *server) looked(c echo.Context, status int) {
	if d := s.opt.Demo; d != nil && d.OnFirstView != nil && status == http.StatusOK && !isHead(c) {
		s.firstView.Do(d.OnFirstView)
	}
}

func (s *server) readHouse(c echo.Context) (newsletter.House, error) {
	h, err := s.svc.House(c.Request().Context())
	if err != nil {
		return newsletter.House{}, err
	}
	s.house.Store(&h)
	return h, nil
}

// errorView is the body of the error page.
type errorView struct {
	Status        int
	Title, Detail string
	RequestID     string
	Fields        []string
	Search        bool
}

// errorPage works without the store: the frame shows the house as it was last read.
func (s *server) errorPage(c echo.Context, f fault, id string) {
	v := errorView{Status: f.status, Title: f.title, Detail: f.detail, Search: f.status == http.StatusNotFound}
	if f.status >= 500 {
		v.RequestID = id
	}
	for _, e := range f.fields {
		v.Fields = append(v.Fields, e.Msg)
	}
	h := newsletter.House{SiteName: "테크잇슈"}
	if last := s.house.Load(); last != nil {
		h = *last
	}
	p := s.frame(c, templates.Page{Title: f.title, NoIndex: true, Private: true, Body: v}, h)
	if err := s.write(c, f.status, "site/error", p); err != nil {
		s.log.Error("error page failed", "request", id, "cause", err)
		_ = c.String(f.status, f.title)
	}
}
