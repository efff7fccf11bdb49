package handlers

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// composeView is the composer: the form as it stands, what is wrong with it, and what the letter would be.
type composeView struct {
	issueForm
	Stored     int // the number under which it is kept; 0: not yet
	Action     string
	Autosave   string
	FromName   string
	Repair     string // letters or page: an issue that has begun to leave is mended
	Reason     string
	Faults     faults
	Unsaved    bool   // rows were moved in the form only
	At         string // the element to go on at
	Conflict   []changedField
	IsConflict bool
	Chosen     []articlePick
	Choices    []articlePick
	AllTags    []string
	Sources    []string
	Pile       []pileRow
	Checks     []checkLine
	Recipients int64
}

type articlePick struct {
	Slug, Title string
	Draft, Gone bool
}

type checkLine struct{ Level, Word, Text, Field string }

// Rows shows one empty row where there are none, so that there is always somewhere to paste an address.
func (v composeView) Rows() []newsletter.RoundupLink {
	if len(v.Links) == 0 {
		return []newsletter.RoundupLink{{}}
	}
	return v.Links
}

// SubjectLength is counted as mail programs show it.
func (v composeView) SubjectLength() int { return newsletter.Graphemes(v.Subject) }

// Parts are the three forms in which an issue reaches people.
func (composeView) Parts() []choice {
	return []choice{{Value: "html", Name: "메일"}, {Value: "web", Name: "웹"}, {Value: "text", Name: "텍스트"}}
}

var checkWords = map[string]string{"block": "막힘", "warn": "주의", "ok": "좋아요"}

// checkField names the element of a check's field.
func checkField(field string) string {
	switch {
	case field == "audience":
		return "tags"
	case strings.HasPrefix(field, "articles"):
		return "articles"
	}
	return fieldID(field)
}

func checkLines(checks []newsletter.Check) []checkLine {
	lines := make([]checkLine, len(checks))
	for n, ch := range checks {
		lines[n] = checkLine{ch.Level, checkWords[ch.Level], ch.Text, checkField(ch.Field)}
	}
	return lines
}

// compose shows the form.
func (s *server) compose(c echo.Context, status int, v composeView) error {
	ctx := c.Request().Context()
	v.Action, v.Autosave = "/admin/issues/new", "/admin/issues/autosave"
	if v.Stored != 0 {
		v.Action = fmt.Sprintf("/admin/issues/%d", v.Stored)
		v.Autosave = v.Action + "/autosave"
	}
	if v.Repair != "" {
		v.Action, v.Autosave = v.Action+"/repair", ""
	}
	list, _, err := s.svc.Articles(ctx, newsletter.ArticleFilter{Limit: 100})
	if err != nil {
		return err
	}
	known := map[string]articlePick{}
	for _, a := range list {
		known[a.Slug] = articlePick{Slug: a.Slug, Title: a.Title, Draft: a.Status != newsletter.ArticlePublished}
	}
	for _, slug := range v.Articles {
		pick, ok := known[slug]
		if !ok {
			pick = s.pickOld(c, slug)
		}
		v.Chosen = append(v.Chosen, pick)
		delete(known, slug)
	}
	for _, a := range list {
		if pick, free := known[a.Slug]; free {
			v.Choices = append(v.Choices, pick)
		}
	}
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	if v.FromName = house.FromName; v.FromName == "" {
		v.FromName = house.SiteName
	}
	if v.AllTags, err = s.svc.SubscriberTags(ctx); err != nil {
		return err
	}
	if v.Sources, err = s.svc.SubscriberSources(ctx); err != nil {
		return err
	}
	if v.Pile, err = s.pileFor(c, v.issueForm); err != nil {
		return err
	}
	if v.Stored != 0 && v.Repair == "" {
		checks, err := s.svc.CheckIssue(ctx, v.Stored)
		if err != nil {
			return err
		}
		v.Checks = checkLines(checks)
		audience, err := s.svc.Audience(ctx, v.Stored)
		if err != nil {
			return err
		}
		v.Recipients = audience.Recipients
	}
	title := "새 호"
	if v.Stored != 0 {
		title = fmt.Sprintf("%d호 쓰기", v.Stored)
	}
	if v.Repair != "" {
		title = fmt.Sprintf("%d호 고치기", v.Stored)
	}
	return s.deskPage(c, status, "admin/issue", "issues", title, v)
}

// pickOld is an article that is not among the newest hundred, or no more.
func (s *server) pickOld(c echo.Context, slug string) articlePick {
	a, err := s.svc.Article(c.Request().Context(), slug)
	if err != nil {
		return articlePick{Slug: slug, Title: slug, Gone: true}
	}
	return articlePick{Slug: slug, Title: a.Title, Draft: a.Status != newsletter.ArticlePublished}
}

func (s *server) newIssue(c echo.Context) error {
	next, err := s.svc.NextIssue(c.Request().Context())
	if err != nil {
		return err
	}
	return s.compose(c, http.StatusOK, composeView{issueForm: formOf(next, s.loc)})
}

func (s *server) editIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	i, err := s.svc.Issue(c.Request().Context(), n)
	if err != nil {
		return err
	}
	if i.State != newsletter.IssueDraft {
		return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d/send", n))
	}
	return s.compose(c, http.StatusOK, composeView{issueForm: formOf(i, s.loc), Stored: n})
}

// posted reads the composer. A button that only moves rows is answered here, and then more is false.
func (s *server) posted(c echo.Context, stored int) (f issueForm, more bool, err error) {
	values, err := c.FormParams()
	if err != nil {
		return f, false, err
	}
	f = readForm(values)
	if id, ok := cutPile(values.Get("do")); ok {
		anchor, err := s.takeFromPile(c, &f, id)
		if err != nil {
			return f, false, err
		}
		return f, false, s.compose(c, http.StatusOK, composeView{issueForm: f, Stored: stored, Unsaved: true, At: anchor})
	}
	if f.Links, _, err = s.svc.FillLinks(c.Request().Context(), f.Links); err != nil {
		return f, false, err
	}
	if anchor, ok := f.step(values.Get("do"), values.Get("article_pick")); ok {
		return f, false, s.compose(c, http.StatusOK, composeView{issueForm: f, Stored: stored, Unsaved: true, At: anchor})
	}
	return f, true, nil
}

// cutPile reads which link of the pile a button takes.
func cutPile(do string) (id string, ok bool) { return strings.CutPrefix(do, "pile:") }

// takeFromPile moves a link from the pile into the round-up. It stays on the pile, which says from now on that an issue carries it:
// a row that is taken out again is not lost.
func (s *server) takeFromPile(c echo.Context, f *issueForm, raw string) (anchor string, err error) {
	id, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		return "links", nil
	}
	l, err := s.svc.PiledLink(c.Request().Context(), id)
	if newsletter.KindOf(err) == newsletter.NotFound { // thrown away in another window
		return "links", nil
	}
	if err == nil {
		f.Links = append(f.Links, l)
	}
	return "pile", err
}

func (s *server) createIssue(c echo.Context) error {
	f, more, err := s.posted(c, 0)
	if err != nil || !more {
		return err
	}
	var i newsletter.Issue
	if err = f.apply(&i, s.loc); err == nil {
		i, err = s.svc.CreateIssue(c.Request().Context(), actorOf(c), i)
	}
	if wrong, status, ok := faultsFrom(err); ok {
		return s.compose(c, status, composeView{issueForm: f, Faults: wrong})
	}
	if err != nil {
		return err
	}
	f.Version = i.Version
	return s.afterSave(c, i.Number, f)
}

func (s *server) saveIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	f, more, err := s.posted(c, n)
	if err != nil || !more {
		return err
	}
	i, err := s.svc.UpdateIssue(c.Request().Context(), actorOf(c), n, func(i *newsletter.Issue) error { return f.apply(i, s.loc) }, f.Version)
	if isVersion(err) {
		return s.conflict(c, n, f)
	}
	if wrong, status, ok := faultsFrom(err); ok {
		return s.compose(c, status, composeView{issueForm: f, Stored: n, Faults: wrong})
	}
	if err != nil {
		return err
	}
	return s.afterSave(c, i.Number, f)
}

func isVersion(err error) bool { return codeOf(err) == "version" }

// conflict shows both texts: the person's in the form, the stored one beside it. Saving again takes the form's.
func (s *server) conflict(c echo.Context, n int, mine issueForm) error {
	i, err := s.svc.Issue(c.Request().Context(), n)
	if err != nil {
		return err
	}
	theirs := formOf(i, s.loc)
	mine.Version = theirs.Version
	return s.compose(c, http.StatusConflict, composeView{issueForm: mine, Stored: n, IsConflict: true, Conflict: changedFields(mine, theirs)})
}

// afterSave goes on with what the button asked for beyond saving.
func (s *server) afterSave(c echo.Context, n int, f issueForm) error {
	at := fmt.Sprintf("/admin/issues/%d", n)
	switch c.FormValue("do") {
	case "send":
		return c.Redirect(http.StatusSeeOther, at+"/send")
	case "test":
		return s.test(c, n, f.To)
	}
	return doneAt(c, at, "saved")
}

// testIssue sends a test of what is stored; the composer's own button saves first.
func (s *server) testIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	return s.test(c, n, c.FormValue("to"))
}

func (s *server) test(c echo.Context, n int, to string) error {
	ctx := c.Request().Context()
	list := strings.FieldsFunc(to, func(r rune) bool { return strings.ContainsRune(", ;\n\r\t", r) })
	_, err := s.svc.TestIssue(ctx, actorOf(c), n, list)
	if wrong, status, ok := faultsFrom(err); ok {
		i, err := s.svc.Issue(ctx, n)
		if err != nil {
			return err
		}
		for _, f := range wrong {
			if f.Field == "" {
				f.Field = "to"
			}
		}
		v := composeView{issueForm: formOf(i, s.loc), Stored: n, Faults: wrong}
		v.To = to
		return s.compose(c, status, v)
	}
	if err != nil {
		return err
	}
	return doneAt(c, fmt.Sprintf("/admin/issues/%d", n), "tested")
}

// previewIssue is the letter as it is stored, in a frame of the composer.
func (s *server) previewIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	preview := s.svc.PreviewIssue
	if c.QueryParam("edition") == "info" {
		preview = func(ctx context.Context, n int) (string, string, error) {
			return s.svc.PreviewVariant(ctx, n, newsletter.VariantInfo)
		}
	}
	html, text, err := preview(c.Request().Context(), n)
	if err != nil {
		return err
	}
	return showLetter(c, c.QueryParam("part"), html, text)
}

// previewDraft is the letter as it stands in the form, which is not kept by looking at it.
func (s *server) previewDraft(c echo.Context) error {
	values, err := c.FormParams()
	if err != nil {
		return err
	}
	i := newsletter.Issue{WithoutAdConsent: newsletter.SkipWithoutAdConsent, Uncertain: newsletter.ResendOnce}
	err = readForm(values).apply(&i, s.loc)
	html, text := "", ""
	switch {
	case err != nil:
	case values.Get("part") == "web":
		if html, err = s.previewWeb(c, i); err == nil {
			c.Response().Header().Set("Content-Security-Policy", webFrameCSP)
		}
	default:
		html, text, err = s.svc.PreviewDraft(c.Request().Context(), i)
	}
	if wrong, status, ok := faultsFrom(err); ok {
		lines := make([]string, len(wrong))
		for n, f := range wrong {
			lines[n] = f.Msg
		}
		return c.String(status, "미리보기를 만들 수 없어요.\n\n"+strings.Join(lines, "\n"))
	}
	if err != nil {
		return err
	}
	return showLetter(c, values.Get("part"), inTheme(html, values.Get("theme")), text)
}

// webFrameCSP lets a page of the site be looked at in a frame of the desk: its styles and pictures, no scripts, no origin of ours.
const webFrameCSP = "default-src 'none'; style-src 'self'; img-src 'self' https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-popups"

// notInFrames are parts of a page that a sandbox refuses, loudly: scripts, and fonts, which want an origin.
var notInFrames = regexp.MustCompile(`<script[^>]*></script>|<link rel="stylesheet" href="[^"]*pretendard\.css">`)

// previewWeb is the issue's page on the site, from what stands in the form.
func (s *server) previewWeb(c echo.Context, i newsletter.Issue) (string, error) {
	snap, err := s.svc.DraftSnapshot(c.Request().Context(), i)
	if err != nil {
		return "", err
	}
	v := issueView{
		Number: i.Number, Title: snap.Subject, At: s.now(), Ad: snap.Kind == newsletter.KindAd, Author: snap.House.Author, AuthorLine: snap.House.AuthorLine,
		URL: s.baseURL + issuePath(i.Number), Letter: issuePath(i.Number) + "/letter", Form: s.newSignup().from("preview"), Comments: commentsView{Closed: true},
	}
	if err := v.fill(snap); err != nil {
		return "", err
	}
	var buf bytes.Buffer
	p := s.frame(c, templates.Page{Title: v.Title, NoIndex: true, Private: true, Body: v}, snap.House)
	p.Bar = ""
	if err := s.pages.Render(&buf, "site/issue", p); err != nil {
		return "", err
	}
	return notInFrames.ReplaceAllString(strings.ReplaceAll(buf.String(), stampHole, ""), ""), nil
}

// inTheme makes a letter or a page look as it does for people who like it so: a frame has the theme of the whole desk otherwise.
func inTheme(html, theme string) string {
	dark := "@media not all"
	switch theme {
	case "dark":
		dark = "@media all"
	case "light":
	default:
		return html
	}
	return strings.NewReplacer("@media (prefers-color-scheme: dark)", dark, `<meta name="color-scheme" content="light dark">`, `<meta name="color-scheme" content="`+theme+`">`,
		`<html lang="ko">`, `<html lang="ko" data-theme="`+theme+`">`).Replace(html)
}

func showLetter(c echo.Context, part, html, text string) error {
	if part == "text" {
		return c.String(http.StatusOK, text)
	}
	return c.HTML(http.StatusOK, html)
}
