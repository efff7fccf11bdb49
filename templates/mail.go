package templates

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"

	"github.com/vanng822/go-premailer/premailer"
	"github.com/yuin/goldmark/util"
)

//go:embed mail
var mailFiles embed.FS

// IssueLetter is an issue as its letter shows it. Fields that differ between readers hold marks, which the mailer replaces.
type IssueLetter struct {
	Number             int
	Date               string // 2026년 11월 23일
	Subject            string
	Heading            string // the subject without its label
	Preheader          string
	SiteName           string
	Author, AuthorLine string
	Intro, Outro       string // Markdown
	Sponsor            string // Markdown, boxed and labelled
	Links              []LetterLink
	Articles           []LetterArticle
	Accent             string // of the brand, "" for the house's own
	Logo               Logo
	LegalLine          string
	Consent            string // "2026년 11월 1일 뉴스레터 수신에 동의하신 분께"

	BaseURL                                    string // no slash at the end
	WebURL, ShareURL, PrivacyURL               string
	UnsubscribeURL, PreferencesURL, OpinionURL string // OpinionURL goes on with ?v=good or ?v=bad
}

// LetterLink is one row of the round-up.
type LetterLink struct{ URL, Title, Source, Summary string }

// LetterArticle is a long read within the letter.
type LetterArticle struct {
	Title, URL         string
	Body               string // Markdown
	CoverURL, CoverAlt string
}

// NoticeLetter is a single letter: a heading, some paragraphs, at most one button.
type NoticeLetter struct {
	Subject, Heading  string
	Paragraphs        []string
	Button, ButtonURL string
	After             []string
	LeaveURL          string // of the reader, "" where there is nothing to leave
	SiteName, HomeURL string
	Accent            string
	LegalLine         string
}

// letterColours are what a letter's styles name of a brand.
type letterColours struct{ Light, Dark, On, DarkOn template.CSS }

// coloursOf takes the house's own colours where a brand cannot be read: a letter must not fail for its colour.
func coloursOf(accent string) letterColours {
	b, err := NewBrand(accent)
	if err != nil {
		b = HouseBrand
	}
	return letterColours{template.CSS(b.Accent), template.CSS(b.DarkAccent), template.CSS(b.On), template.CSS(b.DarkOn)}
}

// Colour is of the brand.
func (l IssueLetter) Colour() letterColours { return coloursOf(l.Accent) }

// Colour is of the brand.
func (l NoticeLetter) Colour() letterColours { return coloursOf(l.Accent) }

// Initial stands where a picture of the author would.
func (l IssueLetter) Initial() string {
	for _, r := range l.Author {
		return string(r)
	}
	return ""
}

// Preheader is what an inbox shows beside the subject: the first paragraph that is no greeting.
func (l NoticeLetter) Preheader() string {
	if len(l.Paragraphs) > 1 && len(l.Paragraphs[0]) < len(l.Paragraphs[1]) {
		return l.Paragraphs[1]
	}
	return strings.Join(l.Paragraphs[:min(1, len(l.Paragraphs))], "")
}

// Mails holds the parsed letters. It does not change and may be used from several goroutines.
type Mails struct{ issue, notice *template.Template }

// NewMails parses the letters.
func NewMails() (*Mails, error) {
	// html/template deletes comments, and only Outlook's conditional ones keep its column at 600 pixels.
	const open = `<!--[if mso]><table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->`
	fm := template.FuncMap{
		"outlookOpen":  func() template.HTML { return open },
		"outlookClose": func() template.HTML { return `<!--[if mso]></td></tr></table><![endif]-->` },
		// Keeps the inbox's preview from running on into the letter.
		"filler": func() template.HTML { return template.HTML(strings.Repeat("&#847;&zwnj;&nbsp;", 40)) },
	}
	t, err := template.New("").Funcs(fm).ParseFS(mailFiles, "mail/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse letters: %w", err)
	}
	return &Mails{issue: t.Lookup("issue.html"), notice: t.Lookup("notice.html")}, nil
}

// letterHTML is IssueLetter with its Markdown rendered.
type letterHTML struct {
	IssueLetter
	Intro, Outro, Sponsor template.HTML
	Articles              []articleHTML
}

type articleHTML struct {
	LetterArticle
	Body template.HTML
}

// Issue renders both parts of an issue's letter, its styles inlined.
func (m *Mails) Issue(l IssueLetter) (html, text string, err error) {
	l.Links = slices.Clone(l.Links)
	for n := range l.Links {
		l.Links[n].URL = string(util.URLEscape([]byte(l.Links[n].URL), false)) // the same in both parts
	}
	v := letterHTML{IssueLetter: l}
	for _, f := range []struct {
		into *template.HTML
		from string
	}{{&v.Intro, l.Intro}, {&v.Outro, l.Outro}, {&v.Sponsor, l.Sponsor}} {
		if *f.into, err = letterMarkdown(f.from, l.BaseURL); err != nil {
			return "", "", err
		}
	}
	for _, a := range l.Articles {
		body, err := letterMarkdown(a.Body, l.BaseURL)
		if err != nil {
			return "", "", err
		}
		v.Articles = append(v.Articles, articleHTML{a, body})
	}
	html, err = inlined(m.issue, v)
	return html, issueText(l), err
}

var (
	ownPaths = regexp.MustCompile(`(href|src)="/([^/"][^"]*)"`)
	ownPlain = regexp.MustCompile(`\( /([^/\s][^\s]*) \)`)
	tickBox  = regexp.MustCompile(`<input( checked="")?[^>]*>`)
	pictures = regexp.MustCompile(`<img ([^>]*?)( loading="lazy")?>`)
)

// letterMarkdown is Markdown for where there is no site around it: our own addresses are whole, boxes are characters since mail
// programs drop forms, and pictures have a width for those that know no styles.
func letterMarkdown(source, base string) (template.HTML, error) {
	h, err := MailMarkdown(source)
	s := ownPaths.ReplaceAllString(string(h), `$1="`+template.HTMLEscapeString(base)+`/$2"`)
	s = tickBox.ReplaceAllStringFunc(s, func(box string) string {
		if strings.Contains(box, "checked") {
			return "☑"
		}
		return "☐"
	})
	return template.HTML(pictures.ReplaceAllString(s, `<img $1 width="544">`)), err
}

// Notice renders both parts of a single letter.
func (m *Mails) Notice(l NoticeLetter) (html, text string, err error) {
	html, err = inlined(m.notice, l)
	return html, noticeText(l), err
}

func inlined(t *template.Template, v any) (string, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return "", fmt.Errorf("render letter: %w", err)
	}
	o := premailer.NewOptions()
	o.CssToAttributes = false // width as an attribute and a style is written by hand; the rest only bloats
	o.RemoveClasses = false   // the dark colours need them
	p, err := premailer.NewPremailerFromString(b.String(), o)
	if err != nil {
		return "", fmt.Errorf("inline styles: %w", err)
	}
	html, err := p.Transform()
	if err != nil {
		return "", fmt.Errorf("inline styles: %w", err)
	}
	return html, nil
}

func issueText(l IssueLetter) string {
	var b strings.Builder
	line := func(s ...string) { b.WriteString(strings.Join(s, "") + "\n") }
	section := func(markdown string) {
		if t := ownPlain.ReplaceAllString(PlainText(markdown), "( "+l.BaseURL+"/$1 )"); t != "" {
			line(t, "\n")
		}
	}
	line("웹에서 보기 ( ", l.WebURL, " )")
	line("수신거부 ( ", l.UnsubscribeURL, " )\n")
	line(l.SiteName, " ", fmt.Sprint(l.Number), "호 · ", l.Date)
	line(l.Heading, "\n")
	section(l.Intro)
	if len(l.Links) > 0 {
		line("■ IT 이슈 모음\n")
		for _, k := range l.Links {
			title := k.Title
			if k.Source != "" {
				title += " · " + k.Source
			}
			line("- ", title, " ( ", k.URL, " )")
			if k.Summary != "" {
				line("  ", k.Summary)
			}
		}
		line()
	}
	if l.Sponsor != "" {
		line("[ 광고 ]\n")
		section(l.Sponsor)
	}
	for _, a := range l.Articles {
		line("----------\n")
		line("■ ", a.Title, " ( ", a.URL, " )\n")
		section(a.Body)
		line("전체 읽기 ( ", a.URL, " )\n")
	}
	if l.Author != "" {
		line("----------\n")
		line(l.Author, "\n", l.AuthorLine, "\n")
	}
	line("친구에게 권하기 ( ", l.ShareURL, " )")
	line("의견 남기기: 좋았어요 ( ", l.OpinionURL, "?v=good ) · 아쉬워요 ( ", l.OpinionURL, "?v=bad )\n")
	section(l.Outro)
	line("----------")
	line("본 메일은 ", l.Consent, " 보내드립니다. 수신을 원하지 않으시면 수신거부 ( ", l.UnsubscribeURL, " )를 눌러 주세요.")
	line("If you do not wish to receive this newsletter, please unsubscribe ( ", l.UnsubscribeURL, " ) here.")
	line("구독 정보 변경 ( ", l.PreferencesURL, " )")
	line("개인정보 처리방침 ( ", l.PrivacyURL, " )")
	line(l.LegalLine)
	return b.String()
}

func noticeText(l NoticeLetter) string {
	parts := append([]string{l.Heading}, l.Paragraphs...)
	if l.ButtonURL != "" {
		parts = append(parts, l.Button+" ( "+l.ButtonURL+" )")
	}
	parts = append(parts, l.After...)
	if l.LeaveURL != "" {
		parts = append(parts, "수신거부 ( "+l.LeaveURL+" )")
	}
	parts = append(parts, "----------\n"+l.SiteName+" · "+l.HomeURL+"\n"+l.LegalLine)
	return strings.Join(parts, "\n\n") + "\n"
}
