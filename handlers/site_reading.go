package handlers

import (
	"html"
	"html/template"
	"regexp"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// hangulAMinute is how many characters, blanks left out, an adult reads of a Korean text in a minute.
const hangulAMinute = 500

// readingMinutes is at least one.
func readingMinutes(body string) int {
	n := 0
	for _, r := range body {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return max(1, (n+hangulAMinute/2)/hangulAMinute)
}

// section is a line of a table of contents.
type section struct{ ID, Text string }

const (
	longText     = 2000 // characters from which a text has a table of contents
	longSections = 3
)

var (
	secondHeading = regexp.MustCompile(`(?s)<h2>(.*?)</h2>`)
	anyTag        = regexp.MustCompile(`<[^>]*>`)
)

// contentsOf gives the sections of a long text an address each. The HTML is our own renderer's.
func contentsOf(body template.HTML, source string) (template.HTML, []section) {
	found := secondHeading.FindAllStringSubmatch(string(body), -1)
	if len(found) < longSections || len([]rune(source)) < longText {
		return body, nil
	}
	var list []section
	marked := secondHeading.ReplaceAllStringFunc(string(body), func(h string) string {
		text := strings.TrimSpace(html.UnescapeString(anyTag.ReplaceAllString(h, "")))
		list = append(list, section{"part-" + itoa(len(list)+1), text})
		return `<h2 id="` + list[len(list)-1].ID + `">` + strings.TrimPrefix(h, "<h2>")
	})
	return template.HTML(marked), list
}

// besideArticle are the ones published before and after, nil at the ends.
func (s *server) besideArticle(c echo.Context, this newsletter.Article) (older, newer *articleCard, err error) {
	for _, side := range []struct {
		newerFirst bool
		card       **articleCard
	}{{false, &older}, {true, &newer}} {
		f := published(newsletter.ArticleFilter{Cursor: int64(this.ID), Upwards: side.newerFirst, Limit: 1})
		list, _, err := s.svc.Articles(c.Request().Context(), f)
		if err != nil {
			return nil, nil, err
		}
		if len(list) > 0 {
			*side.card = &articleCard{URL: articlePath(list[0].Slug), Title: list[0].Title}
		}
	}
	return older, newer, nil
}

const relatedArticles = 3

// otherArticles are three to read on with: of the same tags, then the newest.
func (s *server) otherArticles(c echo.Context, this newsletter.Article) ([]articleCard, error) {
	filters := make([]newsletter.ArticleFilter, 0, len(this.Tags)+1)
	for _, tag := range this.Tags {
		filters = append(filters, newsletter.ArticleFilter{Tag: tag, Limit: relatedArticles + 1})
	}
	filters = append(filters, newsletter.ArticleFilter{Limit: 2*relatedArticles + 1})
	var others []newsletter.Article
	shown := map[newsletter.ArticleID]bool{this.ID: true}
	for _, f := range filters {
		if len(others) == relatedArticles {
			break
		}
		list, _, err := s.svc.Articles(c.Request().Context(), published(f))
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			if !shown[a.ID] && len(others) < relatedArticles {
				shown[a.ID] = true
				others = append(others, a)
			}
		}
	}
	return s.articleCards(c.Request().Context(), others)
}
