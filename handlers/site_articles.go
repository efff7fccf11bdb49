package handlers

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/text/unicode/norm"

	"techissue/newsletter"
	"techissue/templates"
)

// articleCard is an article in a list.
type articleCard struct {
	URL, Title, Summary string
	Tags                []string
	At                  time.Time
	Views, Comments     int64
	Cover               string // address of its small picture; without one it is drawn
	Number              int    // of the issue that carried it first, 0 for none: the drawn cover's
}

// articleCards are the articles of a list with what stands on their covers.
func (s *server) articleCards(ctx context.Context, list []newsletter.Article) ([]articleCard, error) {
	numbers, err := s.svc.NumbersOfArticles(ctx, list)
	if err != nil {
		return nil, err
	}
	cards := make([]articleCard, len(list))
	for i, a := range list {
		cards[i] = articleCard{articlePath(a.Slug), a.Title, a.Summary, a.Tags, a.PublishedAt, a.Views, a.Comments, "", numbers[a.ID]}
		if a.Cover != "" {
			cards[i].Cover = newsletter.CoverPath(a.Cover, smallCover)
		}
	}
	return cards, nil
}

// articlePath keeps Hangul in addresses, percent-encoded (korea.md).
func articlePath(slug string) string { return "/articles/" + url.PathEscape(slug) }

func tagPath(tag string) string { return "/tags/" + url.PathEscape(tag) }

const (
	homeArticles = 6
	pageSize     = 12
)

func published(f newsletter.ArticleFilter) newsletter.ArticleFilter {
	f.Status = newsletter.ArticlePublished
	return f
}

// home is the front door: what this is, the form, the newest articles.
func (s *server) home(c echo.Context) error {
	ctx := c.Request().Context()
	list, _, err := s.svc.Articles(ctx, published(newsletter.ArticleFilter{Limit: homeArticles}))
	if err != nil {
		return err
	}
	issues, _, err := s.svc.Issues(ctx, newsletter.IssueFilter{Public: true, Limit: 4})
	if err != nil {
		return err
	}
	v := homeView{Form: s.newSignup().from("home"), Issues: issueCards(issues)}
	if v.Articles, err = s.articleCards(ctx, list); err != nil {
		return err
	}
	if err := s.frontPage(ctx, &v); err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "site/home", templates.Page{Canonical: s.baseURL + "/", Body: v})
}

// homeView is the front page: the newest issue above the fold, the older ones below.
type homeView struct {
	Form      signupView
	Latest    *issueCard
	Headlines []headline
	Articles  []articleCard
	Issues    []issueCard
}

// headline is a line of the newest round-up.
type headline struct {
	Number        int
	Anchor, Title string
}

// frontHeadlines is how many lines of a round-up fit above the fold.
const frontHeadlines = 4

func (s *server) frontPage(ctx context.Context, v *homeView) error {
	if len(v.Issues) == 0 {
		return nil
	}
	v.Latest, v.Issues = &v.Issues[0], v.Issues[1:]
	_, ed, err := s.svc.IssueEdition(ctx, v.Latest.Number)
	if err != nil {
		return err
	}
	for i, l := range ed.Snapshot.Links[:min(len(ed.Snapshot.Links), frontHeadlines)] {
		v.Headlines = append(v.Headlines, headline{i + 1, "link-" + itoa(i+1), l.Title})
	}
	return nil
}

// listView is a page of cards, with the address of the next one.
type listView struct {
	Heading, Lead string
	Tag           string
	Articles      []articleCard
	Issues        []issueCard
	More          string
	Form          signupView
}

// articles lists them all; with a query it is a search among them.
func (s *server) articles(c echo.Context) error {
	if query(c) != "" {
		return s.searchIn(c, newsletter.FoundArticle)
	}
	return s.articleList(c, newsletter.ArticleFilter{}, listView{Heading: "아티클"})
}

func (s *server) tag(c echo.Context) error {
	tag := param(c, "tag")
	return s.articleList(c, newsletter.ArticleFilter{Tag: tag}, listView{Heading: "#" + tag, Tag: tag})
}

// query is what was searched for: at most 100 characters of it.
func query(c echo.Context) string {
	q := []rune(strings.TrimSpace(c.QueryParam("q")))
	return string(q[:min(len(q), 100)])
}

// param reads a path parameter in the form people typed it; echo leaves %2F and its like encoded.
func param(c echo.Context, name string) string {
	v, err := url.PathUnescape(c.Param(name))
	if err != nil {
		return c.Param(name)
	}
	return v
}

func (s *server) articleList(c echo.Context, f newsletter.ArticleFilter, v listView) error {
	f = published(f)
	f.Limit = pageSize
	f.Cursor, _ = strconv.ParseInt(c.QueryParam("after"), 10, 64)
	list, more, err := s.svc.Articles(c.Request().Context(), f)
	if err != nil {
		return err
	}
	if v.Tag != "" && len(list) == 0 && f.Cursor == 0 {
		return &newsletter.Error{Kind: newsletter.NotFound, Msg: "이 태그를 단 글이 없어요."}
	}
	if v.Articles, err = s.articleCards(c.Request().Context(), list); err != nil {
		return err
	}
	v.Form = s.newSignup()
	if more {
		next := url.Values{"after": {strconv.FormatInt(int64(list[len(list)-1].ID), 10)}}
		v.More = c.Request().URL.EscapedPath() + "?" + next.Encode()
	}
	feed := ""
	if v.Tag != "" {
		feed = tagPath(v.Tag)
	}
	return s.page(c, http.StatusOK, "site/articles", templates.Page{
		Feed: feed, Title: v.Heading, Canonical: s.baseURL + c.Request().URL.EscapedPath(), NoIndex: f.Cursor != 0, Body: v,
	})
}

type articleView struct {
	Title, Summary, Author, AuthorLine string
	At, Updated                        time.Time
	Views                              int64
	Tags                               []string
	Body                               template.HTML
	Cover                              coverView
	URL                                string
	Minutes                            int         // it takes to read
	Contents                           []section   // of a long text
	Carried                            []issueCard // issues it appeared in
	Older, Newer                       *articleCard
	Others                             []articleCard
	Comments                           commentsView
	Form                               signupView
}

func (s *server) article(c echo.Context) error {
	a, err := s.publishedArticle(c)
	if err != nil {
		return err
	}
	if a.Slug != norm.NFC.String(param(c, "slug")) { // a former address
		return c.Redirect(http.StatusMovedPermanently, articlePath(a.Slug))
	}
	return s.articlePage(c, http.StatusOK, a, commentForm{})
}

func (s *server) publishedArticle(c echo.Context) (newsletter.Article, error) {
	a, err := s.svc.Article(c.Request().Context(), param(c, "slug"))
	if err == nil && a.Status != newsletter.ArticlePublished {
		err = &newsletter.Error{Kind: newsletter.NotFound, Msg: "찾으시는 글이 없어요."}
	}
	return a, err
}

// articlePage shows the page with its comments and the form for one, as far as it was filled in.
func (s *server) articlePage(c echo.Context, status int, a newsletter.Article, form commentForm) error {
	ctx, slug := c.Request().Context(), a.Slug
	body, err := templates.Markdown(a.Body)
	if err != nil {
		return err
	}
	if body, err = s.withCards(ctx, body); err != nil {
		return err
	}
	carried, err := s.svc.IssuesOfArticle(ctx, slug)
	if err != nil {
		return err
	}
	older, newer, err := s.besideArticle(c, a)
	if err != nil {
		return err
	}
	others, err := s.otherArticles(c, a)
	if err != nil {
		return err
	}
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	comments, err := s.commentsOf(c, newsletter.CommentOn{Kind: newsletter.OnArticle, ID: int64(a.ID)}, articlePath(slug), form)
	if err != nil {
		return err
	}
	comments.Closed = a.CommentsClosed
	if status == http.StatusOK {
		s.viewed(c, a.ID)
	}
	v := articleView{
		Comments: comments,
		Title:    a.Title, Summary: a.Summary, Author: a.Author, AuthorLine: house.AuthorLine, At: a.PublishedAt, Views: a.Views,
		Tags: a.Tags, Body: body, URL: s.baseURL + articlePath(a.Slug), Carried: issueCards(carried), Others: others, Form: s.newSignup().from("article:" + a.Slug),
	}
	if v.Author == "" {
		v.Author = house.Author
	}
	v.Cover = coverOf(a)
	v.Minutes, v.Older, v.Newer = readingMinutes(a.Body), older, newer
	v.Body, v.Contents = contentsOf(body, a.Body)
	if since := later(a.PublishedAt, a.CreatedAt); a.UpdatedAt.Sub(since) > 24*time.Hour { // an old text taken in today was not changed today
		v.Updated = a.UpdatedAt
	}
	p := templates.Page{Title: a.Title, Description: a.Summary, Canonical: v.URL, Kind: "article", LinkedData: s.articleData(a, v, house), Body: v}
	p.Image, p.ImageWidth, p.ImageHeight, p.ImageAlt = s.articleImage(a, house), v.Cover.Width, v.Cover.Height, v.Cover.Alt
	return s.write(c, status, "site/article", s.frame(c, p, house))
}

// coverView is an article's own picture, in both its sizes. Without an address there is none.
type coverView struct {
	URL, Small, Alt string
	Width, Height   int
}

func coverOf(a newsletter.Article) coverView {
	if a.Cover == "" {
		return coverView{}
	}
	return coverView{newsletter.CoverPath(a.Cover, templates.CoverWidth), newsletter.CoverPath(a.Cover, smallCover), a.CoverAlt, templates.CoverWidth, templates.CoverHeight}
}

// articleImage is what stands for the article elsewhere: its own picture, or a drawn one.
func (s *server) articleImage(a newsletter.Article, h newsletter.House) string {
	if a.Cover != "" {
		return s.baseURL + newsletter.CoverPath(a.Cover, templates.CoverWidth)
	}
	return s.pictureURL(articlePath(a.Slug)+"/share.png", s.cardOf(h, a.Title, a.Author, a.PublishedAt, 0))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// articleData is schema.org's Article, for search engines.
func (s *server) articleData(a newsletter.Article, v articleView, h newsletter.House) any {
	headline := []rune(a.Title)
	return map[string]any{
		"@context": "https://schema.org", "@type": "Article",
		"headline": string(headline[:min(len(headline), 110)]), "description": a.Summary, "mainEntityOfPage": v.URL,
		"datePublished": a.PublishedAt.In(s.loc).Format(time.RFC3339), "dateModified": a.UpdatedAt.In(s.loc).Format(time.RFC3339),
		"image": []string{s.articleImage(a, h)}, "commentCount": v.Comments.Count,
		"author":    map[string]string{"@type": "Person", "name": v.Author},
		"publisher": map[string]string{"@type": "Organization", "name": h.SiteName, "url": s.baseURL},
		"isPartOf":  map[string]string{"@type": "WebSite", "name": h.SiteName, "url": s.baseURL},
	}
}
