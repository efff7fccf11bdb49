package mailer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"techissue/newsletter"
	"techissue/templates"
)

// Reader is everything in an issue's letter that differs between readers.
type Reader struct {
	Email         string
	Name          string // "" gives each merge tag its default
	Unsubscribe   string // whole URL
	Preferences   string
	Consent       string    // who gets this and since when
	MessageID     string    // with angle brackets
	Date          time.Time // the same on every attempt
	BoundarySeed  string
	WithoutOptOut bool // a test letter: no List-Unsubscribe headers
	SubjectPrefix string
}

// Prepared is an issue rendered once. Letter only substitutes, encodes and joins, so two renders of one letter are byte-identical.
type Prepared struct {
	snap    newsletter.Snapshot
	subject segments
	text    segments
	html    segments
}

// segments is text cut at its marks: literal, mark, literal, …
type segments struct {
	literals []string
	marks    []mark // one fewer than literals
}

type mark struct {
	kind     markKind
	fallback string // of a name
}

type markKind int

const (
	markName markKind = iota
	markUnsubscribe
	markPreferences
	markConsent
)

// mergeTags are {이름|독자} with any default, {이름}, and the $%name%$ that letters of another service carry.
var mergeTags = regexp.MustCompile(`\{이름(?:\|([^{}|]{0,40}))?\}|\$%name%\$`)

// marker makes marks that survive Markdown, html/template and the inliner, and that nobody can write into an issue.
type marker struct {
	seed  string
	marks []mark
}

func (m *marker) put(k mark) string {
	m.marks = append(m.marks, k)
	return "zq" + m.seed + "n" + strconv.Itoa(len(m.marks)-1) + "qz"
}

func (m *marker) names(s string) string {
	return mergeTags.ReplaceAllStringFunc(s, func(tag string) string {
		fallback := "독자"
		if sub := mergeTags.FindStringSubmatch(tag); sub[1] != "" {
			fallback = sub[1]
		}
		return m.put(mark{markName, fallback})
	})
}

func (m *marker) cut(s string) segments {
	var out segments
	re := regexp.MustCompile("zq" + m.seed + "n([0-9]+)qz")
	at := 0
	for _, loc := range re.FindAllStringSubmatchIndex(s, -1) {
		n, _ := strconv.Atoi(s[loc[2]:loc[3]])
		out.literals = append(out.literals, s[at:loc[0]])
		out.marks = append(out.marks, m.marks[n])
		at = loc[1]
	}
	out.literals = append(out.literals, s[at:])
	return out
}

func (s segments) join(value func(mark) string) string {
	var b strings.Builder
	for n, lit := range s.literals {
		b.WriteString(lit)
		if n < len(s.marks) {
			b.WriteString(value(s.marks[n]))
		}
	}
	return b.String()
}

// Prepare renders a snapshot for all its readers. date is the one the letter shows, in the house's place.
func Prepare(m *templates.Mails, s newsletter.Snapshot, date time.Time) (*Prepared, error) {
	k := &marker{seed: newsletter.Random(8)}
	base := s.House.BaseURL
	issueURL := fmt.Sprintf("%s/issues/%d", base, s.Number)
	l := templates.IssueLetter{
		Number: s.Number, Date: newsletter.DateLong(date, date.Location()), Subject: k.names(s.Subject),
		Heading: k.names(strings.TrimSpace(strings.TrimPrefix(s.Subject, newsletter.AdLabel))), Preheader: k.names(s.Preheader),
		SiteName: s.House.SiteName, Author: s.House.Author, AuthorLine: s.House.AuthorLine,
		Intro: k.names(s.Intro), Outro: k.names(s.Outro), Sponsor: k.names(s.Sponsor), LegalLine: s.House.Legal.Line(),
		Consent: k.put(mark{kind: markConsent}), WebURL: issueURL + "/letter", HomeURL: base + "/",
		UnsubscribeURL: k.put(mark{kind: markUnsubscribe}), PreferencesURL: k.put(mark{kind: markPreferences}), PrivacyURL: base + "/privacy",
	}
	for _, link := range s.Links {
		title := link.Title
		if title == "" {
			title = link.URL
		}
		l.Links = append(l.Links, templates.LetterLink{URL: link.URL, Title: title, Source: link.Source, Summary: link.Summary})
	}
	for _, a := range s.Articles {
		l.Articles = append(l.Articles, templates.LetterArticle{Title: a.Title, URL: base + "/articles/" + url.PathEscape(a.Slug), Body: k.names(a.Body)})
	}
	html, text, err := m.Issue(l)
	if err != nil {
		return nil, fmt.Errorf("issue %d: %w", s.Number, err)
	}
	return &Prepared{snap: s, subject: k.cut(l.Subject), text: k.cut(text), html: k.cut(html)}, nil
}

// Parts gives both parts as one reader gets them.
func (p *Prepared) Parts(r Reader) (htmlPart, text string) {
	plain := func(k mark) string {
		switch k.kind {
		case markUnsubscribe:
			return r.Unsubscribe
		case markPreferences:
			return r.Preferences
		case markConsent:
			return r.Consent
		}
		if r.Name == "" {
			return k.fallback
		}
		return r.Name
	}
	return p.html.join(func(k mark) string { return html.EscapeString(plain(k)) }), p.text.join(plain)
}

// Letter writes the whole letter of one reader: RFC 5322 with CRLF, 7-bit.
func (p *Prepared) Letter(r Reader) ([]byte, error) {
	house := p.snap.House
	from, err := mailbox(house.FromName, house.From)
	if err != nil {
		return nil, err
	}
	to, err := mailbox(r.Name, r.Email)
	if err != nil {
		return nil, err
	}
	subject, err := encoded("Subject", r.SubjectPrefix+p.subject.join(func(k mark) string {
		if r.Name == "" {
			return k.fallback
		}
		return r.Name
	}))
	if err != nil {
		return nil, err
	}
	h := []header{{"From", from}, {"To", to}, {"Subject", subject}, {"Date", mailDate(r.Date)}, {"Message-ID", r.MessageID}}
	if house.ReplyTo != "" {
		reply, err := mailbox("", house.ReplyTo)
		if err != nil {
			return nil, err
		}
		h = append(h, header{"Reply-To", reply})
	}
	if !r.WithoutOptOut {
		h = append(h,
			header{"List-Id", "<" + house.ListID + ">"},
			header{"List-Unsubscribe", "<" + r.Unsubscribe + ">"},
			header{"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"},
			header{"Precedence", "bulk"},
			header{"Feedback-ID", fmt.Sprintf("%d:issue:%s", p.snap.Number, house.ListID)})
	}
	htmlPart, text := p.Parts(r)
	m := message{headers: h, boundary: boundary(r.BoundarySeed), text: []byte(text), html: []byte(htmlPart)}
	return m.bytes(), nil
}

// boundary is derived, since a letter tried again must have the same bytes. base64 never holds a hyphen, so it cannot occur in a part.
func boundary(seed string) string {
	mac := hmac.New(sha256.New, []byte("techissue boundary"))
	mac.Write([]byte(seed))
	return "----" + hex.EncodeToString(mac.Sum(nil)[:16])
}
