package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

const (
	adminKey   = "admin"
	sessionKey = "session"
	apiKeyKey  = "api_key"
)

const (
	sessionCookie = "session" // of the desk
	writerCookie  = "writer"  // of a browser whose comments' address is proved
	meCookie      = "me"      // of a reader's own page, 30 minutes
)

// identify finds out who asks and whether the route is theirs.
func (s *server) identify(c echo.Context, a access) error {
	switch a.kind {
	case anybody, byToken:
		return nil
	case byAdmin:
		return s.identifyAdmin(c, a.role)
	case byKey:
		return s.identifyKey(c, a.scope)
	}
	return &newsletter.Error{Kind: newsletter.NotFound}
}

func (s *server) identifyAdmin(c echo.Context, role newsletter.Role) error {
	who, session, err := s.svc.Authenticate(c.Request().Context(), s.readCookie(c, sessionCookie))
	if err != nil {
		return err
	}
	if role == newsletter.Owner && who.Role != newsletter.Owner {
		return &newsletter.Error{Kind: newsletter.Forbidden, Msg: "소유자만 할 수 있는 일이에요."}
	}
	c.Set(adminKey, who)
	c.Set(sessionKey, session)
	return nil
}

func (s *server) identifyKey(c echo.Context, scope newsletter.Scope) error {
	kind, plain, _ := strings.Cut(c.Request().Header.Get(echo.HeaderAuthorization), " ")
	if !strings.EqualFold(kind, "Bearer") || plain == "" {
		return &newsletter.Error{Kind: newsletter.Unauthorized, Msg: "API 키가 필요해요. Authorization: Bearer 헤더에 넣어 주세요."}
	}
	k, err := s.svc.AuthenticateKey(c.Request().Context(), strings.TrimSpace(plain))
	if err != nil {
		return err
	}
	if scope != "" && !k.Allows(scope) {
		return &newsletter.Error{Kind: newsletter.Forbidden, Code: "scope", Msg: fmt.Sprintf("이 키에는 %s 권한이 없어요.", scope)}
	}
	c.Set(apiKeyKey, k)
	return nil
}

// adminOf is who is signed in, on routes for admins.
func adminOf(c echo.Context) newsletter.Admin {
	a, _ := c.Get(adminKey).(newsletter.Admin)
	return a
}

// apiKeyOf is the key of an API call.
func apiKeyOf(c echo.Context) newsletter.APIKey {
	k, _ := c.Get(apiKeyKey).(newsletter.APIKey)
	return k
}

// actorOf names who acts, for the audit trail.
func actorOf(c echo.Context) string {
	if k, ok := c.Get(apiKeyKey).(newsletter.APIKey); ok {
		return fmt.Sprintf("key:%d", k.ID)
	}
	if a, ok := c.Get(adminKey).(newsletter.Admin); ok {
		return fmt.Sprintf("admin:%d", a.ID)
	}
	return "anonymous"
}

// cookieName adds the prefix that ties a cookie to this host and to https (S04). On a loopback http base URL there is
// neither prefix nor Secure, since WebKit drops such cookies there.
func (s *server) cookieName(name string) string {
	if s.secure {
		return "__Host-" + name
	}
	return name
}

// setCookie stores a value in the browser for life; 0 drops it.
func (s *server) setCookie(c echo.Context, name, value string, life time.Duration, same http.SameSite) {
	age := int(life.Seconds())
	if age == 0 {
		age = -1
	}
	c.SetCookie(&http.Cookie{
		Name: s.cookieName(name), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: s.secure, SameSite: same,
	})
}

func (s *server) readCookie(c echo.Context, name string) string {
	k, err := c.Cookie(s.cookieName(name))
	if err != nil {
		return ""
	}
	return k.Value
}

// redirectToLogin brings a person back to where they were after signing in.
func (s *server) redirectToLogin(c echo.Context) {
	to := "/admin/login"
	if uri := c.Request().URL.RequestURI(); uri != "/admin" && uri != "/admin/" {
		to += "?next=" + url.QueryEscape(uri)
	}
	_ = c.Redirect(http.StatusSeeOther, to)
}

// localPath is a path on this site, for redirects named in a form; anything else becomes fallback (S30).
func localPath(raw, fallback string) string {
	if !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") || strings.ContainsAny(raw, "\\\t\r\n") {
		return fallback
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host != "" || u.Scheme != "" {
		return fallback
	}
	return raw
}
