package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// draftPage is an article's page before there is one: the same text by the same template, without comments, counters and neighbours.
func (s *server) draftPage(c echo.Context, a newsletter.Article) error {
	body, err := templates.Markdown(a.Body)
	if err != nil {
		return err
	}
	if body, err = s.withCards(c.Request().Context(), body); err != nil {
		return err
	}
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	v := articleView{
		Title: a.Title, Summary: a.Summary, Author: a.Author, AuthorLine: house.AuthorLine, At: a.PublishAt, Tags: a.Tags,
		URL: s.baseURL + articlePath(a.Slug), Form: s.newSignup().from("preview"), Comments: commentsView{Closed: true},
	}
	if v.Author == "" {
		v.Author = house.Author
	}
	if v.At.IsZero() {
		v.At = s.now()
	}
	v.Minutes = readingMinutes(a.Body)
	v.Body, v.Contents = contentsOf(body, a.Body)
	p := templates.Page{Title: a.Title, NoIndex: true, Private: true, Note: "미리보기 · 아직 발행하지 않은 글이에요", Body: v}
	return s.write(c, http.StatusOK, "site/article", s.frame(c, p, house))
}
