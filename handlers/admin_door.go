package handlers

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// sessionLife is how long the browser keeps the cookie; the session itself may end earlier (S06).
const sessionLife = 14 * 24 * time.Hour

// doorView is the one page of signing in, setting up and entering the demo.
type doorView struct {
	Heading, Text, Fault, Action, Button string
	Token, Next, Email, Autocomplete     string
	AsksPassword                         bool
}

func (s *server) door(c echo.Context, status int, v doorView) error {
	return s.page(c, status, "admin/door", templates.Page{Title: v.Heading, NoIndex: true, Private: true, Body: v})
}

func loginView(c echo.Context) doorView {
	next := c.QueryParam("next")
	if c.Request().Method == http.MethodPost {
		next = c.FormValue("next")
	}
	return doorView{
		Heading: "로그인", Action: "/admin/login", Button: "로그인", AsksPassword: true, Autocomplete: "current-password",
		Next: localPath(next, ""), Email: c.FormValue("email"),
	}
}

func (s *server) loginForm(c echo.Context) error { return s.door(c, http.StatusOK, loginView(c)) }

// login answers a wrong password and an unknown account alike (S11).
func (s *server) login(c echo.Context) error {
	token, _, err := s.svc.Login(c.Request().Context(), c.FormValue("email"), c.FormValue("password"), c.RealIP(), c.Request().UserAgent())
	switch f := faultOf(err); newsletter.KindOf(err) {
	case newsletter.None:
		return s.letIn(c, token, localPath(c.FormValue("next"), "/admin"))
	case newsletter.Unauthorized, newsletter.TooMany, newsletter.Invalid:
		v := loginView(c)
		v.Fault = f.detail
		return s.door(c, f.status, v)
	default:
		return err
	}
}

// letIn gives the browser its new session. One that it brought along is over (S03).
func (s *server) letIn(c echo.Context, token, to string) error {
	if old := s.readCookie(c, sessionCookie); old != "" {
		if err := s.svc.Logout(c.Request().Context(), old, "anonymous"); err != nil {
			return err
		}
	}
	s.setCookie(c, sessionCookie, token, sessionLife, http.SameSiteLaxMode)
	return c.Redirect(http.StatusSeeOther, to)
}

func setupView(token string) doorView {
	return doorView{
		Heading: "첫 관리자 만들기", Text: "이 링크는 30분 동안, 첫 관리자가 생길 때까지만 쓸 수 있어요. 비밀번호는 15자 이상을 권해요.",
		Action: "/admin/setup", Button: "만들기", Token: token, AsksPassword: true, Autocomplete: "new-password",
	}
}

func (s *server) setupForm(c echo.Context) error {
	return s.door(c, http.StatusOK, setupView(c.QueryParam("t")))
}

func (s *server) setup(c echo.Context) error {
	ctx, email, password := c.Request().Context(), c.FormValue("email"), c.FormValue("password")
	_, err := s.svc.CompleteSetup(ctx, c.FormValue("t"), email, password, c.RealIP())
	if newsletter.KindOf(err) == newsletter.Invalid {
		v := setupView(c.FormValue("t"))
		v.Fault, v.Email = newsletter.FaultsOf(err)[0].Msg, email
		return s.door(c, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	token, _, err := s.svc.Login(ctx, email, password, c.RealIP(), c.Request().UserAgent())
	if err != nil {
		return err
	}
	return s.letIn(c, token, "/admin")
}

// enterForm is the demo's way in: one button, so that nothing is changed by opening the link.
func (s *server) enterForm(c echo.Context) error {
	return s.door(c, http.StatusOK, doorView{
		Heading: "관리 화면 열기", Text: "단추를 누르면 데모의 관리자로 로그인해요.", Action: "/admin/enter", Button: "들어가기", Token: c.QueryParam("t"),
	})
}

func (s *server) enter(c echo.Context) error {
	token, _, err := s.svc.Enter(c.Request().Context(), c.FormValue("t"), c.RealIP(), c.Request().UserAgent())
	if err != nil {
		return err
	}
	return s.letIn(c, token, "/admin")
}

func (s *server) logout(c echo.Context) error {
	if err := s.svc.Logout(c.Request().Context(), s.readCookie(c, sessionCookie), actorOf(c)); err != nil {
		return err
	}
	s.setCookie(c, sessionCookie, "", 0, http.SameSiteLaxMode)
	return c.Redirect(http.StatusSeeOther, "/admin/login")
}
