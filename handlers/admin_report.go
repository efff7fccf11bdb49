package handlers

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// reportView is what there is to learn of an issue, in the editor's words.
type reportView struct {
	Number     int
	Subject    string
	At         time.Time
	Tracked    bool
	Recipients int64
	Tiles      []reportTile
	Hours      []newsletter.Hour
	AnyHour    bool
	Links      []reportLink
	Verdicts   []verdictLine
	Providers  []providerLine
	Leavings   []newsletter.Leaving
	Good, Bad  int64
	Past       []pastLine
	Low        []string
}

// reportTile is one figure with the same of the issue before.
type reportTile struct{ Name, Share, Note, Was, Link string }

type reportLink struct {
	ID                int64
	URL, Name, Target string
	Clicks, People    int64
	Share             string
	Percent           int64 // of the most clicked one, for the bar
}

type verdictLine struct {
	What, Why string
	N         int64
}

type providerLine struct {
	Domain, Share, Usual string
	Sent                 int64
	Low                  bool
}

type pastLine struct {
	newsletter.Past
	Opened, Clicked, Left string
	Now                   bool
}

// share is a part in per cent: 42.3%.
func share(n, of int64) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(of))
}

var verdictWords = map[string]string{
	newsletter.WhyAgent: "프록시나 검사기라고 스스로 밝혔어요", newsletter.WhySoon: "편지가 닿은 지 10초 안이었어요",
	newsletter.WhySweep: "여러 링크를 한꺼번에 눌렀어요", newsletter.WhyEarly: "편지가 닿기도 전이었어요",
}

func (s *server) report(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	st, err := s.svc.Story(c.Request().Context(), n)
	if err != nil {
		return err
	}
	return s.deskPage(c, http.StatusOK, "admin/report", "issues", fmt.Sprintf("%d호 통계", n), reportOf(st))
}

func reportOf(st newsletter.Story) reportView {
	now := st.Past[0]
	v := reportView{
		Number: st.Issue.Number, Subject: st.Issue.Subject, At: st.Issue.SentAt(), Tracked: st.Issue.Tracking, Recipients: st.Recipients, Hours: st.Hours,
		Leavings: st.Leavings, Good: st.Opinions[newsletter.OpinionGood], Bad: st.Opinions[newsletter.OpinionBad], Tiles: reportTiles(st),
	}
	for _, h := range st.Hours {
		v.AnyHour = v.AnyHour || h.Opens+h.Clicks+h.MachineOpens+h.MachineClicks > 0
	}
	for _, l := range st.Links {
		r := reportLink{ID: l.ID, URL: l.URL, Name: linkName(st.Issue, l.URL), Target: l.Target, Clicks: l.Clicks, People: l.People, Share: share(l.People, now.Sent)}
		if most := st.Links[0].People; most > 0 {
			r.Percent = 100 * l.People / most
		}
		v.Links = append(v.Links, r)
	}
	for _, t := range st.Verdicts {
		line := verdictLine{What: "열람", Why: "사람으로 봤어요", N: t.N}
		if t.Click {
			line.What = "클릭"
		}
		if t.Why != "" {
			line.Why = "자동 — " + verdictWords[t.Why]
		}
		v.Verdicts = append(v.Verdicts, line)
	}
	for _, p := range st.Providers {
		line := providerLine{Domain: p.Domain, Sent: p.Sent, Share: share(p.Opened, p.Sent), Usual: "–", Low: p.Low}
		if p.Usual >= 0 {
			line.Usual = fmt.Sprintf("%.1f%%", 100*p.Usual)
		}
		if p.Low {
			v.Low = append(v.Low, p.Domain)
		}
		v.Providers = append(v.Providers, line)
	}
	v.Past = pastLines(st.Past)
	return v
}

// linkName is what the editor calls a link: its title in the round-up, or its address as people read it.
func linkName(i newsletter.Issue, address string) string {
	for _, l := range i.Links {
		if l.URL == address && l.Title != "" {
			return l.Title
		}
	}
	if plain, err := url.PathUnescape(address); err == nil {
		return plain
	}
	return address
}

func pastLines(past []newsletter.Past) (lines []pastLine) {
	for n, p := range past {
		lines = append(lines, pastLine{p, share(p.Opened, p.Sent), share(p.Clicked, p.Sent), share(p.Left, p.Sent), n == 0})
	}
	return lines
}

func reportTiles(st newsletter.Story) []reportTile {
	now := st.Past[0]
	was := func(part func(newsletter.Past) int64) string {
		if len(st.Past) < 2 {
			return ""
		}
		p := st.Past[1]
		return fmt.Sprintf("지난 %d호 %s", p.Number, share(part(p), p.Sent))
	}
	letters := fmt.Sprintf("/admin/issues/%d/letters", st.Issue.Number)
	tiles := []reportTile{{
		Name: "발송 성공", Share: share(now.Sent, st.Recipients), Link: letters + "?state=sent",
		Note: fmt.Sprintf("%s / %s통, 서버가 받았어요", newsletter.Thousands(now.Sent), newsletter.Thousands(st.Recipients)),
	}}
	if st.Issue.Tracking {
		tiles = append(tiles,
			reportTile{Name: "열람(추정)", Share: share(now.Opened, now.Sent), Was: was(func(p newsletter.Past) int64 { return p.Opened }),
				Note: fmt.Sprintf("%s명 · 자동까지 %s통", newsletter.Thousands(now.Opened), newsletter.Thousands(st.Opened))},
			reportTile{Name: "클릭", Share: share(now.Clicked, now.Sent), Was: was(func(p newsletter.Past) int64 { return p.Clicked }),
				Note: fmt.Sprintf("%s명 · 자동까지 %s통", newsletter.Thousands(now.Clicked), newsletter.Thousands(st.Clicked))})
	}
	return append(tiles,
		reportTile{Name: "수신거부", Share: share(now.Left, now.Sent), Was: was(func(p newsletter.Past) int64 { return p.Left }), Note: newsletter.Thousands(now.Left) + "명"},
		reportTile{Name: "반송", Share: share(now.Bounced, now.Sent), Was: was(func(p newsletter.Past) int64 { return p.Bounced }), Note: newsletter.Thousands(now.Bounced) + "통", Link: "/admin/feedback"})
}

// reportCSV is a list of an issue's letters for a spreadsheet.
func (s *server) reportCSV(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	if _, err := s.svc.Issue(c.Request().Context(), n); err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/csv; charset=utf-8")
	h.Set(echo.HeaderContentDisposition, fmt.Sprintf(`attachment; filename="issue-%d.csv"`, n))
	return s.svc.ExportLetters(c.Request().Context(), actorOf(c), n, c.Response())
}

var letterLinks = regexp.MustCompile(`<a\b[^>]*href="([^"]*)"[^>]*>(?s:.*?)</a>`)

// clickMap is the letter with the number of people beside each link that they followed.
func (s *server) clickMap(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	report, err := s.svc.Report(ctx, n)
	if err != nil {
		return err
	}
	letter, _, err := s.svc.PreviewIssue(ctx, n)
	if err != nil {
		return err
	}
	people, clicks := map[string]newsletter.LinkTally{}, int64(0)
	for _, l := range report.Links {
		people[l.URL] = l
		clicks += l.People
	}
	letter = letterLinks.ReplaceAllStringFunc(letter, func(link string) string {
		l, ok := people[html.UnescapeString(letterLinks.FindStringSubmatch(link)[1])]
		if !ok {
			return link
		}
		style := "background-color:#6a645b"
		if l.People > 0 {
			style = "background-color:#0b5c9e"
		}
		return link + fmt.Sprintf(` <span style="%s;color:#ffffff;font-size:12px;font-weight:700;padding:1px 6px;border-radius:9px;white-space:nowrap">%d명 · %s</span>`, style, l.People, share(l.People, clicks))
	})
	return c.HTML(http.StatusOK, inTheme(letter, "light"))
}
