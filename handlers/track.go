package handlers

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// click counts a click and leads on, only ever to an address that the issue itself holds (S30). Someone whose click cannot be counted
// is led on all the same.
func (s *server) click(c echo.Context) error {
	url, hit, err := s.svc.LinkTarget(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	s.count(c, hit)
	return c.Redirect(http.StatusFound, url)
}

// blank is the smallest picture that every mail program shows: one transparent point.
var blank = []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")

// opening counts that a letter's pictures were loaded.
func (s *server) opening(c echo.Context) error {
	token, ok := strings.CutSuffix(c.Param("id"), ".gif")
	if !ok {
		return echo.ErrNotFound
	}
	hit, err := s.svc.Opening(token)
	if err != nil {
		return err
	}
	s.count(c, hit)
	return c.Blob(http.StatusOK, "image/gif", blank)
}

// count leaves out HEAD, which fetches nothing, and says of the rest whether a machine asked.
func (s *server) count(c echo.Context, hit newsletter.Hit) {
	if isHead(c) {
		return
	}
	h := c.Request().Header
	hit.Machine = isMailMachine(c.Request().UserAgent()) || h.Get("Sec-Purpose") != "" || h.Get("Purpose") == "prefetch"
	s.svc.CountHit(hit)
}

// mailMachines fetch pictures for mail services, or links to see where they lead.
var mailMachines = []string{
	"googleimageproxy", "yahoomailproxy", "ggpht.com", "barracuda", "mimecast", "proofpoint", "symantec", "messagelabs", "fortimail", "fortiguard",
	"trendmicro", "sophos", "microsoft office existence", "safelinks", "virustotal", "urlscan", "headlesschrome", "phantomjs", "scan",
}

// isMailMachine knows proxies and scanners by what they call themselves. Apple's privacy proxy says "Mozilla/5.0" and no more.
func isMailMachine(agent string) bool {
	if isBot(agent) {
		return true
	}
	agent = strings.ToLower(agent)
	if agent == "mozilla/5.0" {
		return true
	}
	for _, m := range mailMachines {
		if strings.Contains(agent, m) {
			return true
		}
	}
	return false
}
