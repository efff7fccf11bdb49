package handlers

import (
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

type articleRow struct {
	Title, Link, Site string
	State             stateBadge
	At                time.Time
	Views             int64
	Tags              []string
}

var articleBadges = map[newsletter.ArticleStatus]stateBadge{
	newsletter.ArticleDraft: {"작성중", "plain"}, newsletter.ArticlePublished: {"발행", "good"},
}

type articlesView struct {
	Query  string
	States []choice
	Status string
	Rows   []articleRow
	Pager  pager
	Any    bool
}

func deskArticle(slug string) string { return "/admin/articles/" + url.PathEscape(slug) }

func (s *server) deskArticles(c echo.Context) error {
	f := newsletter.ArticleFilter{Query: query(c), Cursor: cursorOf(c), Limit: 30}
	v := articlesView{Query: f.Query}
	for _, st := range []newsletter.ArticleStatus{"", newsletter.ArticlePublished, newsletter.ArticleDraft} {
		on := c.QueryParam("status") == string(st)
		if on {
			f.Status, v.Status = st, string(st)
		}
		name := "전체"
		if st != "" {
			name = articleBadges[st].Name
		}
		v.States = append(v.States, choice{Value: string(st), Name: name, On: on})
	}
	list, more, err := s.svc.Articles(c.Request().Context(), f)
	if err != nil {
		return err
	}
	for _, a := range list {
		r := articleRow{Title: a.Title, Link: deskArticle(a.Slug), State: articleBadges[a.Status], At: a.PublishedAt, Views: a.Views, Tags: a.Tags}
		if a.Status == newsletter.ArticlePublished {
			r.Site = articlePath(a.Slug)
		} else {
			r.At = a.UpdatedAt
		}
		v.Rows = append(v.Rows, r)
	}
	v.Any = len(v.Rows) > 0 || f.Query != "" || f.Status != "" || f.Cursor != 0
	if len(list) > 0 {
		v.Pager = pageAfter(c, more, int64(list[len(list)-1].ID))
	}
	return s.deskPage(c, http.StatusOK, "admin/articles", "articles", "아티클", v)
}

// articleEdit is an article as it stands in the form.
type articleEdit struct {
	Stored                           string // the slug it is kept under, "" when it is new
	Action                           string
	Title, Slug, Summary, Tags, Body string
	Version                          int64
	State                            stateBadge
	Published, Closed                bool
	Cover, CoverAlt, PublishAt       string
	Covers                           []mediaRow
	Secret                           string // address under which a draft can be read
	Autosave                         string
	Planned                          time.Time
	Site                             string
	Faults                           faults
	Preview                          template.HTML
	Conflict                         []changedField
	IsConflict, Previewing           bool
	Issues                           []int
	Cards                            int // bare links
}

func articleForm(a newsletter.Article) articleEdit {
	return articleEdit{
		Cover: a.Cover, CoverAlt: a.CoverAlt, Planned: a.PublishAt,
		Stored: a.Slug, Title: a.Title, Slug: a.Slug, Summary: a.Summary, Tags: strings.Join(a.Tags, ", "), Body: a.Body, Version: a.Version,
		Published: a.Status == newsletter.ArticlePublished, Closed: a.CommentsClosed, Site: articlePath(a.Slug), State: articleBadges[a.Status],
	}
}

func readArticle(c echo.Context, v *articleEdit) {
	v.Title, v.Slug, v.Summary = c.FormValue("title"), strings.TrimSpace(c.FormValue("slug")), c.FormValue("summary")
	v.Tags, v.Body, v.Closed = c.FormValue("tags"), c.FormValue("body"), ticked(c, "comments_closed")
	v.Version, _ = strconv.ParseInt(c.FormValue("version"), 10, 64)
	v.Cover, v.CoverAlt, v.PublishAt = c.FormValue("cover"), c.FormValue("cover_alt"), c.FormValue("publish_at")
}

// apply writes the form into an article; publish and unpublish are buttons of the same form.
func (v articleEdit) apply(a *newsletter.Article, do string) {
	a.Title, a.Slug, a.Summary, a.Tags, a.Body = v.Title, v.Slug, v.Summary, splitTags(v.Tags), v.Body
	a.CommentsClosed, a.Cover, a.CoverAlt = v.Closed, v.Cover, v.CoverAlt
	switch do {
	case "publish":
		a.Status = newsletter.ArticlePublished
	case "unpublish":
		a.Status = newsletter.ArticleDraft
	case "plan":
		a.PublishAt = v.Planned
	case "unplan":
		a.PublishAt = time.Time{}
	}
}

// plan reads the time at which a draft is to be published; it has to lie ahead.
func (v *articleEdit) plan(do string, loc *time.Location, now time.Time) error {
	if do != "plan" {
		return nil
	}
	at, err := time.ParseInLocation(momentInput, v.PublishAt, loc)
	if err != nil || !at.After(now) {
		return &newsletter.Error{Kind: newsletter.Invalid, Field: "publish_at", Msg: "앞으로 올 날짜와 시각을 골라 주세요."}
	}
	v.Planned = at.UTC()
	return nil
}

func (s *server) showArticle(c echo.Context, status int, v articleEdit) error {
	title := "새 아티클"
	v.Action = "/admin/articles/new"
	if v.Stored != "" {
		title, v.Action = v.Title, deskArticle(v.Stored)
		issues, err := s.svc.IssuesOfArticle(c.Request().Context(), v.Stored)
		if err != nil {
			return err
		}
		for _, i := range issues {
			v.Issues = append(v.Issues, i.Number)
		}
		if !v.Published {
			v.Autosave = v.Action + "/autosave"
		}
		if v.Secret, err = s.secretPreview(c, v.Stored); err != nil {
			return err
		}
	}
	covers, _, err := s.svc.MediaList(c.Request().Context(), "", 0, 24)
	if err != nil {
		return err
	}
	for _, m := range covers {
		v.Covers = append(v.Covers, mediaRowOf(m))
	}
	if !v.Planned.IsZero() && v.PublishAt == "" {
		v.PublishAt = v.Planned.In(s.loc).Format(momentInput)
	}
	if title == "" {
		title = "아티클"
	}
	return s.deskPage(c, status, "admin/article", "articles", title, v)
}

func (s *server) newArticle(c echo.Context) error {
	return s.showArticle(c, http.StatusOK, articleEdit{})
}

func (s *server) editArticle(c echo.Context) error {
	a, err := s.svc.Article(c.Request().Context(), param(c, "slug"))
	if err != nil {
		return err
	}
	cards, err := s.svc.CardsOfArticle(c.Request().Context(), a)
	if err != nil {
		return err
	}
	v := articleForm(a)
	v.Cards = len(cards)
	return s.showArticle(c, http.StatusOK, v)
}

// previewArticle shows the text by the site's own renderer, which lets no markup of the editor's through.
func (s *server) previewArticle(c echo.Context, v articleEdit) error {
	html, err := templates.Markdown(v.Body)
	if err != nil {
		return err
	}
	v.Preview, v.Previewing = html, true
	return s.showArticle(c, http.StatusOK, v)
}

func (s *server) createArticle(c echo.Context) error {
	var v articleEdit
	readArticle(c, &v)
	do := c.FormValue("do")
	if do == "preview" {
		return s.previewArticle(c, v)
	}
	var a newsletter.Article
	if wrong, status, ok := faultsFrom(v.plan(do, s.loc, s.now())); ok {
		v.Faults = wrong
		return s.showArticle(c, status, v)
	}
	v.apply(&a, do)
	a, err := s.svc.CreateArticle(c.Request().Context(), actorOf(c), a)
	if wrong, status, ok := faultsFrom(err); ok {
		v.Faults = wrong
		return s.showArticle(c, status, v)
	}
	if err != nil {
		return err
	}
	return doneAt(c, deskArticle(a.Slug), articleDone(do, "created"))
}

func articleDone(do, otherwise string) string {
	switch do {
	case "publish":
		return "published"
	case "unpublish":
		return "unpublished"
	case "plan":
		return "planned"
	}
	return otherwise
}

func (s *server) saveArticle(c echo.Context) error {
	ctx, slug := c.Request().Context(), param(c, "slug")
	stored, err := s.svc.Article(ctx, slug)
	if err != nil {
		return err
	}
	v := articleForm(stored)
	readArticle(c, &v)
	do := c.FormValue("do")
	if do == "preview" {
		return s.previewArticle(c, v)
	}
	if wrong, status, ok := faultsFrom(v.plan(do, s.loc, s.now())); ok {
		v.Faults = wrong
		return s.showArticle(c, status, v)
	}
	a, err := s.svc.UpdateArticle(ctx, actorOf(c), slug, func(a *newsletter.Article) error {
		v.apply(a, do)
		return nil
	}, v.Version)
	if isVersion(err) {
		return s.articleConflict(c, v, stored)
	}
	if wrong, status, ok := faultsFrom(err); ok {
		v.Faults = wrong
		return s.showArticle(c, status, v)
	}
	if err != nil {
		return err
	}
	return doneAt(c, deskArticle(a.Slug), articleDone(do, "saved"))
}

// articleConflict keeps both texts, as the composer does.
func (s *server) articleConflict(c echo.Context, v articleEdit, stored newsletter.Article) error {
	v.Version, v.IsConflict, v.Conflict = stored.Version, true, changedTexts(v, articleForm(stored))
	return s.showArticle(c, http.StatusConflict, v)
}

// changedTexts names what two states of an article differ in, with the text of the other one.
func changedTexts(mine, theirs articleEdit) (list []changedField) {
	plain := strings.NewReplacer("\r\n", "\n")
	for _, f := range []struct{ name, mine, theirs string }{
		{"제목", mine.Title, theirs.Title}, {"요약", mine.Summary, theirs.Summary}, {"태그", mine.Tags, theirs.Tags}, {"본문", mine.Body, theirs.Body},
		{"대표 그림", mine.Cover, theirs.Cover}, {"대표 그림 설명", mine.CoverAlt, theirs.CoverAlt},
	} {
		if strings.TrimSpace(plain.Replace(f.mine)) != strings.TrimSpace(f.theirs) {
			list = append(list, changedField{f.name, f.theirs})
		}
	}
	return list
}

// secretLife is how long a link to a draft works.
const secretLife = 14 * 24 * time.Hour

// secretPreview is an address under which whoever has it reads an article that is not published yet. It changes once a day, so that a
// page that was only opened again says the same.
func (s *server) secretPreview(c echo.Context, slug string) (string, error) {
	a, err := s.svc.Article(c.Request().Context(), slug)
	if err != nil || a.Status == newsletter.ArticlePublished {
		return "", err
	}
	return s.baseURL + "/preview/" + s.svc.PreviewToken(a.ID, s.now().Truncate(24*time.Hour).Add(secretLife)), nil
}

// previewLink shows a draft as its page will look. An article that was published since leads to its page.
func (s *server) previewLink(c echo.Context) error {
	a, err := s.svc.PreviewedArticle(c.Request().Context(), c.Param("token"))
	if err != nil {
		return err
	}
	if a.Status == newsletter.ArticlePublished {
		return c.Redirect(http.StatusSeeOther, articlePath(a.Slug))
	}
	return s.draftPage(c, a)
}

func (s *server) deleteArticleForm(c echo.Context) error {
	a, err := s.svc.Article(c.Request().Context(), param(c, "slug"))
	if err != nil {
		return err
	}
	text := "본문이 사라지고 되돌릴 수 없어요. 이미 보낸 편지는 그대로 남아요."
	if a.Status == newsletter.ArticlePublished {
		text += " 사이트의 이 글 주소로 오는 사람은 ‘없는 페이지’를 보게 돼요."
	}
	return s.deskPage(c, http.StatusOK, "admin/confirm", "articles", "아티클 지우기", surelyView{
		Heading: "아티클 ‘" + a.Title + "’ 지우기", Text: text, Action: deskArticle(a.Slug) + "/delete", Button: "아티클 지우기", Back: deskArticle(a.Slug),
	})
}

func (s *server) deleteArticle(c echo.Context) error {
	if err := s.svc.DeleteArticle(c.Request().Context(), actorOf(c), param(c, "slug")); err != nil {
		return err
	}
	return doneAt(c, "/admin/articles", "deleted")
}
