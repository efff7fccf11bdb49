package handlers

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

func (s *server) about(c echo.Context) error {
	return s.page(c, http.StatusOK, "site/about", templates.Page{
		Title: "소개", Canonical: s.baseURL + "/about", Body: map[string]any{"Form": s.newSignup().from("about")},
	})
}

// privacy is rendered from the settings; the texts name the version of the consents they belong to.
func (s *server) privacy(c echo.Context) error {
	return s.page(c, http.StatusOK, "site/privacy", templates.Page{
		Title: "개인정보 처리방침", Canonical: s.baseURL + "/privacy", Body: map[string]any{"Version": newsletter.ConsentVersion},
	})
}

// asset serves a static file. The hash in the address changes with the content, so a browser may keep it for ever.
func (s *server) asset(c echo.Context) error {
	name := c.Param("*")
	data, fresh, err := s.pages.Assets().Open(c.Param("hash"), name)
	if errors.Is(err, fs.ErrNotExist) {
		return echo.ErrNotFound
	}
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-cache")
	if fresh {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	kind := mime.TypeByExtension(path.Ext(name))
	switch path.Ext(name) { // what the machine's own table may not know
	case ".woff2":
		kind = "font/woff2"
	case ".js":
		kind = "text/javascript; charset=utf-8"
	case ".md", ".txt":
		kind = "text/plain; charset=utf-8"
	}
	if kind == "" {
		kind = echo.MIMEOctetStream
	}
	if name == fontRules {
		h.Add("Vary", "Save-Data")
		if strings.EqualFold(c.Request().Header.Get("Save-Data"), "on") { // who counts bytes reads in the face that is there
			return c.Blob(http.StatusOK, kind, nil)
		}
	}
	if packed := s.pages.Assets().Packed(name); packed != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(c.Request()) {
			h.Set("Content-Encoding", "gzip")
			data = packed
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	return c.Blob(http.StatusOK, kind, data)
}

// fontRules is the style sheet that names the font's files.
const fontRules = "vendor/pretendard/pretendard.css"

func (s *server) favicon(c echo.Context) error {
	u, err := s.pages.Assets().URL("icon.svg")
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusFound, u)
}

// healthz says that the process answers, nothing more.
func (s *server) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// readyz says whether the house can do its work: database writable, schema current, queue alive.
func (s *server) readyz(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	if s.opt.Ready != nil {
		if err := s.opt.Ready(c.Request().Context()); err != nil {
			s.log.Warn("not ready", "request", requestID(c), "cause", err)
			c.Response().Header().Set("Retry-After", "5")
			return c.String(http.StatusServiceUnavailable, "not ready\n")
		}
	}
	return c.String(http.StatusOK, "ready\n")
}

// robots lets crawlers at the articles and keeps them from what belongs to one reader.
func (s *server) robots(c echo.Context) error {
	return c.String(http.StatusOK, "User-agent: *\n"+
		"Disallow: /admin/\nDisallow: /api/\nDisallow: /confirm/\nDisallow: /u/\nDisallow: /me\nDisallow: /f/\nDisallow: /l/\nDisallow: /o/\nDisallow: /c/\n"+
		"Disallow: /mailbox\nDisallow: /search\nDisallow: /subscribe/sent\n"+
		"Allow: /\n\nSitemap: "+s.baseURL+"/sitemap.xml\n")
}

type siteURL struct {
	Loc  string `xml:"loc"`
	Last string `xml:"lastmod,omitempty"`
}

// sitemapMost is the protocol's limit of one file.
const sitemapMost = 50_000

func (s *server) sitemap(c echo.Context) error {
	ctx := c.Request().Context()
	set := struct {
		XMLName xml.Name  `xml:"http://www.sitemaps.org/schemas/sitemap/0.9 urlset"`
		URLs    []siteURL `xml:"url"`
	}{}
	for _, p := range []string{"/", "/articles", "/issues", "/subscribe", "/contact", "/about", "/privacy"} {
		set.URLs = append(set.URLs, siteURL{Loc: s.baseURL + p})
	}
	f := published(newsletter.ArticleFilter{Limit: 200})
	for more := true; more && len(set.URLs) < sitemapMost; {
		var list []newsletter.Article
		var err error
		if list, more, err = s.svc.Articles(ctx, f); err != nil {
			return err
		}
		for _, a := range list {
			set.URLs = append(set.URLs, siteURL{s.baseURL + articlePath(a.Slug), a.UpdatedAt.UTC().Format(time.RFC3339)})
			f.Cursor = int64(a.ID)
		}
	}
	g := newsletter.IssueFilter{Public: true, Limit: 200}
	for more := true; more && len(set.URLs) < sitemapMost; {
		var list []newsletter.Issue
		var err error
		if list, more, err = s.svc.Issues(ctx, g); err != nil {
			return err
		}
		for _, is := range list {
			set.URLs = append(set.URLs, siteURL{s.baseURL + issuePath(is.Number), is.SentAt().UTC().Format(time.RFC3339)})
			g.Cursor = int64(is.Number)
		}
	}
	return s.writeXML(c, "application/xml; charset=utf-8", set, time.Time{})
}

// writeXML answers with a whole document, or with 304 when the reader has it.
func (s *server) writeXML(c echo.Context, kind string, doc any, changed time.Time) error {
	var buf bytes.Buffer
	buf.WriteString(xml.Header)
	enc := xml.NewEncoder(&buf)
	enc.Indent("", " ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("write %s: %w", c.Path(), err)
	}
	return s.writeFresh(c, kind, buf.Bytes(), changed)
}

// writeFresh answers with ETag and Last-Modified, and with 304 to who has this state already (RFC 9110 §13).
func (s *server) writeFresh(c echo.Context, kind string, body []byte, changed time.Time) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", `W/"`+shortHash(body)+`"`)
	h.Set("Vary", "Accept-Encoding")
	if !changed.IsZero() {
		h.Set("Last-Modified", changed.UTC().Format(http.TimeFormat))
	}
	if unchanged(c.Request(), h.Get("ETag"), changed) {
		h.Del(echo.HeaderContentType)
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, kind, body)
}
