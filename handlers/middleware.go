package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"techissue/newsletter"
)

// middleware is everything between the listener and a handler, in order. echo has routed the request before it.
func (s *server) middleware() []echo.MiddlewareFunc {
	return []echo.MiddlewareFunc{
		giveRequestID,
		s.logRequest,
		s.secureHeaders,
		s.recoverPanic,
		s.compress(),
		s.limits,
		s.authorize, // the registry: what it does not list does not exist
		s.replay,    // behind it, since an Idempotency-Key belongs to an API key
	}
}

type headKey struct{}

// outermost answers HEAD as GET without a body, and refuses what no route of ours speaks.
func outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodHead:
			r = r.WithContext(context.WithValue(r.Context(), headKey{}, true))
			r.Method = http.MethodGet
			next.ServeHTTP(bodyless{w}, r)
		case http.MethodTrace, http.MethodConnect:
			w.WriteHeader(http.StatusMethodNotAllowed)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// bodyless swallows the body of an answer to HEAD.
type bodyless struct{ http.ResponseWriter }

func (b bodyless) Write(p []byte) (int, error) { return len(p), nil }
func (b bodyless) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// isHead tells that the answer will have no body: nothing is counted and no stream is opened.
func isHead(c echo.Context) bool { return c.Request().Context().Value(headKey{}) != nil }

const requestIDHeader = "X-Request-Id"

// giveRequestID names the request, always by ourselves: an id from outside would be written into our log.
func giveRequestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(requestIDHeader, newsletter.Random(10))
		return next(c)
	}
}

func requestID(c echo.Context) string { return c.Response().Header().Get(requestIDHeader) }

// logRequest writes one line a request. It answers errors itself, so that the line has the real status.
func (s *server) logRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		begin := s.now()
		if err := next(c); err != nil {
			s.answerError(err, c)
		}
		level := slog.LevelInfo
		if strings.HasPrefix(c.Path(), "/assets/") || c.Path() == "/healthz" || c.Path() == "/readyz" {
			level = slog.LevelDebug
		}
		r := c.Request()
		s.log.LogAttrs(r.Context(), level, "request",
			slog.String("request", requestID(c)), slog.String("method", r.Method), slog.String("path", maskPath(r.URL.Path)),
			slog.Int("status", c.Response().Status), slog.Int64("bytes", c.Response().Size),
			slog.Duration("took", s.now().Sub(begin)))
		if s.opt.Observe != nil {
			s.opt.Observe(routeOf(c), r.Method, c.Response().Status, s.now().Sub(begin))
		}
		return nil
	}
}

// routeOf is the pattern of a request's route, "none" where there is no such page: what strangers type makes no series.
func routeOf(c echo.Context) string {
	if r := c.Path(); r != "" {
		return r
	}
	return "none"
}

// secretPaths begin addresses that carry a token: the log keeps what follows out (S45). Queries are never logged.
var secretPaths = []string{"/u/", "/confirm/", "/me/", "/f/", "/l/", "/o/", "/c/", "/hooks/", "/preview/", "/admin/enter/", "/admin/setup/", "/admin/reset/"}

func maskPath(p string) string {
	for _, secret := range secretPaths {
		if strings.HasPrefix(p, secret) {
			return secret + "…"
		}
	}
	return p
}

// S22: no inline script or style anywhere on our pages.
const (
	strictCSP = "default-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	// Letters carry their style inline. The sandbox takes scripts, forms and our origin away from them; links may open.
	letterCSP = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' https: data:; object-src 'none'; base-uri 'none'; form-action 'none'; " +
		"frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)

func (s *server) secureHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	hsts := strings.HasPrefix(s.baseURL, "https://")
	return func(c echo.Context) error {
		rule, known := s.ruleOf(c)
		h := c.Response().Header()
		csp := strictCSP
		switch {
		case rule.framed:
			csp = letterCSP
		case rule.pictures:
			csp += "; img-src 'self' https: data:"
		}
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()")
		h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
		mistyped := !known && maskPath(c.Request().URL.Path) != c.Request().URL.Path
		if rule.access.kind == byToken || mistyped {
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cache-Control", "no-store")
			h.Set("X-Robots-Tag", "noindex")
		}
		if rule.access.kind == byAdmin || rule.access.kind == byKey || atDesk(c) {
			h.Set("Cache-Control", "no-store")
			h.Set("X-Robots-Tag", "noindex")
		}
		if hsts {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		return next(c)
	}
}

// recoverPanic turns a panic into a 500. An aborted handler stays one.
func (s *server) recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			stack := make([]byte, 8<<10)
			stack = stack[:runtime.Stack(stack, false)]
			err = fmt.Errorf("panic: %v\n%s", v, stack)
		}()
		return next(c)
	}
}

func (s *server) compress() echo.MiddlewareFunc {
	return middleware.GzipWithConfig(middleware.GzipConfig{
		MinLength: 1024,
		Skipper: func(c echo.Context) bool {
			rule, _ := s.ruleOf(c)
			return rule.stream || rule.baked || isHead(c) || strings.HasPrefix(c.Path(), "/assets/") || strings.HasPrefix(c.Path(), "/covers/") || strings.HasSuffix(c.Request().URL.Path, ".png")
		},
	})
}

const requestTime = 30 * time.Second

// limits bounds the body and the time of a request as its route says.
func (s *server) limits(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		rule, _ := s.ruleOf(c)
		r := c.Request()
		size := rule.body
		if size == 0 {
			size = formBody
		}
		if r.ContentLength > size {
			c.Response().Header().Set("Connection", "close")
			return &http.MaxBytesError{Limit: size}
		}
		if r.Body != nil {
			r.Body = http.MaxBytesReader(c.Response(), r.Body, size)
		}
		if r.ContentLength < 0 {
			// A form whose length nobody told is read here: echo's FormValue hides that it was cut off, and the page would
			// say that every field is empty. ParseForm leaves a multipart body alone.
			var tooBig *http.MaxBytesError
			if err := r.ParseForm(); errors.As(err, &tooBig) {
				return err
			}
		}
		control := http.NewResponseController(c.Response())
		switch {
		case rule.stream:
			_ = control.SetWriteDeadline(time.Time{}) // not every writer has one: tests record
			return next(c)
		case size > adminBody: // a slow line needs more than 30 s for 50 MB
			_ = control.SetReadDeadline(time.Time{})
			_ = control.SetWriteDeadline(time.Time{})
			return next(c)
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		c.SetRequest(r.WithContext(ctx))
		return next(c)
	}
}

// authorize asks the registry who may call the route that echo found. No line, no route.
func (s *server) authorize(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		rule, ok := s.ruleOf(c)
		if !ok {
			if allow, _ := c.Get(echo.ContextKeyHeaderAllow).(string); allow != "" {
				c.Response().Header().Set(echo.HeaderAllow, allow)
				return echo.ErrMethodNotAllowed
			}
			return echo.ErrNotFound
		}
		if err := s.sameSite(c, rule); err != nil {
			return err
		}
		if err := s.identify(c, rule.access); err != nil {
			return err
		}
		return next(c)
	}
}

// sameSite is the CSRF protection of every unsafe route that acts on a cookie (S13). API keys travel in a
// header that no foreign page can set.
func (s *server) sameSite(c echo.Context, rule route) error {
	r := c.Request()
	if rule.outside || rule.access.kind == byKey {
		return nil
	}
	// A page with Referrer-Policy no-referrer posts with "Origin: null" (Fetch, "append a request Origin header"), and a
	// browser on plain http sends no Sec-Fetch-Site. The permission is the token in the address, so nothing is lost.
	if rule.access.kind == byToken && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null" {
		return nil
	}
	if err := s.crossSite.Check(r); err != nil {
		return &newsletter.Error{
			Kind: newsletter.Forbidden, Code: "cross_origin", Err: err,
			Msg: "다른 사이트에서 보낸 요청이라 받지 않았어요. 이 사이트의 페이지를 열어 다시 해 주세요.",
		}
	}
	return nil
}

// ipExtractor believes X-Forwarded-For only as far as it was written by the named proxies (S32).
func ipExtractor(proxies []netip.Prefix) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		p = p.Masked()
		trust = append(trust, echo.TrustIPRange(&net.IPNet{
			IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(trust...)
}
