package handlers

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"techissue/newsletter"
)

// issueForm is an issue as it stands in the form: what was typed, right or wrong, so that nothing is ever lost.
type issueForm struct {
	Number, Subject, Preheader, Kind, WithoutAdConsent string
	Intro, Sponsor, Outro                              string
	Links                                              []newsletter.RoundupLink
	Articles                                           []string
	Tags, TagsMode, JoinedAfter, JoinedBefore          string
	Source                                             string
	OpenedLeast, OpenedOf, ClickedLeast, ClickedOf     string
	Received                                           string // 12:1,3 — an issue and its editions
	Uncertain, ExpiresAt                               string
	Tracking                                           bool
	Version                                            int64
	To                                                 string // of the test
}

const (
	dayInput    = "2006-01-02"
	momentInput = "2006-01-02T15:04"
)

func formOf(i newsletter.Issue, loc *time.Location) issueForm {
	in := func(t time.Time, layout string) string {
		if t.IsZero() {
			return ""
		}
		return t.In(loc).Format(layout)
	}
	engaged := func(e *newsletter.Engagement) (least, of string) {
		if e == nil {
			return "", ""
		}
		return strconv.Itoa(e.Least), strconv.Itoa(e.Of)
	}
	f := issueForm{
		Number: strconv.Itoa(i.Number), Subject: i.Subject, Preheader: i.Preheader, Kind: string(i.Kind), WithoutAdConsent: i.WithoutAdConsent,
		Intro: i.Intro, Sponsor: i.Sponsor, Outro: i.Outro, Links: i.Links, Articles: i.Content.Articles,
		Tags: strings.Join(i.Audience.Tags, ", "), TagsMode: i.Audience.TagsMode,
		JoinedAfter: in(i.Audience.JoinedAfter, dayInput), JoinedBefore: in(i.Audience.JoinedBefore, dayInput),
		Uncertain: string(i.Uncertain), ExpiresAt: in(i.ExpiresAt, momentInput), Tracking: i.Tracking, Version: i.Version,
		Source: i.Audience.Source, Received: receivedText(i.Audience.Received),
	}
	f.OpenedLeast, f.OpenedOf = engaged(i.Audience.Opened)
	f.ClickedLeast, f.ClickedOf = engaged(i.Audience.Clicked)
	return f
}

// receivedText and receivedOf carry the readers of a correction through the form.
func receivedText(r *newsletter.Received) string {
	if r == nil {
		return ""
	}
	return strings.ReplaceAll(strings.Trim(fmt.Sprintf("%d:%v", r.Number, r.Editions), "]"), "[", "")
}

func receivedOf(text string) *newsletter.Received {
	number, editions, ok := strings.Cut(text, ":")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return nil
	}
	r := &newsletter.Received{Number: n}
	for _, word := range strings.Fields(editions) {
		if e, err := strconv.Atoi(word); err == nil {
			r.Editions = append(r.Editions, e)
		}
	}
	return r
}

// readForm takes the fields as they came. Rows of the round-up that are wholly empty are left out.
func readForm(v url.Values) issueForm {
	f := issueForm{
		Number: v.Get("number"), Subject: v.Get("subject"), Preheader: v.Get("preheader"), Kind: v.Get("kind"), WithoutAdConsent: v.Get("without_ad_consent"),
		Intro: v.Get("intro"), Sponsor: v.Get("sponsor"), Outro: v.Get("outro"), Articles: v["article"],
		Tags: v.Get("tags"), TagsMode: v.Get("tags_mode"), JoinedAfter: v.Get("joined_after"), JoinedBefore: v.Get("joined_before"),
		Source: strings.TrimSpace(v.Get("source")), OpenedLeast: v.Get("opened_least"), OpenedOf: v.Get("opened_of"),
		ClickedLeast: v.Get("clicked_least"), ClickedOf: v.Get("clicked_of"), Received: v.Get("received"),
		Uncertain: v.Get("uncertain"), ExpiresAt: v.Get("expires_at"), Tracking: v.Get("tracking") != "", To: v.Get("to"),
	}
	f.Version, _ = strconv.ParseInt(v.Get("version"), 10, 64)
	cell := func(name string, n int) string {
		if list := v[name]; n < len(list) {
			return strings.TrimSpace(list[n])
		}
		return ""
	}
	for n := range v["link_url"] {
		l := newsletter.RoundupLink{URL: cell("link_url", n), Title: cell("link_title", n), Source: cell("link_source", n), Summary: cell("link_summary", n)}
		if l != (newsletter.RoundupLink{}) {
			f.Links = append(f.Links, l)
		}
	}
	f.Links = append(f.Links, pastedLinks(v.Get("links"))...)
	return f
}

// pastedLinks reads lines of "address | title | source | line"; all but the address may be missing.
func pastedLinks(text string) (links []newsletter.RoundupLink) {
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		parts := append(strings.SplitN(line, "|", 4), "", "", "")
		links = append(links, newsletter.RoundupLink{
			URL: strings.TrimSpace(parts[0]), Title: strings.TrimSpace(parts[1]), Source: strings.TrimSpace(parts[2]), Summary: strings.TrimSpace(parts[3]),
		})
	}
	return links
}

// apply writes the form into an issue. Faults are of what has no place in an issue at all: a number that is none, a day
// that is none. A choice that the form does not carry leaves the issue's own.
func (f issueForm) apply(i *newsletter.Issue, loc *time.Location) error {
	var wrong newsletter.Faults
	fault := func(field, msg string) {
		wrong = append(wrong, &newsletter.Error{Kind: newsletter.Invalid, Field: field, Msg: msg})
	}
	moment := func(field, layout, text, msg string) time.Time {
		if text == "" {
			return time.Time{}
		}
		t, err := time.ParseInLocation(layout, text, loc)
		if err != nil {
			fault(field, msg)
		}
		return t.UTC()
	}
	if f.Number != "" {
		n, err := strconv.Atoi(strings.TrimSpace(f.Number))
		if err != nil || n < 1 {
			fault("number", "호 번호는 1부터 시작하는 숫자예요.")
		} else {
			i.Number = n
		}
	}
	i.Subject, i.Preheader, i.Kind = f.Subject, f.Preheader, newsletter.IssueKind(f.Kind)
	i.Intro, i.Sponsor, i.Outro, i.Links, i.Content.Articles = f.Intro, f.Sponsor, f.Outro, slices.Clone(f.Links), slices.Clone(f.Articles)
	if f.WithoutAdConsent != "" {
		i.WithoutAdConsent = f.WithoutAdConsent
	}
	if f.Uncertain != "" {
		i.Uncertain = newsletter.UncertainPolicy(f.Uncertain)
	}
	i.Tracking = f.Tracking
	i.Audience.Tags, i.Audience.TagsMode = splitTags(f.Tags), f.TagsMode
	i.Audience.JoinedAfter = moment("joined_after", dayInput, f.JoinedAfter, "날짜를 골라 주세요.")
	i.Audience.JoinedBefore = moment("joined_before", dayInput, f.JoinedBefore, "날짜를 골라 주세요.")
	engaged := func(field, least, of string) *newsletter.Engagement {
		if strings.TrimSpace(least) == "" {
			return nil
		}
		n, err := strconv.Atoi(strings.TrimSpace(least))
		m, err2 := strconv.Atoi(strings.TrimSpace(of))
		if err != nil || err2 != nil {
			fault("audience."+field, "숫자로 적어 주세요.")
		}
		return &newsletter.Engagement{Least: n, Of: m}
	}
	i.Audience.Source, i.Audience.Received = f.Source, receivedOf(f.Received)
	i.Audience.Opened, i.Audience.Clicked = engaged("opened", f.OpenedLeast, f.OpenedOf), engaged("clicked", f.ClickedLeast, f.ClickedOf)
	i.ExpiresAt = moment("expires_at", momentInput, f.ExpiresAt, "날짜와 시각을 골라 주세요.")
	return wrong.Err()
}

// splitTags reads tags from a line with commas.
func splitTags(line string) (tags []string) {
	for part := range strings.SplitSeq(line, ",") {
		if part = strings.TrimPrefix(strings.TrimSpace(part), "#"); part != "" && !slices.Contains(tags, part) {
			tags = append(tags, part)
		}
	}
	return tags
}

// step does what a button inside the form asks for: another row, a row up, down or away. It tells whether it was one of
// these, and where on the page the person was.
func (f *issueForm) step(do, pick string) (anchor string, ok bool) {
	verb, at, _ := strings.Cut(do, ":")
	n, err := strconv.Atoi(at)
	if at != "" && err != nil {
		return "", false
	}
	switch verb {
	case "link-add":
		f.Links = append(f.Links, newsletter.RoundupLink{})
		return fmt.Sprintf("links-%d-url", len(f.Links)-1), true
	case "link-up", "link-down", "link-remove":
		f.Links = shift(f.Links, verb, n)
		return "links", true
	case "article-add":
		if pick != "" && !slices.Contains(f.Articles, pick) {
			f.Articles = append(f.Articles, pick)
		}
		return "articles", true
	case "article-up", "article-down", "article-remove":
		f.Articles = shift(f.Articles, verb, n)
		return "articles", true
	}
	return "", false
}

// shift moves or removes one row; a row that is not there leaves the list alone.
func shift[T any](rows []T, verb string, n int) []T {
	if n < 0 || n >= len(rows) {
		return rows
	}
	rows = slices.Clone(rows)
	switch {
	case strings.HasSuffix(verb, "-remove"):
		return slices.Delete(rows, n, n+1)
	case strings.HasSuffix(verb, "-up") && n > 0:
		rows[n], rows[n-1] = rows[n-1], rows[n]
	case strings.HasSuffix(verb, "-down") && n < len(rows)-1:
		rows[n], rows[n+1] = rows[n+1], rows[n]
	}
	return rows
}

// changedFields names what two versions of a form differ in, with the text of the other one.
type changedField struct{ Name, Theirs string }

func changedFields(mine, theirs issueForm) (list []changedField) {
	lines := func(f issueForm) string {
		out := make([]string, len(f.Links))
		for n, l := range f.Links {
			out[n] = strings.TrimRight(strings.Join([]string{l.URL, l.Title, l.Source, l.Summary}, " | "), " |")
		}
		return strings.Join(out, "\n")
	}
	plain := strings.NewReplacer("\r\n", "\n")
	for _, f := range []struct{ name, mine, theirs string }{
		{"호 번호", mine.Number, theirs.Number}, {"제목", mine.Subject, theirs.Subject}, {"미리보기 글", mine.Preheader, theirs.Preheader},
		{"종류", mine.Kind, theirs.Kind}, {"인사말", mine.Intro, theirs.Intro}, {"IT 이슈 모음", lines(mine), lines(theirs)},
		{"아티클", strings.Join(mine.Articles, "\n"), strings.Join(theirs.Articles, "\n")}, {"협찬", mine.Sponsor, theirs.Sponsor},
		{"마무리", mine.Outro, theirs.Outro}, {"받는 사람 태그", mine.Tags, theirs.Tags}, {"만료", mine.ExpiresAt, theirs.ExpiresAt},
	} {
		if strings.TrimSpace(plain.Replace(f.mine)) != strings.TrimSpace(f.theirs) {
			list = append(list, changedField{f.name, f.theirs})
		}
	}
	return list
}
