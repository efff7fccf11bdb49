package handlers

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// A baked page is rendered and compressed once and served many times. All that differs between two readers is the signed
// moment in its forms: the page is cut at those places, and the pieces lie compressed side by side, so that a moment goes
// between them as a stored block (RFC 1951, 3.2.4) and nothing is compressed again.

// stampHole stands where a form's moment goes. html/template leaves it as it is.
const stampHole = "moment-0f6b5a1c9d"

type bakedPage struct {
	pieces   [][]byte // as rendered
	deflated [][]byte // each ends at a byte; the last ends the stream. nil: not compressed
	etag     string
	counts   newsletter.ArticleID // whose view this is, 0 for none
	at       time.Time
	epoch    uint64 // the state of the house that it shows
}

// bake cuts a rendered page. level is flate's; 0 leaves it uncompressed.
func bake(html []byte, level int) (*bakedPage, error) {
	p := &bakedPage{pieces: bytes.Split(html, []byte(stampHole)), etag: `W/"` + shortHash(html) + `"`}
	if level == 0 {
		return p, nil
	}
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, level)
	if err != nil {
		return nil, err
	}
	for n, piece := range p.pieces {
		from := buf.Len()
		if n > 0 {
			// What is left out between must not be referred to by distance: each piece begins with an empty window.
			w.Reset(&buf)
		}
		if _, err := w.Write(piece); err != nil {
			return nil, err
		}
		end := w.Flush
		if n == len(p.pieces)-1 {
			end = w.Close
		}
		if err := end(); err != nil {
			return nil, err
		}
		p.deflated = append(p.deflated, buf.Bytes()[from:buf.Len():buf.Len()])
	}
	return p, nil
}

// size is what the page weighs in memory.
func (p *bakedPage) size() (n int) {
	for i := range p.pieces {
		n += len(p.pieces[i])
	}
	for i := range p.deflated {
		n += len(p.deflated[i])
	}
	return n
}

// plain is the page with a moment in its holes.
func (p *bakedPage) plain(stamp string) []byte {
	return bytes.Join(p.pieces, []byte(stamp))
}

var gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255} // RFC 1952: deflate, no name, no time, unknown system

// gzip is the same as a gzip member. Only the checksum is computed anew, at some 10 GB/s.
func (p *bakedPage) gzip(stamp string) []byte {
	size := len(gzipHeader) + 8
	for _, d := range p.deflated {
		size += len(d) + 5 + len(stamp)
	}
	out := append(make([]byte, 0, size), gzipHeader...)
	sum, length := uint32(0), 0
	for n, d := range p.deflated {
		if n > 0 {
			out = append(out, 0)
			out = binary.LittleEndian.AppendUint16(out, uint16(len(stamp)))
			out = binary.LittleEndian.AppendUint16(out, ^uint16(len(stamp)))
			out = append(out, stamp...)
			sum = crc32.Update(sum, crc32.IEEETable, []byte(stamp))
			length += len(stamp)
		}
		out = append(out, d...)
		sum = crc32.Update(sum, crc32.IEEETable, p.pieces[n])
		length += len(p.pieces[n])
	}
	out = binary.LittleEndian.AppendUint32(out, sum)
	return binary.LittleEndian.AppendUint32(out, uint32(length))
}

// oven keeps baked pages by their path until the house changes, or a minute has passed: counts of views are as old at most.
type oven struct {
	mu    sync.RWMutex
	pages map[string]*bakedPage
	bytes int
}

const (
	bakedLife = time.Minute
	bakedMost = 64 << 20 // bytes of all pages together
)

func (o *oven) get(path string, epoch uint64, now time.Time) *bakedPage {
	o.mu.RLock()
	p := o.pages[path]
	o.mu.RUnlock()
	if p == nil || p.epoch != epoch || now.Sub(p.at) > bakedLife || now.Before(p.at) {
		return nil
	}
	return p
}

func (o *oven) put(path string, p *bakedPage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if old := o.pages[path]; old != nil {
		o.bytes -= old.size()
	}
	if o.pages == nil || o.bytes+p.size() > bakedMost {
		o.pages, o.bytes = map[string]*bakedPage{}, 0
	}
	o.pages[path] = p
	o.bytes += p.size()
}

// baking is what a handler below baked leaves for the page it writes.
type baking struct {
	epoch  uint64
	counts newsletter.ArticleID
}

const bakingKey = "baking"

// baked serves a public page from memory. Only plain addresses are kept: a query may say anything.
func (s *server) baked(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.Method != http.MethodGet || r.URL.RawQuery != "" {
			return next(c)
		}
		epoch, path := s.svc.Epoch(), r.URL.EscapedPath()
		if p := s.oven.get(path, epoch, s.now()); p != nil {
			if p.counts != 0 && s.views.counts(s, c, p.counts) {
				s.svc.CountView(p.counts)
			}
			return s.serveBaked(c, http.StatusOK, p)
		}
		c.Set(bakingKey, &baking{epoch: epoch}) // read before the page is: a change in between makes it stale, never fresh
		return next(c)
	}
}

// viewed counts a look at an article, now and whenever its page is served from memory.
func (s *server) viewed(c echo.Context, id newsletter.ArticleID) {
	if b, ok := c.Get(bakingKey).(*baking); ok {
		b.counts = id
	}
	if s.views.counts(s, c, id) {
		s.svc.CountView(id)
	}
}

// writeBaked bakes what a handler has rendered and serves it; a page that may be kept is kept.
func (s *server) writeBaked(c echo.Context, status int, html []byte) error {
	b, keep := c.Get(bakingKey).(*baking)
	level := flate.BestSpeed
	if keep && status == http.StatusOK {
		level = 7
	}
	p, err := bake(html, level)
	if err != nil {
		return err
	}
	if keep && status == http.StatusOK {
		p.epoch, p.counts, p.at = b.epoch, b.counts, s.now()
		s.oven.put(c.Request().URL.EscapedPath(), p)
	}
	return s.serveBaked(c, status, p)
}

func (s *server) serveBaked(c echo.Context, status int, p *bakedPage) error {
	h := c.Response().Header()
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	h.Add("Vary", "Accept-Encoding")
	defer s.looked(c, status)
	if status == http.StatusOK {
		h.Set("ETag", p.etag)
		if unchanged(c.Request(), p.etag, time.Time{}) {
			return c.NoContent(http.StatusNotModified)
		}
	}
	stamp := s.stamp(s.now())
	if p.deflated == nil || !acceptsGzip(c.Request()) {
		return sized(c, status, p.plain(stamp))
	}
	h.Set("Content-Encoding", "gzip")
	return sized(c, status, p.gzip(stamp))
}

// sized sends a page with its length, which the server cannot know by itself and would cut it into chunks for.
func sized(c echo.Context, status int, page []byte) error {
	c.Response().Header().Set("Content-Length", strconv.Itoa(len(page)))
	return c.HTMLBlob(status, page)
}

// acceptsGzip reads Accept-Encoding as browsers send it; "gzip;q=0" is a no.
func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) == "gzip" {
			q := strings.ReplaceAll(params, " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
