package handlers

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// contactView is 제안하기, with what was filled in and what is wrong with it.
type contactView struct {
	Name, Email, Kind, Text string
	Consent                 bool
	Started                 string
	Kinds                   []contactKind
	Faults                  map[string]string
	Summary                 []faultLine
	Sent                    bool
}

type contactKind struct {
	Kind, Label string
	Chosen      bool
}

func (s *server) contactForm(c echo.Context) error {
	v := contactView{Started: stampHole, Sent: c.QueryParam("sent") == "1"}
	return s.showContact(c, http.StatusOK, v)
}

func (s *server) showContact(c echo.Context, status int, v contactView) error {
	for _, k := range newsletter.ProposalKinds {
		v.Kinds = append(v.Kinds, contactKind{string(k.Kind), k.Label, string(k.Kind) == v.Kind})
	}
	title := "제안하기"
	if v.Sent {
		title = "제안을 보냈어요"
	}
	c.Response().Header().Set("Cache-Control", "no-store") // the form's moment is this reader's
	return s.page(c, status, "site/contact", templates.Page{
		Title: title, Description: "마케팅, 강연, 출판, 프로젝트를 제안해 주세요.", Canonical: s.baseURL + "/contact",
		NoIndex: v.Sent || status != http.StatusOK, Body: v,
	})
}

// contact takes a proposal. Whatever is refused, the page comes back with every word that was typed.
func (s *server) contact(c echo.Context) error {
	v := contactView{
		Name: strings.TrimSpace(c.FormValue("name")), Email: strings.TrimSpace(c.FormValue("email")), Kind: c.FormValue("kind"),
		Text: c.FormValue("body"), Consent: ticked(c, "consent"), Started: c.FormValue("started"),
	}
	if c.FormValue(honeypot) != "" {
		return c.Redirect(http.StatusSeeOther, "/contact?sent=1") // a robot learns nothing
	}
	took, ours := s.filled(v.Started)
	if !ours {
		v.Started = s.stamp(s.now())
	}
	if !ours || took < minFill {
		return s.refuseContact(c, v, &newsletter.Error{Kind: newsletter.Invalid, Msg: "너무 빨리 보내졌거나 오래된 페이지예요. 보내기를 한 번 더 눌러 주세요."})
	}
	_, err := s.svc.Propose(c.Request().Context(), newsletter.NewProposal{
		Kind: v.Kind, Name: v.Name, Email: v.Email, Body: v.Text, Consent: v.Consent, IP: c.RealIP(),
	})
	switch newsletter.KindOf(err) {
	case newsletter.None:
		return c.Redirect(http.StatusSeeOther, "/contact?sent=1")
	case newsletter.Invalid, newsletter.TooMany:
		return s.refuseContact(c, v, err)
	}
	return err
}

func (s *server) refuseContact(c echo.Context, v contactView, err error) error {
	if wantsJSON(c) {
		return err
	}
	v.Faults = map[string]string{}
	faults := newsletter.FaultsOf(err)
	status := http.StatusUnprocessableEntity
	if newsletter.KindOf(err) == newsletter.TooMany {
		f := faultOf(err)
		status, faults = f.status, []*newsletter.Error{{Msg: f.detail}}
		c.Response().Header().Set("Retry-After", itoa(retryAfter(err)))
	}
	for _, e := range faults {
		field := e.Field
		if field == "" {
			field = "submit"
		}
		v.Faults[field] = e.Msg
		v.Summary = append(v.Summary, faultLine{field, e.Msg})
	}
	return s.showContact(c, status, v)
}
