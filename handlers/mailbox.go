package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // letters from elsewhere may come in EUC-KR
	"github.com/emersion/go-message/mail"
	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// Mailbox is where the demo's letters end up instead of leaving. It may be used from several goroutines.
type Mailbox interface {
	List() []CaughtMail // newest first
	Get(id string) (CaughtMail, bool)
	Clear()
}

// CaughtMail is a letter as the built-in SMTP server took it.
type CaughtMail struct {
	ID   string
	At   time.Time
	From string   // envelope
	To   []string // envelope
	Raw  []byte
}

// mailboxRoutes exist in the demo only.
func (s *server) mailboxRoutes() []route {
	if s.opt.Demo == nil || s.opt.Demo.Mailbox == nil {
		return nil
	}
	return []route{
		{"GET", "/mailbox", public(), s.mailbox, trait{}},
		{"GET", "/mailbox/list", public(), s.mailboxList, trait{}},
		{"POST", "/mailbox/clear", public(), s.mailboxClear, trait{}},
		{"GET", "/mailbox/:id", public(), s.mail, trait{}},
		{"GET", "/mailbox/:id/html", public(), s.mailHTML, trait{framed: true}},
		{"GET", "/mailbox/:id/raw.eml", public(), s.mailRaw, trait{}},
		{"POST", "/mailbox/:id/one-click", public(), s.mailOneClick, trait{}},
	}
}

const mailboxMost = 200

type mailboxView struct {
	Mails []mailLine
	Total int
	Query string
}

type mailLine struct {
	ID, To, Subject string
	At              time.Time
}

func (s *server) mailboxView(c echo.Context) mailboxView {
	v := mailboxView{Query: query(c)}
	for _, m := range s.opt.Demo.Mailbox.List() {
		line := mailLine{m.ID, strings.Join(m.To, ", "), subjectOf(m.Raw), m.At}
		if v.Query != "" && !strings.Contains(strings.ToLower(line.To+" "+line.Subject), strings.ToLower(v.Query)) {
			continue
		}
		if v.Total++; v.Total <= mailboxMost {
			v.Mails = append(v.Mails, line)
		}
	}
	return v
}

func (s *server) mailbox(c echo.Context) error {
	return s.page(c, http.StatusOK, "site/mailbox", templates.Page{
		Title: "메일함", NoIndex: true, Private: true, Scripts: []string{"mailbox.js"}, Body: s.mailboxView(c),
	})
}

// mailboxList is the list alone, which the page's script fetches every two seconds.
func (s *server) mailboxList(c echo.Context) error {
	var buf bytes.Buffer
	if err := s.pages.RenderPart(&buf, "site/mailbox", "maillist", s.mailboxView(c)); err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.HTMLBlob(http.StatusOK, buf.Bytes())
}

func (s *server) mailboxClear(c echo.Context) error {
	s.opt.Demo.Mailbox.Clear()
	return c.Redirect(http.StatusSeeOther, "/mailbox")
}

// readMail is a letter taken apart.
type readMail struct {
	Subject, From, To, Date string
	HTML, Text              string
	Headers                 []headerLine
	Unsubscribe             string // the https or http address of List-Unsubscribe
	OneClick                bool
}

type headerLine struct{ Name, Value string }

func subjectOf(raw []byte) string {
	e, err := message.Read(bytes.NewReader(raw))
	if e == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return "(읽을 수 없는 메일)"
	}
	h := mail.Header{Header: e.Header}
	subject, err := h.Subject()
	if err != nil || subject == "" {
		return "(제목 없음)"
	}
	return subject
}

func parseMail(raw []byte) (readMail, error) {
	r, err := mail.CreateReader(bytes.NewReader(raw))
	if r == nil {
		return readMail{}, fmt.Errorf("read mail: %w", err)
	}
	defer r.Close()
	m := readMail{Subject: subjectOf(raw)}
	m.From, m.To, m.Date = headerText(r.Header, "From"), headerText(r.Header, "To"), r.Header.Get("Date")
	for f := r.Header.Fields(); f.Next(); {
		value := f.Value()
		if t, err := f.Text(); err == nil {
			value = t
		}
		m.Headers = append(m.Headers, headerLine{f.Key(), value})
	}
	m.Unsubscribe = unsubscribeURL(r.Header.Get("List-Unsubscribe"))
	m.OneClick = strings.EqualFold(strings.TrimSpace(r.Header.Get("List-Unsubscribe-Post")), "List-Unsubscribe=One-Click")
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil && !message.IsUnknownCharset(err) {
			return m, nil // what could be read is shown; 원본 has the rest
		}
		h, inline := p.Header.(*mail.InlineHeader)
		if !inline {
			continue
		}
		body, err := io.ReadAll(io.LimitReader(p.Body, 4<<20))
		if err != nil {
			return m, nil
		}
		switch kind, _, _ := h.ContentType(); {
		case kind == "text/html" && m.HTML == "":
			m.HTML = string(body)
		case kind == "text/plain" && m.Text == "":
			m.Text = string(body)
		}
	}
}

func headerText(h mail.Header, name string) string {
	t, err := h.Text(name)
	if err != nil {
		return h.Get(name)
	}
	return t
}

// unsubscribeURL picks the web address out of a List-Unsubscribe field (RFC 2369 §2).
func unsubscribeURL(field string) string {
	for _, part := range strings.Split(field, ",") {
		part = strings.Trim(strings.TrimSpace(part), "<>")
		if strings.HasPrefix(part, "https://") || strings.HasPrefix(part, "http://") {
			return part
		}
	}
	return ""
}

type mailView struct {
	ID, Tab, Width string
	At             time.Time
	Envelope       CaughtMail
	Mail           readMail
	Raw            string
	Result         string // of the one-click button
}

func (s *server) caught(c echo.Context) (CaughtMail, error) {
	m, ok := s.opt.Demo.Mailbox.Get(c.Param("id"))
	if !ok {
		return CaughtMail{}, &newsletter.Error{Kind: newsletter.NotFound, Msg: "메일함을 비웠거나 없는 메일이에요."}
	}
	return m, nil
}

func (s *server) mail(c echo.Context) error { return s.showMail(c, "") }

func (s *server) showMail(c echo.Context, result string) error {
	m, err := s.caught(c)
	if err != nil {
		return err
	}
	s.opened.Store(true) // ticks a line of the desk's guide
	parsed, err := parseMail(m.Raw)
	if err != nil {
		s.log.Warn("caught mail unreadable", "mail", m.ID, "cause", err)
	}
	v := mailView{ID: m.ID, At: m.At, Envelope: m, Mail: parsed, Tab: c.QueryParam("tab"), Width: c.QueryParam("width"), Raw: string(m.Raw), Result: result}
	switch v.Tab {
	case "text", "raw", "headers":
	default:
		v.Tab = "view"
		if parsed.HTML == "" {
			v.Tab = "text"
		}
	}
	if v.Width != "375" && v.Width != "600" {
		v.Width = "full"
	}
	return s.page(c, http.StatusOK, "site/mail", templates.Page{Title: parsed.Subject, NoIndex: true, Private: true, Body: v})
}

// mailHTML is what the frame shows: no scripts, no forms, no origin (S21).
func (s *server) mailHTML(c echo.Context) error {
	m, err := s.caught(c)
	if err != nil {
		return err
	}
	parsed, err := parseMail(m.Raw)
	if err != nil {
		return &newsletter.Error{Kind: newsletter.NotFound, Msg: "읽을 수 없는 메일이에요.", Err: err}
	}
	body := parsed.HTML
	if body == "" {
		body = "<!doctype html><meta charset=utf-8><pre>" + template.HTMLEscapeString(parsed.Text) + "</pre>"
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.HTML(http.StatusOK, inNewTabs(body))
}

var headTag = regexp.MustCompile(`(?i)<head\b[^>]*>|<html[^>]*>|<!doctype[^>]*>`)

// inNewTabs lets the letter's links open beside the mailbox: our own pages refuse to be framed.
func inNewTabs(html string) string {
	const base = `<base target="_blank">`
	at := 0
	for _, m := range headTag.FindAllStringIndex(html, -1) {
		at = m[1]
		if strings.HasPrefix(strings.ToLower(html[m[0]:m[1]]), "<head") {
			break
		}
	}
	return html[:at] + base + html[at:]
}

func (s *server) mailRaw(c echo.Context) error {
	m, err := s.caught(c)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, fmt.Sprintf(`attachment; filename="%s.eml"`, url.PathEscape(m.ID)))
	return c.Blob(http.StatusOK, "message/rfc822", m.Raw)
}

// mailOneClick does what a mail service does with the button beside the sender's name: RFC 8058's POST, without
// cookies, to the address in the letter. It goes through our own door and nowhere else.
func (s *server) mailOneClick(c echo.Context) error {
	m, err := s.caught(c)
	if err != nil {
		return err
	}
	parsed, err := parseMail(m.Raw)
	if err != nil {
		return &newsletter.Error{Kind: newsletter.Invalid, Msg: "읽을 수 없는 메일이에요.", Err: err}
	}
	target, ours := strings.CutPrefix(parsed.Unsubscribe, s.baseURL+"/")
	if !ours || !parsed.OneClick {
		return s.showMail(c, "이 메일에는 원클릭 수신거부 주소가 없어요.")
	}
	status, err := s.postOneClick(c.Request().Context(), "/"+target, c.Request().RemoteAddr)
	if err != nil {
		return err
	}
	return s.showMail(c, fmt.Sprintf("POST /u/… → %d %s", status, http.StatusText(status)))
}

func (s *server) postOneClick(ctx context.Context, path, from string) (int, error) {
	// The request's own context would carry echo's values along.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader("List-Unsubscribe=One-Click"))
	if err != nil {
		return 0, fmt.Errorf("one-click: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr, r.RequestURI = from, path
	w := &statusOnly{header: http.Header{}, status: http.StatusOK}
	s.handler.ServeHTTP(w, r)
	return w.status, nil
}

// statusOnly takes an answer and keeps its status.
type statusOnly struct {
	header http.Header
	status int
	wrote  bool
}

func (w *statusOnly) Header() http.Header { return w.header }

func (w *statusOnly) Write(p []byte) (int, error) {
	w.wrote = true
	return len(p), nil
}

func (w *statusOnly) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
	}
}
