package handlers

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

type confirmView struct {
	Token  string
	Masked string
	Old    bool // expired or used: offer a new letter
	Used   bool
	Gone   bool // the sign-up itself was removed: begin anew
	Mailed bool // the new letter is on its way
}

// confirmForm shows a button: link scanners open every link in a letter (S28).
func (s *server) confirmForm(c echo.Context) error {
	token := c.Param("token")
	v, err := s.svc.ConfirmView(c.Request().Context(), token)
	if newsletter.KindOf(err) == newsletter.Gone {
		return s.confirmGone(c, err)
	}
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "site/confirm", private("구독 확인", confirmView{Token: token, Masked: v.Masked}))
}

// private is a page that belongs to whoever holds a link.
func private(title string, body any) templates.Page {
	return templates.Page{Title: title, NoIndex: true, Private: true, Body: body}
}

func (s *server) confirmGone(c echo.Context, err error) error {
	if wantsJSON(c) {
		return err
	}
	v := confirmView{Token: c.Param("token"), Old: true, Used: faultOf(err).code == "used", Gone: faultOf(err).code == "removed"}
	title := "링크가 만료됐어요"
	if v.Used {
		title = "이미 사용한 링크예요"
	}
	return s.page(c, http.StatusGone, "site/confirm", private(title, v))
}

type confirmedView struct {
	Name     string
	Honorary string // 재훈님, or 독자님
	At       time.Time
	Ad       bool
	AdAt     time.Time
	Address  bool // a new address was proved, not a subscription
	Masked   string
	Issues   []issueCard
}

// confirm is the second half of the double opt-in.
func (s *server) confirm(c echo.Context) error {
	ctx := c.Request().Context()
	sub, err := s.svc.Confirm(ctx, c.Param("token"), c.RealIP())
	if newsletter.KindOf(err) == newsletter.Gone {
		return s.confirmGone(c, err)
	}
	if err != nil {
		return err
	}
	issues, _, err := s.svc.Issues(ctx, newsletter.IssueFilter{Public: true, Limit: 3})
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "site/confirmed", private("구독이 시작됐어요", confirmedView{
		Name: sub.Name, Honorary: newsletter.Honorific(sub.Name), At: sub.ConsentAt, Ad: sub.AdConsent, AdAt: sub.AdConsentAt,
		Masked: sub.Email.Masked(), Issues: issueCards(issues),
	}))
}

// confirmResend mails a new link to the reader of an expired one. The answer is the same for all.
func (s *server) confirmResend(c echo.Context) error {
	err := s.svc.ResendConfirmation(c.Request().Context(), c.Param("token"), c.RealIP())
	if newsletter.KindOf(err) == newsletter.Gone {
		return s.confirmGone(c, err)
	}
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "site/confirm", private("새 확인 메일을 보냈어요", confirmView{Mailed: true}))
}
