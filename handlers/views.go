package handlers

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// viewSieve counts a reader once a day and article, without a cookie and without keeping who it was: what is
// remembered is a hash under a salt that is thrown away at midnight.
type viewSieve struct {
	mu   sync.Mutex
	day  string
	salt [16]byte
	seen map[[16]byte]struct{}
}

// seenMost bounds the memory of a day; behind it every view counts.
const seenMost = 200_000

// counts tells whether this request is a person's first look at the article today.
func (v *viewSieve) counts(s *server, c echo.Context, id newsletter.ArticleID) bool {
	agent := c.Request().UserAgent()
	if isHead(c) || isBot(agent) || c.Request().Header.Get("Sec-Purpose") != "" {
		return false
	}
	today := s.now().In(s.loc).Format("2006-01-02")
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.day != today {
		v.day, v.seen = today, map[[16]byte]struct{}{}
		rand.Read(v.salt[:]) // never fails: it ends the program instead
	}
	h := sha256.New()
	h.Write(v.salt[:])
	for _, part := range []string{c.RealIP(), agent} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	h.Write([]byte{byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24), byte(id >> 32), byte(id >> 40), byte(id >> 48), byte(id >> 56)})
	key := [16]byte(h.Sum(nil)[:16])
	if _, again := v.seen[key]; again {
		return false
	}
	if len(v.seen) < seenMost {
		v.seen[key] = struct{}{}
	}
	return true
}

// bots are the crawlers and preview fetchers met in Korea, and the words nearly all others carry.
var bots = []string{
	"bot", "crawl", "spider", "slurp", "yeti", "daum", "kakaotalk-scrap", "facebookexternalhit", "facebookcatalog", "preview",
	"curl/", "wget/", "python-", "go-http-client", "lighthouse", "monitor", "feed", "whatsapp", "embedly",
}

func isBot(agent string) bool {
	if agent == "" {
		return true
	}
	agent = strings.ToLower(agent)
	if strings.Contains(agent, "daumapps") || strings.Contains(agent, "daumdevice") { // people in Daum's app
		return false
	}
	for _, b := range bots {
		if strings.Contains(agent, b) {
			return true
		}
	}
	return false
}
