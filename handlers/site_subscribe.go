package handlers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// signupView is the sign-up form, with what was filled in and what is wrong with it. Every page that carries the
// form has one as its Form.
type signupView struct {
	ID                 string // makes ids unique when a page has two forms
	Email, Name        string
	Consent, Ad, Age14 bool
	Started            string // signed moment at which the form was shown
	Source             string // where the form stands, or the link said that it comes from
	Kept               bool   // asked about the domain and answered: as it is
	Faults             map[string]string
	Summary            []faultLine
}

// faultLine is a line of the error summary that leads to its field.
type faultLine struct{ Field, Text string }

const (
	// honeypot is the field that people do not see and robots fill in.
	honeypot = "website"
	// minFill is the shortest time in which a person fills the form in, password managers included.
	minFill = time.Second
	// maxFill is how long a form that was left open is still ours.
	maxFill = 24 * time.Hour
)

func (s *server) newSignup() signupView {
	return signupView{ID: "signup", Started: stampHole}
}

// from names where a form stands, for the editor's figures of what brings readers.
func (v signupView) from(source string) signupView {
	v.Source = source
	return v
}

const maxSource = 60

// cleanSource keeps letters, digits and a few signs of what a link or a form says of itself; "form" when nothing is left.
func cleanSource(raw string) string {
	s := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.:/", r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(raw, ""))
	if r := []rune(s); len(r) > maxSource {
		s = string(r[:maxSource])
	}
	if s == "" {
		return "form"
	}
	return s
}

// subscribeForm is the form on a page of its own, for links that lead nowhere else.
func (s *server) subscribeForm(c echo.Context) error {
	source := "subscribe"
	if from := c.QueryParam("from"); from != "" {
		source = cleanSource(from)
	}
	issues, _, err := s.svc.Issues(c.Request().Context(), newsletter.IssueFilter{Public: true, Limit: 1})
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "site/subscribe", templates.Page{
		Title: "구독하기", Description: "다음 호부터 메일로 받아 보세요.", Canonical: s.baseURL + "/subscribe",
		Body: map[string]any{"Form": s.newSignup().from(source), "Issues": issueCards(issues)},
	})
}

const embedSnippet = `<form method="post" action="%[1]s/subscribe">
  <p><label>이메일 <input name="email" type="email" inputmode="email" autocomplete="email" required maxlength="320"></label></p>
  <p><label>이름/회사명(선택) <input name="name" autocomplete="name" maxlength="64"></label></p>
  <p><label><input name="consent" type="checkbox" value="on" required> <a href="%[1]s/privacy">개인정보 수집·이용</a>에 동의해요(필수)</label></p>
  <p><label><input name="age14" type="checkbox" value="on" required> 만 14세 이상이에요(필수)</label></p>
  <p><label><input name="ad_consent" type="checkbox" value="on"> 광고성 정보도 받을게요(선택)</label></p>
  <p hidden><label>비워 두세요 <input name="website" tabindex="-1" autocomplete="off"></label></p>
  <input name="source" type="hidden" value="내-블로그">
  <p><button>구독하기</button></p>
</form>`

// embedForm is the form as HTML to be pasted into another site. It carries no moment, so its limits are the tighter ones.
func (s *server) embedForm(c echo.Context) error {
	return s.page(c, http.StatusOK, "site/embed", templates.Page{
		Title: "다른 곳에 구독 폼 달기", NoIndex: true, Body: map[string]string{"Snippet": fmt.Sprintf(embedSnippet, s.baseURL)},
	})
}

// subscribe takes a sign-up by form or JSON. Every valid address gets the same answer, whoever it belongs to.
func (s *server) subscribe(c echo.Context) error {
	if strings.HasPrefix(c.Request().Header.Get(echo.HeaderContentType), echo.MIMEApplicationJSON) {
		return s.subscribeJSON(c)
	}
	f := signupView{
		ID: "signup", Email: strings.TrimSpace(c.FormValue("email")), Name: strings.TrimSpace(c.FormValue("name")),
		Consent: ticked(c, "consent"), Ad: ticked(c, "ad_consent"), Age14: ticked(c, "age14"), Started: c.FormValue("started"),
		Source: cleanSource(c.FormValue("source")),
	}
	f.Kept = c.FormValue("keep") == f.Email
	if c.FormValue(honeypot) != "" {
		return s.sent(c, f) // a robot learns nothing either
	}
	wish := newsletter.Signup{
		Email: f.Email, Name: f.Name, Consent: f.Consent, AdConsent: f.Ad, Age14: f.Age14,
		IP: c.RealIP(), Form: newsletter.FormSite, Source: f.Source,
	}
	switch took, ok := s.filled(f.Started); {
	case !ok:
		wish.Form, f.Started = newsletter.FormEmbed, s.stamp(s.now())
	case took < minFill:
		return s.refuseSignup(c, f, &newsletter.Error{Kind: newsletter.Invalid, Msg: "너무 빨리 보내졌어요. 구독하기를 한 번 더 눌러 주세요."})
	}
	if hint := hintOf(f.Email); hint != "" && wish.Form == newsletter.FormSite && wish.Check() == nil && !f.Kept {
		return s.askAboutDomain(c, f, hint)
	}
	err := s.svc.Subscribe(c.Request().Context(), wish)
	switch newsletter.KindOf(err) {
	case newsletter.None:
		return s.sent(c, f)
	case newsletter.Invalid:
		return s.refuseSignup(c, f, err)
	}
	return err
}

// hintOf is the address that somebody probably meant, "" when there is nothing to ask. It looks at the words alone.
func hintOf(email string) string {
	addr, err := newsletter.ParseAddress(email)
	if err != nil {
		return ""
	}
	if domain, ok := newsletter.SuggestDomain(addr); ok {
		return addr.Local() + "@" + domain
	}
	return ""
}

// hintView asks whether a mistyped address was meant, before a letter goes to somebody else.
type hintView struct {
	Again      signupView
	Suggestion string
}

// askAboutDomain asks once: whichever button is pressed, the next request is a sign-up like any other. Forms on other
// sites and JSON are answered at once, and the page behind them asks.
func (s *server) askAboutDomain(c echo.Context, f signupView, hint string) error {
	if wantsJSON(c) {
		return &newsletter.Error{Kind: newsletter.Invalid, Field: "email", Code: "hint", Msg: "혹시 " + hint + " 인가요?"}
	}
	return s.page(c, http.StatusUnprocessableEntity, "site/hint", templates.Page{
		Title: "주소를 한 번 더 확인해 주세요", NoIndex: true, Private: true, Body: hintView{f, hint},
	})
}

// ticked reads a check box: contract.md says "on"; forms elsewhere may say 1 or true.
func ticked(c echo.Context, name string) bool { return truthy(c.FormValue(name)) }

func truthy(v string) bool {
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "on", "1", "true", "yes", "y":
		return true
	}
	return false
}

// tick is a check box in JSON: a boolean, or what a form would have sent.
type tick bool

func (t *tick) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	*t = tick(truthy(text))
	return nil
}

func (s *server) subscribeJSON(c echo.Context) error {
	var in struct {
		Email    string `json:"email"`
		Name     string `json:"name"`
		Consent  tick   `json:"consent"`
		Ad       tick   `json:"ad_consent"`
		Age14    tick   `json:"age14"`
		Source   string `json:"source"`
		Honeypot string `json:"website"`
	}
	if err := json.NewDecoder(c.Request().Body).Decode(&in); err != nil {
		var tooBig *http.MaxBytesError
		if errors.As(err, &tooBig) {
			return err
		}
		return echo.NewHTTPError(http.StatusBadRequest)
	}
	answer := map[string]string{"status": "sent"}
	if hint := hintOf(in.Email); hint != "" {
		answer["hint"] = hint
	}
	if in.Honeypot == "" {
		err := s.svc.Subscribe(c.Request().Context(), newsletter.Signup{
			Email: in.Email, Name: in.Name, Consent: bool(in.Consent), AdConsent: bool(in.Ad), Age14: bool(in.Age14),
			IP: c.RealIP(), Form: newsletter.FormJSON, Source: cleanSource(in.Source),
		})
		if err != nil {
			return err
		}
	}
	return c.JSON(http.StatusAccepted, answer)
}

// refuseSignup shows the form again with what was filled in. The summary names each fault and leads to its field.
func (s *server) refuseSignup(c echo.Context, f signupView, err error) error {
	if wantsJSON(c) {
		return err
	}
	f.Faults = map[string]string{}
	for _, e := range newsletter.FaultsOf(err) {
		field := e.Field
		if _, known := map[string]bool{"email": true, "name": true, "consent": true, "age14": true, "ad_consent": true}[field]; !known {
			field = "submit"
		}
		f.Faults[field] = e.Msg
		f.Summary = append(f.Summary, faultLine{field, e.Msg})
	}
	return s.page(c, http.StatusUnprocessableEntity, "site/subscribe", templates.Page{
		Title: "입력을 확인해 주세요", NoIndex: true, Body: map[string]any{"Form": f},
	})
}

// stamp signs the moment at which a form is shown.
func (s *server) stamp(t time.Time) string {
	at := strconv.FormatInt(t.UnixMilli(), 36)
	return at + "." + s.seal(at)
}

// filled tells how long ago a form was shown. ok is false for a form that is not ours, or too old.
func (s *server) filled(stamp string) (took time.Duration, ok bool) {
	at, mac, _ := strings.Cut(stamp, ".")
	if !hmac.Equal([]byte(mac), []byte(s.seal(at))) {
		return 0, false
	}
	ms, err := strconv.ParseInt(at, 36, 64)
	if err != nil {
		return 0, false
	}
	took = s.now().Sub(time.UnixMilli(ms))
	return took, took >= 0 && took < maxFill
}

func (s *server) seal(text string) string {
	mac := hmac.New(sha256.New, s.opt.FormKey)
	mac.Write([]byte("form " + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
