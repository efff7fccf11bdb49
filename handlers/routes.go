package handlers

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// route is one line of the registry. What is not in the registry does not exist: S15.
type route struct {
	method, path string
	access       access
	handle       echo.HandlerFunc
	trait
}

// trait is how a route differs from an ordinary page.
type trait struct {
	// outside: acts on no cookie, so any origin may post: sign-up forms on other sites, RFC 8058, provider hooks (S13).
	outside bool
	// framed: shown in a frame of our own pages, with the CSP of a letter.
	framed bool
	// stream: stays open; no deadline, no gzip.
	stream bool
	// pictures: carries what the editor wrote, which may show pictures from elsewhere.
	pictures bool
	// baked: a page without queries is kept in memory, compressed.
	baked bool
	// body is the largest accepted body in bytes; 0 means formBody.
	body int64
	// keyed: a call of the API that is refused without an Idempotency-Key.
	keyed bool
}

// Largest bodies (S37).
const (
	formBody   = 64 << 10
	adminBody  = 2 << 20
	logoBody   = pictureBytes + formBody // a picture and the form around it
	importBody = 50<<20 + formBody       // a file of 50 MB and the form around it
)

// access says who may call a route. Its zero value is nobody, and a route with it stops the program at start.
type access struct {
	kind  accessKind
	role  newsletter.Role
	scope newsletter.Scope
}

type accessKind int

const (
	nobody accessKind = iota
	anybody
	byToken // whoever holds the token in the address: Referrer-Policy no-referrer, path masked in logs
	byAdmin // a session of the desk
	byKey   // Authorization: Bearer
)

// public routes are for everybody.
func public() access { return access{kind: anybody} }

// token routes carry their permission in the address.
func token() access { return access{kind: byToken} }

// admin routes need a session of that role at least.
func admin(r newsletter.Role) access { return access{kind: byAdmin, role: r} }

// key routes need an API key with that scope; "" is any valid key.
func key(s newsletter.Scope) access { return access{kind: byKey, scope: s} }

// siteRoutes are the readers' pages (contract.md, Pages). No GET changes anything but counters.
func (s *server) siteRoutes() []route {
	outside := trait{outside: true}
	text, page := trait{pictures: true}, trait{baked: true}
	bakedText := trait{pictures: true, baked: true}
	routes := []route{
		{"GET", "/", public(), s.home, page},
		{"POST", "/subscribe", public(), s.subscribe, outside},
		{"GET", "/subscribe", public(), s.subscribeForm, page},
		{"GET", "/subscribe/embed", public(), s.embedForm, page},
		{"GET", "/subscribe/sent", public(), s.subscribeSent, trait{}},
		{"GET", "/confirm/:token", token(), s.confirmForm, trait{}},
		{"POST", "/confirm/:token", token(), s.confirm, trait{}},
		{"POST", "/confirm/:token/resend", token(), s.confirmResend, trait{}},

		{"GET", "/u/:token", token(), s.unsubscribeForm, trait{}},
		{"POST", "/u/:token", token(), s.unsubscribe, outside},
		{"POST", "/u/:token/reason", token(), s.unsubscribeReason, outside},
		{"POST", "/u/:token/resubscribe", token(), s.resubscribe, outside},

		{"GET", "/l/:id", token(), s.click, trait{}},
		{"GET", "/o/:id", token(), s.opening, trait{}},

		{"GET", "/me", public(), s.me, trait{}},
		{"POST", "/me", public(), s.meAsk, trait{}},
		{"GET", "/me/:token", token(), s.meToken, trait{}},
		{"POST", "/me/:token", token(), s.meOpen, trait{}},
		{"POST", "/me/:token/pause", token(), s.meTokenPause, trait{}},
		{"POST", "/me/:token/resume", token(), s.meTokenResume, trait{}},
		{"POST", "/me/:token/tracking", token(), s.meTokenTracking, trait{}},
		{"POST", "/me/:token/unsubscribe", token(), s.meTokenUnsubscribe, trait{}},
		{"GET", "/me/export.json", public(), s.meExportJSON, trait{}},
		{"GET", "/me/export.csv", public(), s.meExportCSV, trait{}},
		{"POST", "/me/settings/name", public(), s.meRename, trait{}},
		{"POST", "/me/settings/address", public(), s.meAddress, trait{}},
		{"POST", "/me/settings/ad-consent", public(), s.meAdConsent, trait{}},
		{"POST", "/me/settings/pause", public(), s.mePause, trait{}},
		{"POST", "/me/settings/resume", public(), s.meResume, trait{}},
		{"POST", "/me/settings/unsubscribe", public(), s.meUnsubscribe, trait{}},
		{"POST", "/me/settings/erase", public(), s.meErase, trait{}},
		{"POST", "/me/settings/close", public(), s.meClose, trait{}},

		{"GET", "/articles", public(), s.articles, page},
		{"GET", "/articles/:slug", public(), s.article, bakedText},
		{"POST", "/articles/:slug/comments", public(), s.commentArticle, text},
		{"POST", "/issues/:number/comments", public(), s.commentIssue, text},
		{"GET", "/c/:token", token(), s.ownComment, trait{}},
		{"POST", "/c/:token/confirm", token(), s.confirmComment, trait{}},
		{"POST", "/c/:token/edit", token(), s.editComment, trait{}},
		{"POST", "/c/:token/delete", token(), s.takeBackComment, trait{}},
		{"GET", "/tags/:tag", public(), s.tag, page},
		{"GET", "/tags/:tag/feed.xml", public(), s.rss, trait{}},
		{"GET", "/tags/:tag/atom.xml", public(), s.atom, trait{}},
		{"GET", "/tags/:tag/feed.json", public(), s.jsonFeed, trait{}},
		{"GET", "/search", public(), s.search, trait{}},
		{"GET", "/issues", public(), s.issues, page},
		{"GET", "/issues/:number", public(), s.issue, bakedText},
		{"GET", "/share.png", public(), s.housePicture, trait{}},
		{"GET", "/articles/:slug/share.png", public(), s.articlePicture, trait{}},
		{"GET", "/issues/:number/share.png", public(), s.issuePicture, trait{}},
		{"GET", "/issues/:number/letter", public(), s.letter, trait{framed: true}},
		{"GET", "/issues/:number/share", public(), s.shareIssue, trait{}},
		{"GET", "/f/:token", token(), s.opinionForm, trait{}},
		{"POST", "/f/:token", token(), s.opinion, trait{}},

		{"GET", "/contact", public(), s.contactForm, trait{}},
		{"POST", "/contact", public(), s.contact, trait{}},

		{"GET", "/about", public(), s.about, page},
		{"GET", "/privacy", public(), s.privacy, page},
		{"GET", "/feed.xml", public(), s.rss, trait{}},
		{"GET", "/atom.xml", public(), s.atom, trait{}},
		{"GET", "/feed.json", public(), s.jsonFeed, trait{}},
		{"GET", "/sitemap.xml", public(), s.sitemap, trait{}},
		{"GET", "/robots.txt", public(), s.robots, trait{}},
		{"GET", "/media/:name", public(), s.media, trait{}},
		{"GET", "/preview/:token", token(), s.previewLink, trait{pictures: true}},
		{"GET", "/assets/:hash/*", public(), s.asset, trait{}},
		{"GET", "/covers/:width/:name", public(), s.cover, trait{}},
		{"GET", "/brand/:file", public(), s.brandFile, trait{}},
		{"GET", "/favicon.ico", public(), s.favicon, trait{}},
		{"POST", "/hooks/feedback/:provider/:token", token(), s.feedbackHook, trait{outside: true, body: hookBody}},
		{"GET", "/healthz", public(), s.healthz, trait{}},
		{"GET", "/readyz", public(), s.readyz, trait{}},
	}
	if key := s.opt.IndexNowKey; key != "" {
		routes = append(routes, route{"GET", "/" + key + ".txt", public(), func(c echo.Context) error { return c.String(http.StatusOK, key) }, trait{}})
	}
	return routes
}

// mount puts every route of the house into the registry and under echo, and panics when one of them has no access.
func (s *server) mount(e *echo.Echo) {
	for _, list := range [][]route{s.siteRoutes(), s.mailboxRoutes(), s.adminRoutes(), s.docsRoutes()} {
		for _, r := range list {
			s.declare(r.method, r.path, r.access, r.trait)
			handle := r.handle
			if r.baked {
				handle = s.baked(handle)
			}
			e.Add(r.method, r.path, handle)
		}
	}
	s.mountAPI(e)
	for _, r := range e.Routes() {
		if r.Method != echo.RouteNotFound {
			s.mustAllow(r.Method, r.Path)
		}
	}
}

// mustAllow panics for a route that nobody has given an access.
func (s *server) mustAllow(method, path string) {
	if s.rules[method+" "+path].access.kind == nobody {
		panic(fmt.Sprintf("handlers: %s %s has no access rule", method, path))
	}
}

// declare enters a rule for a route that is put under echo elsewhere (the API's operations). Twice is a mistake.
func (s *server) declare(method, path string, a access, t trait) {
	k := method + " " + path
	if _, twice := s.rules[k]; twice {
		panic("handlers: " + k + " is declared twice")
	}
	s.rules[k] = route{method: method, path: path, access: a, trait: t}
}

// ruleOf finds the registry's line for a request that echo has routed.
func (s *server) ruleOf(c echo.Context) (route, bool) {
	r, ok := s.rules[c.Request().Method+" "+c.Path()]
	return r, ok
}
