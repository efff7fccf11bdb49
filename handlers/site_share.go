package handlers

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// pictures keeps drawn share pictures by what is on them. Drawing takes some 50 ms, so one is drawn at a time, and messengers
// that ask for the same link at once wait for the same picture.
type pictures struct {
	mu   sync.Mutex
	list map[templates.ShareCard][]byte
}

const picturesMost = 200 // about 40 KB each

func (p *pictures) of(card templates.ShareCard) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b, ok := p.list[card]; ok {
		return b, nil
	}
	var buf bytes.Buffer
	if err := card.Draw(&buf); err != nil {
		return nil, err
	}
	if p.list == nil || len(p.list) >= picturesMost {
		p.list = map[templates.ShareCard][]byte{}
	}
	p.list[card] = buf.Bytes()
	return buf.Bytes(), nil
}

// cardOf is what the picture of an article or an issue shows.
func (s *server) cardOf(h newsletter.House, title, author string, at time.Time, issue int) templates.ShareCard {
	if author == "" {
		author = h.Author
	}
	foot := newsletter.DateLong(at, s.loc)
	if author != "" {
		foot = strings.Trim(author+" · "+foot, " ·")
	}
	return templates.ShareCard{Site: h.SiteName, Title: title, Foot: foot, Issue: issue, Accent: h.Accent}
}

// pictureURL changes with what is on the picture: messengers keep one for weeks under its address.
func (s *server) pictureURL(path string, card templates.ShareCard) string {
	return s.baseURL + path + "?v=" + shortHash([]byte(card.Site + "\x00" + card.Title + "\x00" + card.Foot + "\x00" + card.Accent))[:8]
}

func (s *server) sendPicture(c echo.Context, card templates.ShareCard) error {
	b, err := s.pictures.of(card)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "public, max-age=86400")
	h.Set("ETag", `"`+shortHash(b)+`"`)
	if unchanged(c.Request(), h.Get("ETag"), time.Time{}) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, "image/png", b)
}

func (s *server) housePicture(c echo.Context) error {
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	return s.sendPicture(c, houseCard(house))
}

func houseCard(h newsletter.House) templates.ShareCard {
	title := h.Tagline
	if title == "" {
		title = h.SiteName
	}
	return templates.ShareCard{Site: h.SiteName, Title: title, Foot: h.Author, Accent: h.Accent}
}

func (s *server) articlePicture(c echo.Context) error {
	a, err := s.publishedArticle(c)
	if err != nil {
		return err
	}
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	return s.sendPicture(c, s.cardOf(house, a.Title, a.Author, a.PublishedAt, 0))
}

func (s *server) issuePicture(c echo.Context) error {
	n, err := issueNumber(c)
	if err != nil {
		return err
	}
	is, ed, err := s.svc.IssueEdition(c.Request().Context(), n)
	if err != nil {
		return err
	}
	return s.sendPicture(c, s.cardOf(ed.Snapshot.House, ed.Snapshot.Subject, "", is.SentAt(), n))
}
