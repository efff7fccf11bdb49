package handlers

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// smallCover is how wide a cover is in lists and letters.
const smallCover = templates.CoverWidth / 2

// covers keeps pictures of the library cut to the shape of a cover. Like share pictures one is drawn at a time, and who asks for the same
// one waits for it.
type covers struct {
	mu   sync.Mutex
	list map[string][]byte
}

const coversMost = 200 // about 80 KB each

func (k *covers) of(key string, draw func() ([]byte, error)) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if b, ok := k.list[key]; ok {
		return b, nil
	}
	b, err := draw()
	if err != nil {
		return nil, err
	}
	if k.list == nil || len(k.list) >= coversMost {
		k.list = map[string][]byte{}
	}
	k.list[key] = b
	return b, nil
}

// cover serves a picture of the library cut to 1.91:1, in one of two widths. A picture never changes under its name, so neither does this.
func (s *server) cover(c echo.Context) error {
	width, err := strconv.Atoi(c.Param("width"))
	if err != nil || width != templates.CoverWidth && width != smallCover {
		return &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 그림이에요."}
	}
	name := c.Param("name")
	data, err := s.covers.of(c.Param("width")+"/"+name, func() ([]byte, error) {
		_, whole, err := s.svc.MediaFile(c.Request().Context(), name)
		if err != nil {
			return nil, err
		}
		return templates.Crop(whole, width)
	})
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("Content-Disposition", `inline; filename="cover.jpg"`)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // letters and other sites show it
	h.Set("ETag", `"`+shortHash(data)+`"`)
	if unchanged(c.Request(), h.Get("ETag"), time.Time{}) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, "image/jpeg", data)
}

// brandFile is what a colour makes of the pages: a style sheet that follows site.css, and the mark for the browser's tab. The colour is the
// address, so it may be kept for long; a day, since what is computed from it may change with a new version.
func (s *server) brandFile(c echo.Context) error {
	digits, kind, _ := strings.Cut(c.Param("file"), ".")
	b, err := templates.NewBrand("#" + digits)
	if err != nil {
		return echo.ErrNotFound
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "public, max-age=86400")
	switch kind {
	case "css":
		return c.Blob(http.StatusOK, "text/css; charset=utf-8", []byte(b.CSS()))
	case "svg":
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		return c.Blob(http.StatusOK, "image/svg+xml", []byte(b.Icon()))
	}
	return echo.ErrNotFound
}
