package mailer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"techissue/newsletter"
	"techissue/templates"
)

// Reader is everything in an issue's letter that differs between readers.
type Reader struct {
	Email         string
	Name          string // "" gives each merge tag its default
	Unsubscribe   string // whole URL
	Mailto        string // the same by mail; "" where nothing reads it
	Preferences   string
	Opinion       string    // ?v= follows
	Consent       string    // who gets this and since when
	Click, Open   string    // tokens; "" for a reader, or a letter, that is not counted
	MessageID     string    // with angle brackets
	Date          time.Time // the same on every attempt
	BoundarySeed  string
	WithoutOptOut bool // a test letter: no List-Unsubscribe headers
	SubjectPrefix string
}

// Prepared is an issue rendered and encoded once. Letter only substitutes and joins, so two renders of one letter are
// byte-identical. It does not change and may be used from several goroutines.
type Prepared struct {
	snap    newsletter.Snapshot
	subject segments
	text    part
	html    part
	counted *part // html with counted links and the counting picture; nil when the issue is not tracked

	from, replyTo string // encoded
	fixed         string // the subject's header where no name stands in it
	feedback      string
}

// Prepare renders a snapshot for all its readers. date is the one the letter shows, in the house's place.
func Prepare(m *templates.Mails, s newsletter.Snapshot, date time.Time) (*Prepared, error) {
	k := newMarker()
	view := letterView(k, s, date)
	htmlPart, text, err := m.Issue(view)
	if err != nil {
		return nil, fmt.Errorf("issue %d: %w", s.Number, err)
	}
	p := &Prepared{
		snap: s, subject: k.cut(view.Subject), text: newPart(k.cut(text)), html: newPart(k.cut(htmlPart)),
		feedback: fmt.Sprintf("%d:issue:%s", s.Number, s.House.ListID),
	}
	if s.Tracking {
		counted := newPart(k.cut(countLinks(k, htmlPart, s)))
		p.counted = &counted
	}
	if p.from, err = mailbox(s.House.FromName, s.House.From); err != nil {
		return nil, err
	}
	if s.House.ReplyTo != "" {
		if p.replyTo, err = mailbox("", s.House.ReplyTo); err != nil {
			return nil, err
		}
	}
	if len(p.subject.marks) == 0 {
		if p.fixed, err = encoded("Subject", p.subject.literals[0]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// letterView is a snapshot as the templates want it, marks standing where readers differ.
func letterView(k *marker, s newsletter.Snapshot, date time.Time) templates.IssueLetter {
	base := s.House.BaseURL
	issueURL := fmt.Sprintf("%s/issues/%d", base, s.Number)
	l := templates.IssueLetter{
		Number: s.Number, Date: newsletter.DateLong(date, date.Location()), Subject: k.names(s.Subject),
		Heading: k.names(strings.TrimSpace(strings.TrimPrefix(s.Subject, newsletter.AdLabel))), Preheader: k.names(s.Preheader),
		Accent: s.House.Accent, Logo: logoOf(s.House),
		SiteName: s.House.SiteName, Author: s.House.Author, AuthorLine: s.House.AuthorLine, BaseURL: base,
		Intro: k.names(s.Intro), Outro: k.names(s.Outro), Sponsor: k.names(s.Sponsor), LegalLine: s.House.Legal.Line(),
		Consent: k.put(mark{kind: markConsent}), WebURL: issueURL + "/letter", ShareURL: issueURL + "/share", PrivacyURL: base + "/privacy",
		UnsubscribeURL: k.put(mark{kind: markUnsubscribe}), PreferencesURL: k.put(mark{kind: markPreferences}), OpinionURL: k.put(mark{kind: markOpinion}),
	}
	for _, link := range s.Links {
		title := link.Title
		if title == "" {
			title = link.URL
		}
		l.Links = append(l.Links, templates.LetterLink{URL: link.URL, Title: title, Source: link.Source, Summary: link.Summary})
	}
	for _, a := range s.Articles {
		v := templates.LetterArticle{Title: a.Title, URL: base + "/articles/" + url.PathEscape(a.Slug), Body: k.names(a.Body), CoverAlt: a.CoverAlt}
		if a.Cover != "" {
			v.CoverURL = base + newsletter.CoverPath(a.Cover, 600)
		}
		l.Articles = append(l.Articles, v)
	}
	return l
}

func logoOf(h newsletter.House) templates.Logo {
	l := h.Sign()
	return templates.LogoRoom(h.BaseURL+l.Path, l.Width, l.Height)
}

// Parts gives both parts as one reader gets them; nothing in them is counted.
func (p *Prepared) Parts(r Reader) (htmlPart, text string) {
	return p.html.join(r.html()), p.text.join(r.plain)
}

// plain is what stands at a mark.
func (r *Reader) plain(k mark) string {
	switch k.kind {
	case markUnsubscribe:
		return r.Unsubscribe
	case markPreferences:
		return r.Preferences
	case markOpinion:
		return r.Opinion
	case markConsent:
		return r.Consent
	case markClick:
		return r.Click
	case markOpen:
		return r.Open
	}
	if r.Name == "" {
		return k.fallback
	}
	return r.Name
}

// html is the same, escaped.
func (r *Reader) html() func(mark) string {
	e := *r
	for _, s := range []*string{&e.Name, &e.Unsubscribe, &e.Preferences, &e.Opinion, &e.Consent} {
		*s = html.EscapeString(*s)
	}
	return func(k mark) string {
		if k.kind == markName && e.Name == "" {
			return html.EscapeString(k.fallback)
		}
		return e.plain(k)
	}
}

// scratches hold the few bytes that are encoded anew for each reader.
var scratches = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// Letter writes the whole letter of one reader: RFC 5322 with CRLF, 7-bit.
func (p *Prepared) Letter(r Reader) ([]byte, error) {
	data, _, err := p.appendLetter(nil, r)
	return data, err
}

// appendLetter also says how many of the last bytes are the parts, of whose lines no byte is a reader's.
func (p *Prepared) appendLetter(to []byte, r Reader) (data []byte, encoded int, err error) {
	h, err := p.headers(&r)
	if err != nil {
		return nil, 0, err
	}
	body := &p.html
	if p.counted != nil && r.Click != "" {
		body = p.counted
	}
	to = slices.Grow(to, p.text.size+body.size+100*len(body.marks)+4096)
	scratch := scratches.Get().(*[]byte)
	defer scratches.Put(scratch)
	b := boundary(r.BoundarySeed)
	to = appendHead(to, h, b)
	head := len(to)
	to = p.text.encode(appendPartHead(to, b, "text/plain"), *scratch, r.plain)
	to = body.encode(appendPartHead(to, b, "text/html"), *scratch, r.html())
	to = appendEnd(to, b)
	return to, len(to) - head, nil
}

func (p *Prepared) headers(r *Reader) ([]header, error) {
	to, err := mailbox(r.Name, r.Email)
	if err != nil {
		return nil, err
	}
	subject := p.fixed
	if subject == "" || r.SubjectPrefix != "" {
		if subject, err = encoded("Subject", r.SubjectPrefix+p.subject.join(r.plain)); err != nil {
			return nil, err
		}
	}
	h := make([]header, 0, 12)
	h = append(h, header{"From", p.from}, header{"To", to}, header{"Subject", subject}, header{"Date", mailDate(r.Date)}, header{"Message-ID", r.MessageID})
	if p.replyTo != "" {
		h = append(h, header{"Reply-To", p.replyTo})
	}
	if !r.WithoutOptOut {
		leave := "<" + r.Unsubscribe + ">"
		if r.Mailto != "" { // second: RFC 8058 wants the web address, and readers of one address take the first
			leave += ", <" + r.Mailto + ">"
		}
		h = append(h,
			header{"List-Id", "<" + p.snap.House.ListID + ">"},
			header{"List-Unsubscribe", leave},
			header{"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"},
			header{"Precedence", "bulk"},
			header{"Feedback-ID", p.feedback})
	}
	return h, nil
}

// boundary is derived, since a letter tried again must have the same bytes. base64 never holds a hyphen, so it cannot occur in a part.
func boundary(seed string) string {
	sum := sha256.Sum256([]byte("techissue boundary " + seed))
	return "----" + hex.EncodeToString(sum[:16])
}

// deliverySeed names a delivery's boundary.
func deliverySeed(id int64) string { return "d" + strconv.FormatInt(id, 10) }
