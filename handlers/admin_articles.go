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
	Site                             string
	Faults                           faults
	Preview                          template.HTML
	Conflict                         []changedField
	IsConflict, Previewing           bool
	Issues                           []int
}

func articleForm(a newsletter.Article) articleEdit {
	return articleEdit{
		Stored: a.Slug, Title: a.Title, Slug: a.Slug, Summary: a.Summary, Tags: strings.Join(a.Tags, ", "), Body: a.Body, Version: a.Version,
		Published: a.Status == newsletter.ArticlePublished, Closed: a.CommentsClosed, Site: articlePath(a.Slug), State: articleBadges[a.Status],
	}
}

func readArticle(c echo.Context, v *articleEdit) {
	v.Title, v.Slug, v.Summary = c.FormValue("title"), strings.TrimSpace(c.FormValue("slug")), c.FormValue("summary")
	v.Tags, v.Body, v.Closed = c.FormValue("tags"), c.FormValue("body"), ticked(c, "comments_closed")
	v.Version, _ = strconv.ParseInt(c.FormValue("version"), 10, 64)
}

// apply writes the form into an article; publish and unpublish are buttons of the same form.
func (v articleEdit) apply(a *newsletter.Article, do string) {
	a.Title, a.Slug, a.Summary, a.Tags, a.Body = v.Title, v.Slug, v.Summary, splitTags(v.Tags), v.Body
	a.CommentsClosed = v.Closed
	switch do {
	case "publish":
		a.Status = newsletter.ArticlePublished
	case "unpublish":
		a.Status = newsletter.ArticleDraft
	}
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
	return s.showArticle(c, http.StatusOK, articleForm(a))
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
	theirs := articleForm(stored)
	v.Version, v.IsConflict = stored.Version, true
	plain := strings.NewReplacer("\r\n", "\n")
	for _, f := range []struct{ name, mine, theirs string }{
		{"제목", v.Title, theirs.Title}, {"요약", v.Summary, theirs.Summary}, {"태그", v.Tags, theirs.Tags}, {"본문", v.Body, theirs.Body},
	} {
		if strings.TrimSpace(plain.Replace(f.mine)) != strings.TrimSpace(f.theirs) {
			v.Conflict = append(v.Conflict, changedField{f.name, f.theirs})
		}
	}
	return s.showArticle(c, http.StatusConflict, v)
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
