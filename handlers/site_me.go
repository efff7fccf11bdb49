package handlers

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

const meLife = 30 * time.Minute

type meAskView struct {
	Lead   string // why somebody is here
	Broken bool   // they came by a link that opens nothing
	Email  string
	Fault  string
	Mailed bool
}

type meView struct {
	Email, Name      string
	Status           newsletter.Status
	ConsentAt        time.Time
	AdConsent        bool
	AdConsentAt      time.Time
	Paused           bool
	PausedUntil      time.Time
	NoTracking       bool
	Consents         []consentLine
	Saved            string // what was just done
	Fault            map[string]string
	NewName, NewMail string // as typed, when refused
}

type consentLine struct {
	What, How string
	Granted   bool
	At        time.Time
}

// consentNames says in a reader's words what was agreed to.
var consentNames = map[newsletter.ConsentKind]string{
	newsletter.ConsentPrivacy:    "개인정보 수집·이용",
	newsletter.ConsentLetter:     "뉴스레터 수신",
	newsletter.ConsentAd:         "광고성 정보 수신",
	newsletter.ConsentAge14:      "만 14세 이상 확인",
	newsletter.ConsentImported:   "옮겨 온 수신 동의",
	newsletter.ConsentTracking:   "열람·클릭 기록",
	newsletter.ConsentUnsuppress: "다시 받기",
}

// me is the reader's own page while their 30 minutes last, and the question for a link otherwise.
func (s *server) me(c echo.Context) error {
	session := s.readCookie(c, meCookie)
	if session == "" {
		return s.page(c, http.StatusOK, "site/me_ask", private("내 구독", meAskView{}))
	}
	v, err := s.readMe(c, session)
	if err != nil {
		return s.meClosed(c, err)
	}
	v.Saved = savedMessage[c.QueryParam("saved")]
	return s.showMe(c, http.StatusOK, v)
}

func (s *server) showMe(c echo.Context, status int, v meView) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	c.Response().Header().Set("Referrer-Policy", "same-origin")
	return s.page(c, status, "site/me", private("내 구독", v))
}

func (s *server) readMe(c echo.Context, session string) (meView, error) {
	sub, consents, err := s.svc.Me(c.Request().Context(), session)
	if err != nil {
		return meView{}, err
	}
	v := meView{
		Email: sub.Email.String(), Name: sub.Name, NewName: sub.Name, Status: sub.Shown(), ConsentAt: sub.ConsentAt,
		AdConsent: sub.AdConsent, AdConsentAt: sub.AdConsentAt, Paused: sub.Paused(s.now()), PausedUntil: sub.PausedUntil,
		NoTracking: sub.NoTracking, Fault: map[string]string{},
	}
	for _, k := range consents {
		how := "신청서"
		if k.Confirmed != "" {
			how = map[string]string{"mail": "메일 확인", "import": "명단 이전", "admin": "운영자 확인"}[k.Confirmed]
		}
		v.Consents = append(v.Consents, consentLine{What: consentNames[k.Kind], How: how, Granted: k.Granted, At: k.At})
	}
	return v, nil
}

// meClosed answers a session that is over or was never there with the way to a new one.
func (s *server) meClosed(c echo.Context, err error) error {
	switch newsletter.KindOf(err) {
	case newsletter.Unauthorized, newsletter.NotFound, newsletter.Gone:
	default:
		return err
	}
	if wantsJSON(c) {
		return &newsletter.Error{Kind: newsletter.Unauthorized, Msg: "메일로 받은 링크로 열어 주세요.", Err: err}
	}
	s.setCookie(c, meCookie, "", 0, http.SameSiteStrictMode)
	v := meAskView{Lead: "보안을 위해 30분이 지나면 닫혀요. 새 링크를 메일로 받아 주세요."}
	return s.page(c, http.StatusUnauthorized, "site/me_ask", private("내 구독", v))
}

// meAsk mails a link; known and unknown addresses get the same answer.
func (s *server) meAsk(c echo.Context) error {
	email := strings.TrimSpace(c.FormValue("email"))
	err := s.svc.AskManageLink(c.Request().Context(), email, c.RealIP())
	switch {
	case newsletter.KindOf(err) == newsletter.Invalid && !wantsJSON(c):
		v := meAskView{Email: email, Fault: faultOf(err).detail}
		return s.page(c, http.StatusUnprocessableEntity, "site/me_ask", private("내 구독", v))
	case err != nil:
		return err
	}
	return s.page(c, http.StatusOK, "site/me_ask", private("메일을 확인해 주세요", meAskView{Mailed: true}))
}

type meLinkView struct {
	Token       string
	Masked      string
	Status      newsletter.Status
	Paused      bool
	PausedUntil time.Time
	NoTracking  bool
	Saved       string
	Address     bool // the link proves a new address
}

// meToken shows what a link allows: one printed in an issue shows the masked address and the three refusals (S53); a
// fresh one shows the button that opens the whole page, and one mailed to a new address the button that proves it,
// since link scanners must not use them up.
func (s *server) meToken(c echo.Context) error {
	ctx, token := c.Request().Context(), c.Param("token")
	v, err := s.svc.PreferencesView(ctx, token)
	if newsletter.KindOf(err) == newsletter.NotFound {
		masked, addressErr := s.svc.AddressView(ctx, token)
		if addressErr == nil {
			return s.page(c, http.StatusOK, "site/me_open", private("새 주소 확인", meLinkView{Token: token, Masked: masked, Address: true}))
		}
		err = addressErr // NotFound for every other token; Gone says more
	}
	if err != nil {
		return s.leaveBadToken(c, err)
	}
	if v.Fresh {
		return s.page(c, http.StatusOK, "site/me_open", private("내 구독 열기", meLinkView{Token: c.Param("token"), Masked: v.Masked}))
	}
	return s.showLink(c, v, "")
}

func (s *server) showLink(c echo.Context, v newsletter.MeView, saved string) error {
	return s.page(c, http.StatusOK, "site/me_link", private("내 구독", meLinkView{
		Token: c.Param("token"), Masked: v.Masked, Status: v.Status, NoTracking: v.NoTracking,
		Paused: v.PausedUntil.After(s.now()), PausedUntil: v.PausedUntil, Saved: saved,
	}))
}

// meOpen uses a mailed link up: it gives its reader 30 minutes, or moves them to the address it proves.
func (s *server) meOpen(c echo.Context) error {
	ctx, token := c.Request().Context(), c.Param("token")
	_, session, err := s.svc.OpenManage(ctx, token)
	if newsletter.KindOf(err) == newsletter.NotFound {
		sub, addressErr := s.svc.ConfirmAddress(ctx, token, c.RealIP())
		switch newsletter.KindOf(addressErr) {
		case newsletter.None:
			return s.notice(c, "주소를 바꿨어요", "이제 "+sub.Email.Masked()+" 주소로 보내 드려요.")
		case newsletter.NotFound:
		default:
			return s.leaveBadToken(c, addressErr)
		}
	}
	if err != nil {
		return s.leaveBadToken(c, err)
	}
	s.setCookie(c, meCookie, session, meLife, http.SameSiteStrictMode)
	return c.Redirect(http.StatusSeeOther, "/me")
}

// linkAction does one thing that an issue's link allows, and shows the page again with what was done.
func (s *server) linkAction(c echo.Context, saved string, do func(token string) error) error {
	token := c.Param("token")
	if err := do(token); err != nil {
		return s.leaveBadToken(c, err)
	}
	v, err := s.svc.PreferencesView(c.Request().Context(), token)
	if err != nil {
		return s.leaveBadToken(c, err)
	}
	return s.showLink(c, v, saved)
}

func (s *server) meTokenPause(c echo.Context) error {
	return s.linkAction(c, "쉬어 갈게요. 그동안 메일을 보내지 않아요.", func(token string) error {
		return s.svc.PausePreferences(c.Request().Context(), token, weeksOf(c))
	})
}

func (s *server) meTokenResume(c echo.Context) error {
	return s.linkAction(c, "다시 보내 드릴게요.", func(token string) error {
		return s.svc.ResumePreferences(c.Request().Context(), token)
	})
}

func (s *server) meTokenTracking(c echo.Context) error {
	refuse := ticked(c, "refuse")
	saved := "이제 열람과 클릭을 기록하지 않아요."
	if !refuse {
		saved = "열람과 클릭 기록을 다시 허용했어요."
	}
	return s.linkAction(c, saved, func(token string) error {
		return s.svc.RefuseTracking(c.Request().Context(), token, refuse)
	})
}

func (s *server) meTokenUnsubscribe(c echo.Context) error {
	return s.linkAction(c, "수신거부가 처리됐어요.", func(token string) error {
		_, err := s.svc.UnsubscribePreferences(c.Request().Context(), token, c.RealIP())
		return err
	})
}

// weeksOf reads how long to rest; the page offers four weeks.
func weeksOf(c echo.Context) int {
	n, err := strconv.Atoi(c.FormValue("weeks"))
	if err != nil || n < 1 {
		return 4
	}
	return n
}

// savedMessage are the answers after a redirect, by the code in the query: nothing from outside is shown.
var savedMessage = map[string]string{
	"name": "이름을 저장했어요.", "ad": "광고성 정보 수신 동의를 저장했어요.", "pause": "쉬어 갈게요. 그동안 메일을 보내지 않아요.",
	"resume": "다시 보내 드릴게요.", "left": "수신거부가 처리됐어요.", "address": "새 주소로 확인 메일을 보냈어요. 그 메일의 버튼을 누르면 주소가 바뀌어요.",
}

// meAction does one thing of the reader's own page and shows it again; field is where a fault is shown.
func (s *server) meAction(c echo.Context, code, field string, do func(session string) error) error {
	session := s.readCookie(c, meCookie)
	if session == "" {
		return s.meClosed(c, &newsletter.Error{Kind: newsletter.Unauthorized})
	}
	err := do(session)
	switch newsletter.KindOf(err) {
	case newsletter.None:
		return c.Redirect(http.StatusSeeOther, "/me?saved="+code)
	case newsletter.Invalid, newsletter.Conflict:
		v, readErr := s.readMe(c, session)
		if readErr != nil {
			return s.meClosed(c, readErr)
		}
		v.Fault[field] = faultOf(err).detail
		v.NewName, v.NewMail = c.FormValue("name"), c.FormValue("email")
		if field != "name" {
			v.NewName = v.Name
		}
		return s.showMe(c, http.StatusUnprocessableEntity, v)
	}
	return s.meClosed(c, err)
}

func (s *server) meRename(c echo.Context) error {
	return s.meAction(c, "name", "name", func(session string) error {
		return s.svc.RenameMe(c.Request().Context(), session, c.FormValue("name"))
	})
}

func (s *server) meAddress(c echo.Context) error {
	return s.meAction(c, "address", "email", func(session string) error {
		return s.svc.ChangeMyAddress(c.Request().Context(), session, c.FormValue("email"), c.RealIP())
	})
}

func (s *server) meAdConsent(c echo.Context) error {
	return s.meAction(c, "ad", "ad", func(session string) error {
		return s.svc.SetMyAdConsent(c.Request().Context(), session, ticked(c, "ad_consent"), c.RealIP())
	})
}

func (s *server) mePause(c echo.Context) error {
	return s.meAction(c, "pause", "pause", func(session string) error {
		return s.svc.PauseMe(c.Request().Context(), session, weeksOf(c))
	})
}

func (s *server) meResume(c echo.Context) error {
	return s.meAction(c, "resume", "pause", func(session string) error {
		return s.svc.ResumeMe(c.Request().Context(), session)
	})
}

func (s *server) meUnsubscribe(c echo.Context) error {
	return s.meAction(c, "left", "", func(session string) error {
		return s.svc.UnsubscribeMe(c.Request().Context(), session, c.RealIP())
	})
}

// meErase forgets the reader. The tick stands for the dialog: it works without scripts.
func (s *server) meErase(c echo.Context) error {
	if !ticked(c, "confirm") {
		return s.meAction(c, "", "erase", func(string) error {
			return &newsletter.Error{Kind: newsletter.Invalid, Field: "confirm", Msg: "되돌릴 수 없어요. 지우려면 확인란을 선택해 주세요."}
		})
	}
	session := s.readCookie(c, meCookie)
	if err := s.svc.EraseMe(c.Request().Context(), session); err != nil {
		return s.meClosed(c, err)
	}
	s.setCookie(c, meCookie, "", 0, http.SameSiteStrictMode)
	return s.notice(c, "모두 지웠어요", "이메일 주소와 이름, 받은 기록을 지웠어요. 같은 주소로 다시 보내지 않도록 되돌릴 수 없는 암호값만 남아요.")
}

func (s *server) meClose(c echo.Context) error {
	s.setCookie(c, meCookie, "", 0, http.SameSiteStrictMode)
	return c.Redirect(http.StatusSeeOther, "/")
}

type noticeView struct{ Title, Text string }

// notice is a page with one thing to say.
func (s *server) notice(c echo.Context, title, text string) error {
	return s.page(c, http.StatusOK, "site/notice", private(title, noticeView{title, text}))
}

func (s *server) meExportJSON(c echo.Context) error {
	return s.meExport(c, "json", func(d newsletter.DataPackage) error {
		c.Response().Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
		enc := json.NewEncoder(c.Response())
		enc.SetIndent("", "  ")
		return enc.Encode(d)
	})
}

func (s *server) meExportCSV(c echo.Context) error {
	return s.meExport(c, "csv", func(d newsletter.DataPackage) error {
		c.Response().Header().Set(echo.HeaderContentType, "text/csv; charset=utf-8")
		if _, err := c.Response().Write([]byte("\uFEFF")); err != nil { // spreadsheets read UTF-8 only behind a BOM
			return err
		}
		w := csv.NewWriter(c.Response())
		for _, row := range flatten(d) {
			if err := w.Write([]string{row.name, harmless(row.value)}); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	})
}

func (s *server) meExport(c echo.Context, format string, write func(newsletter.DataPackage) error) error {
	session := s.readCookie(c, meCookie)
	if session == "" {
		return s.meClosed(c, &newsletter.Error{Kind: newsletter.Unauthorized})
	}
	d, err := s.svc.ExportMe(c.Request().Context(), session)
	if err != nil {
		return s.meClosed(c, err)
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set(echo.HeaderContentDisposition, fmt.Sprintf(`attachment; filename="my-subscription.%s"`, format))
	return write(d)
}

type csvRow struct{ name, value string }

// flatten writes nested data as one line a value: consents.0.kind, privacy.
func flatten(v any) []csvRow {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	rows := []csvRow{{"field", "value"}}
	flattenValue(d, "", &rows)
	return rows
}

// flattenValue reads one JSON value token by token, which keeps the order of the fields.
func flattenValue(d *json.Decoder, path string, rows *[]csvRow) {
	t, err := d.Token()
	if err != nil {
		return
	}
	join := func(k string) string {
		if path == "" {
			return k
		}
		return path + "." + k
	}
	switch t {
	case json.Delim('{'):
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return
			}
			flattenValue(d, join(fmt.Sprint(k)), rows)
		}
		_, _ = d.Token()
	case json.Delim('['):
		for i := 0; d.More(); i++ {
			flattenValue(d, join(strconv.Itoa(i)), rows)
		}
		_, _ = d.Token()
	case nil:
		*rows = append(*rows, csvRow{path, ""})
	default:
		*rows = append(*rows, csvRow{path, fmt.Sprint(t)})
	}
}

// harmless keeps a spreadsheet from running a cell as a formula (S40).
func harmless(cell string) string {
	if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
		return "'" + cell
	}
	for _, wide := range []string{"＝", "＋", "－", "＠"} {
		if strings.HasPrefix(cell, wide) {
			return "'" + cell
		}
	}
	return cell
}
