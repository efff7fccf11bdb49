package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// opinionView is the page behind 좋았어요 and 아쉬워요. It shows nothing of the reader: letters are forwarded.
type opinionView struct {
	Token, Number, Subject string
	Issue                  string // address of the issue's page
	Good, Bad              bool   // what the link said, or what was counted
	Counted                bool
	Fault                  string
}

// opinionForm shows the buttons and counts nothing: link scanners open every link in a letter.
func (s *server) opinionForm(c echo.Context) error {
	v, err := s.svc.OpinionView(c.Request().Context(), c.Param("token"))
	if err != nil {
		return err
	}
	return s.showOpinion(c, http.StatusOK, opinionOf(c, v, c.QueryParam("v")))
}

func opinionOf(c echo.Context, v newsletter.OpinionView, verdict string) opinionView {
	return opinionView{
		Token: c.Param("token"), Number: itoa(v.Number), Subject: v.Subject, Issue: issuePath(v.Number),
		Good: verdict == newsletter.OpinionGood, Bad: verdict == newsletter.OpinionBad,
	}
}

func (s *server) showOpinion(c echo.Context, status int, v opinionView) error {
	title := v.Number + "호 어떠셨나요?"
	if v.Counted {
		title = "의견을 보내 주셔서 고마워요"
	}
	return s.page(c, status, "site/opinion", private(title, v))
}

// opinion counts, once per reader and issue.
func (s *server) opinion(c echo.Context) error {
	ctx, token, verdict := c.Request().Context(), c.Param("token"), c.FormValue("v")
	v, err := s.svc.GiveOpinion(ctx, token, verdict)
	if newsletter.KindOf(err) == newsletter.Invalid && !wantsJSON(c) {
		seen, viewErr := s.svc.OpinionView(ctx, token)
		if viewErr != nil {
			return viewErr
		}
		view := opinionOf(c, seen, "")
		view.Fault = faultOf(err).detail
		return s.showOpinion(c, http.StatusUnprocessableEntity, view)
	}
	if err != nil {
		return err
	}
	view := opinionOf(c, v, verdict)
	view.Counted = true
	return s.showOpinion(c, http.StatusOK, view)
}
