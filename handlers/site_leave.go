package handlers

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

type leaveView struct {
	Token     string
	Masked    string
	Left      bool
	At        time.Time
	Again     bool // a confirmation is on its way
	Reasoned  bool
	Reasons   []string
	ReasonBad string
	Reason    string
}

// leaveReasons are offered as one-tap answers, after the wish was done and never before (정보통신망법 §50⑤).
var leaveReasons = []string{"메일이 너무 자주 와요", "내용이 저와 맞지 않아요", "다른 주소로 받을게요", "신청한 적이 없어요"}

// unsubscribeForm shows a button and changes nothing.
func (s *server) unsubscribeForm(c echo.Context) error {
	v, err := s.svc.UnsubscribeView(c.Request().Context(), c.Param("token"))
	if err != nil {
		return s.leaveBadToken(c, err)
	}
	return s.page(c, http.StatusOK, "site/unsubscribe", private("수신거부", s.leaveView(c, v)))
}

func (s *server) leaveView(c echo.Context, v newsletter.LeaverView) leaveView {
	return leaveView{
		Token: c.Param("token"), Masked: v.Masked, Left: v.Status == newsletter.Unsubscribed, At: v.At, Reasons: leaveReasons,
	}
}

// leaveBadToken offers the other way to leave when a link was cut or mistyped.
func (s *server) leaveBadToken(c echo.Context, err error) error {
	k := newsletter.KindOf(err)
	if (k != newsletter.NotFound && k != newsletter.Gone) || wantsJSON(c) {
		return err
	}
	v := meAskView{Lead: faultOf(err).detail, Broken: true}
	return s.page(c, faultOf(err).status, "site/me_ask", private("링크를 확인해 주세요", v))
}

// unsubscribe takes a person's form and RFC 8058's one-click POST alike: 200, no redirect, no cookie, whatever the
// body's encoding. A body that cannot be read does not stand in the way of the wish.
func (s *server) unsubscribe(c echo.Context) error {
	via := "page"
	oneClick := strings.EqualFold(c.FormValue("List-Unsubscribe"), "One-Click")
	if oneClick {
		via = "one-click"
	}
	v, err := s.svc.Unsubscribe(c.Request().Context(), c.Param("token"), via, c.RealIP())
	if err != nil {
		return s.leaveBadToken(c, err)
	}
	if oneClick {
		return c.String(http.StatusOK, "unsubscribed\n")
	}
	return s.page(c, http.StatusOK, "site/unsubscribe", private("수신거부가 처리됐어요", s.leaveView(c, v)))
}

func (s *server) unsubscribeReason(c echo.Context) error {
	ctx, token := c.Request().Context(), c.Param("token")
	reason := c.FormValue("reason")
	if own := strings.TrimSpace(c.FormValue("reason_text")); own != "" {
		reason = own
	}
	saveErr := s.svc.UnsubscribeReason(ctx, token, reason)
	if saveErr != nil && newsletter.KindOf(saveErr) != newsletter.Invalid {
		return s.leaveBadToken(c, saveErr)
	}
	v, err := s.svc.UnsubscribeView(ctx, token)
	if err != nil {
		return s.leaveBadToken(c, err)
	}
	view := s.leaveView(c, v)
	if saveErr != nil {
		view.ReasonBad, view.Reason = faultOf(saveErr).detail, reason
		return s.page(c, http.StatusUnprocessableEntity, "site/unsubscribe", private("수신거부", view))
	}
	view.Reasoned = true
	return s.page(c, http.StatusOK, "site/unsubscribe", private("의견을 보내 주셔서 고마워요", view))
}

// resubscribe mails a confirmation: whoever holds a forwarded letter must not bring somebody back.
func (s *server) resubscribe(c echo.Context) error {
	ctx, token := c.Request().Context(), c.Param("token")
	if err := s.svc.Resubscribe(ctx, token, c.RealIP()); err != nil {
		return s.leaveBadToken(c, err)
	}
	v, err := s.svc.UnsubscribeView(ctx, token)
	if err != nil {
		return s.leaveBadToken(c, err)
	}
	view := s.leaveView(c, v)
	view.Again = true
	return s.page(c, http.StatusOK, "site/unsubscribe", private("확인 메일을 보냈어요", view))
}
