package handlers

import (
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// issueCard is an issue in a list.
type issueCard struct {
	Number    int
	URL       string
	Title     string
	Preheader string
	At        time.Time
}

func issueCards(list []newsletter.Issue) []issueCard {
	cards := make([]issueCard, len(list))
	for i, is := range list {
		cards[i] = issueCard{is.Number, issuePath(is.Number), is.Subject, is.Preheader, is.SentAt()}
	}
	return cards
}

func issuePath(n int) string { return "/issues/" + strconv.Itoa(n) }

func itoa(n int) string { return strconv.Itoa(n) }

func (s *server) issues(c echo.Context) error {
	f := newsletter.IssueFilter{Public: true, Limit: 24}
	f.Cursor, _ = strconv.ParseInt(c.QueryParam("after"), 10, 64)
	list, more, err := s.svc.Issues(c.Request().Context(), f)
	if err != nil {
		return err
	}
	v := listView{Heading: "지난 호", Issues: issueCards(list), Form: s.newSignup().from("issues")}
	if more {
		v.More = "/issues?after=" + strconv.Itoa(list[len(list)-1].Number)
	}
	return s.page(c, http.StatusOK, "site/issues", templates.Page{
		Title: "지난 호", Canonical: s.baseURL + "/issues", NoIndex: f.Cursor != 0, Body: v,
	})
}

type issueView struct {
	Number     int
	Title      string
	At         time.Time
	Ad         bool
	Intro      template.HTML
	Links      []linkCard
	Articles   []leadCard
	Sponsor    template.HTML
	Outro      template.HTML
	Author     string
	AuthorLine string
	Letter     string
	URL        string
	Older      *issueCard
	Newer      *issueCard
	Comments   commentsView
	Form       signupView
	Mended     []newsletter.Correction
}

type linkCard struct {
	Anchor                      string
	URL, Title, Source, Summary string
}

// leadCard is the beginning of an article that an issue carries.
type leadCard struct {
	URL, Title, Author string
	Lead               template.HTML
}

// issue is a page of the site from the same content that the letter was made of.
func (s *server) issue(c echo.Context) error {
	n, err := issueNumber(c)
	if err != nil {
		return err
	}
	return s.issuePage(c, http.StatusOK, n, commentForm{})
}

func (s *server) issuePage(c echo.Context, status, n int, form commentForm) error {
	is, ed, err := s.svc.IssueEdition(c.Request().Context(), n)
	if err != nil {
		return err
	}
	comments, err := s.commentsOf(c, newsletter.CommentOn{Kind: newsletter.OnIssue, ID: int64(is.ID)}, issuePath(n), form)
	if err != nil {
		return err
	}
	v := issueView{
		Comments: comments,
		Number:   n, Title: ed.Snapshot.Subject, At: is.SentAt(), Ad: ed.Snapshot.Kind == newsletter.KindAd,
		Author: ed.Snapshot.House.Author, AuthorLine: ed.Snapshot.House.AuthorLine,
		URL: s.baseURL + issuePath(n), Letter: issuePath(n) + "/letter", Form: s.newSignup().from("issue:" + itoa(n)),
	}
	if err := v.fill(ed.Snapshot); err != nil {
		return err
	}
	if v.Mended, err = s.svc.Corrections(c.Request().Context(), is.ID); err != nil {
		return err
	}
	if v.Older, v.Newer, err = s.neighbours(c, n); err != nil {
		return err
	}
	return s.page(c, status, "site/issue", templates.Page{
		Title: strconv.Itoa(n) + "호 " + v.Title, Description: ed.Snapshot.Preheader, Canonical: v.URL, Kind: "article", Body: v,
		Image:      s.pictureURL(issuePath(n)+"/share.png", s.cardOf(ed.Snapshot.House, ed.Snapshot.Subject, "", is.SentAt(), n)),
		LinkedData: s.issueData(is, ed, v),
	})
}

// issueData is schema.org's NewsArticle: what the issue says and whose it is.
func (s *server) issueData(is newsletter.Issue, ed newsletter.Edition, v issueView) any {
	h := ed.Snapshot.House
	return map[string]any{
		"@context": "https://schema.org", "@type": "Article", "headline": v.Title, "description": ed.Snapshot.Preheader, "mainEntityOfPage": v.URL,
		"datePublished": is.SentAt().In(s.loc).Format(time.RFC3339), "dateModified": ed.CreatedAt.In(s.loc).Format(time.RFC3339),
		"image":        []string{s.pictureURL(issuePath(is.Number)+"/share.png", s.cardOf(h, v.Title, "", is.SentAt(), is.Number))},
		"commentCount": v.Comments.Count, "author": map[string]string{"@type": "Person", "name": h.Author},
		"publisher": map[string]string{"@type": "Organization", "name": h.SiteName, "url": s.baseURL},
		"isPartOf":  map[string]any{"@type": "PublicationIssue", "issueNumber": is.Number, "isPartOf": map[string]string{"@type": "Periodical", "name": h.SiteName}},
	}
}

func issueNumber(c echo.Context) (int, error) {
	n, err := strconv.Atoi(c.Param("number"))
	if err != nil || n < 0 || strconv.Itoa(n) != c.Param("number") {
		return 0, &newsletter.Error{Kind: newsletter.NotFound, Msg: "찾으시는 호가 없어요."}
	}
	return n, nil
}

// mergeTags are the places of a letter where a reader's name goes, as the mailer knows them.
var mergeTags = regexp.MustCompile(`\{이름(?:\|([^{}|]{0,40}))?\}|\$%name%\$`)

// unnamed greets whoever reads the page: nobody in particular.
func unnamed(text string) string {
	return mergeTags.ReplaceAllStringFunc(text, func(tag string) string {
		if m := mergeTags.FindStringSubmatch(tag); m[1] != "" {
			return m[1]
		}
		return "독자"
	})
}

// fill turns the frozen texts into HTML.
func (v *issueView) fill(snap newsletter.Snapshot) (err error) {
	for _, part := range []struct {
		text string
		html *template.HTML
	}{{snap.Intro, &v.Intro}, {snap.Sponsor, &v.Sponsor}, {snap.Outro, &v.Outro}} {
		if part.text == "" {
			continue
		}
		if *part.html, err = templates.Markdown(unnamed(part.text)); err != nil {
			return err
		}
	}
	for i, l := range snap.Links {
		v.Links = append(v.Links, linkCard{"link-" + strconv.Itoa(i+1), l.URL, l.Title, l.Source, l.Summary})
	}
	for _, a := range snap.Articles {
		lead, err := templates.Markdown(unnamed(leadOf(a.Body)))
		if err != nil {
			return err
		}
		v.Articles = append(v.Articles, leadCard{URL: articlePath(a.Slug), Title: a.Title, Author: a.Author, Lead: lead})
	}
	return nil
}

// neighbours finds the issues before and after. A list goes downwards from a number, so it begins a few above this one.
func (s *server) neighbours(c echo.Context, n int) (older, newer *issueCard, err error) {
	const reach = 10
	list, _, err := s.svc.Issues(c.Request().Context(), newsletter.IssueFilter{Public: true, Cursor: int64(n + reach + 1), Limit: reach + 2})
	if err != nil {
		return nil, nil, err
	}
	cards := issueCards(list)
	for i := range cards {
		switch {
		case cards[i].Number > n:
			newer = &cards[i]
		case cards[i].Number < n && older == nil:
			older = &cards[i]
		}
	}
	return older, newer, nil
}

// leadRunes is about how much of an article an issue's page shows.
const leadRunes = 320

// leadOf is the beginning of a Markdown text: whole paragraphs before the first heading, a few hundred characters.
func leadOf(body string) string {
	var lead []string
	n := 0
	for _, para := range strings.Split(strings.ReplaceAll(body, "\r\n", "\n"), "\n\n") {
		para = strings.TrimSpace(para)
		if para == "" {
			continue
		}
		if strings.HasPrefix(para, "#") {
			if n > 0 {
				break
			}
			continue
		}
		if lead = append(lead, para); n+len([]rune(para)) > leadRunes {
			break
		}
		n += len([]rune(para))
	}
	return strings.Join(lead, "\n\n")
}

type shareView struct {
	Number           int
	Title, Preheader string
	URL, Path        string
	Mail             string // a letter to a friend, to be finished by its writer
}

// shareIssue is what 친구에게 권하기 leads to: the address to pass on, by whatever way a friend is reached.
func (s *server) shareIssue(c echo.Context) error {
	n, err := issueNumber(c)
	if err != nil {
		return err
	}
	_, ed, err := s.svc.IssueEdition(c.Request().Context(), n)
	if err != nil {
		return err
	}
	v := shareView{Number: n, Title: ed.Snapshot.Subject, Preheader: ed.Snapshot.Preheader, URL: s.baseURL + issuePath(n), Path: issuePath(n)}
	v.Mail = "mailto:?subject=" + url.PathEscape(v.Title) + "&body=" + url.PathEscape("읽어 보면 좋을 것 같아서 보내요.\n\n"+v.URL)
	return s.page(c, http.StatusOK, "site/share", templates.Page{
		Title: "친구에게 권하기", Description: v.Title, Canonical: v.URL, NoIndex: true, Body: v,
	})
}

// letter is the issue as it was sent, in its own inline style, with nobody's personal links. It stands alone
// under a sandbox, so nothing in it can reach the site.
func (s *server) letter(c echo.Context) error {
	n, err := issueNumber(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if _, _, err := s.svc.IssueEdition(ctx, n); err != nil { // drafts have no public page
		return err
	}
	html, _, err := s.svc.PreviewIssue(ctx, n)
	if err != nil {
		return err
	}
	c.Response().Header().Set("X-Robots-Tag", "noindex")
	c.Response().Header().Set("Cache-Control", "no-cache")
	return c.HTML(http.StatusOK, html)
}
