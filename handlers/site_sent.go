package handlers

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// sentNote is what the answer page knows of the sign-up: it travels in the reader's own cookie, so that no address gets
// into a URL or a log.
type sentNote struct {
	Email string `json:"e"`
	Name  string `json:"n,omitempty"`
	Ad    bool   `json:"a,omitempty"`
	Kept  bool   `json:"k,omitempty"` // asked about the domain already
	At    int64  `json:"t"`
}

const (
	sentCookie = "sent"
	sentLife   = 30 * time.Minute
	resendGap  = 15 * time.Minute
)

func (s *server) sent(c echo.Context, f signupView) error {
	if wantsJSON(c) {
		return c.JSON(http.StatusAccepted, map[string]string{"status": "sent"})
	}
	n := sentNote{f.Email, f.Name, f.Ad, f.Kept, s.now().Unix()}
	if last, ok := s.readSentNote(c); ok && last.Email == n.Email && s.now().Sub(time.Unix(last.At, 0)) < resendGap {
		n.At = last.At // no second letter went: the waiting does not begin anew
	}
	note, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("note the sign-up: %w", err)
	}
	s.setCookie(c, sentCookie, base64.RawURLEncoding.EncodeToString(note), sentLife, http.SameSiteLaxMode)
	return c.Redirect(http.StatusSeeOther, "/subscribe/sent")
}

type sentView struct {
	Known      bool // the cookie arrived
	Again      signupView
	Email      string // for people's eyes
	Suggestion string // the address the reader may have meant
	From       string // whose letters to let through
	Webmail    []webmail
	ResendAt   time.Time
	Wait       string // until then, as a person says it; "" when the button works
}

type webmail struct {
	Name, URL string
	Own       bool // where this address lives
}

// subscribeSent is the same page for every address.
func (s *server) subscribeSent(c echo.Context) error {
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	v := sentView{From: house.From}
	note, ok := s.readSentNote(c)
	addr, err := newsletter.ParseAddress(note.Email)
	if ok && err == nil {
		v.Known, v.Email = true, addr.Local()+"@"+addr.DisplayDomain()
		if !note.Kept { // nothing is asked twice
			v.Suggestion = hintOf(note.Email)
		}
		v.Again = s.newSignup()
		v.Again.ID, v.Again.Email, v.Again.Name, v.Again.Ad = "again", note.Email, note.Name, note.Ad
		v.ResendAt = time.Unix(note.At, 0).Add(resendGap)
		v.Wait = waitOf(v.ResendAt.Sub(s.now()))
	}
	v.Webmail = webmails(addr.Domain())
	c.Response().Header().Set("Cache-Control", "no-store")
	return s.page(c, http.StatusOK, "site/sent", templates.Page{Title: "받은편지함을 확인해 주세요", NoIndex: true, Private: true, Body: v})
}

// waitOf says how long it still takes: in minutes, and in seconds within the last one.
func waitOf(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Minute:
		return fmt.Sprintf("%d초", int((d+time.Second-1)/time.Second))
	}
	return fmt.Sprintf("%d분", int((d+time.Minute-1)/time.Minute))
}

func (s *server) readSentNote(c echo.Context) (sentNote, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(s.readCookie(c, sentCookie))
	var n sentNote
	if err != nil || json.Unmarshal(raw, &n) != nil || n.Email == "" || len(n.Email) > 320 {
		return sentNote{}, false
	}
	return n, true
}

// webmails lists the inboxes of Korean readers, their own first.
func webmails(domain string) []webmail {
	all := []struct {
		webmail
		domains string
	}{
		{webmail{"네이버 메일", "https://mail.naver.com/", false}, "naver.com"},
		{webmail{"지메일", "https://mail.google.com/", false}, "gmail.com"},
		{webmail{"다음 메일", "https://mail.daum.net/", false}, "daum.net hanmail.net"},
	}
	var own, others []webmail
	for _, m := range all {
		if domain != "" && strings.Contains(" "+m.domains+" ", " "+domain+" ") {
			m.Own = true
			own = append(own, m.webmail)
			continue
		}
		others = append(others, m.webmail)
	}
	return append(own, others...)
}
