package handlers

import (
	"context"
	"html"
	"html/template"
	"net/url"
	"regexp"
	"strings"

	"techissue/newsletter"
)

// sourceBlock is a paragraph of nothing but addresses, as templates.Markdown marks it; sourceLink one of them.
var (
	sourceBlock = regexp.MustCompile(`(?s)<p class="source">.*?</p>`)
	sourceLink  = regexp.MustCompile(`<a href="([^"]*)"[^>]*>[^<]*</a>`)
)

// withCards turns the bare links of a rendered text into cards, as far as their pages have been read. The HTML is our
// renderer's own; what a stranger's page says is escaped.
func (s *server) withCards(ctx context.Context, body template.HTML) (template.HTML, error) {
	var urls []string
	for _, block := range sourceBlock.FindAllString(string(body), -1) {
		for _, m := range sourceLink.FindAllStringSubmatch(block, -1) {
			urls = append(urls, cardKeys(m[1])...)
		}
	}
	cards, err := s.svc.Cards(ctx, urls)
	if err != nil || len(cards) == 0 {
		return body, err
	}
	return template.HTML(sourceBlock.ReplaceAllStringFunc(string(body), func(block string) string {
		return sourceLink.ReplaceAllStringFunc(block, func(link string) string {
			href := sourceLink.FindStringSubmatch(link)[1]
			for _, key := range cardKeys(href) {
				if c, ok := cards[key]; ok {
					return cardHTML(href, c)
				}
			}
			return link
		})
	})), nil
}

// cardKeys are the address as it stands in the text, and as the renderer wrote it: it percent-encodes Hangul.
func cardKeys(href string) []string {
	plain := html.UnescapeString(href)
	keys := []string{plain}
	if u, err := url.PathUnescape(plain); err == nil && u != plain {
		keys = append(keys, u)
	}
	return keys
}

func cardHTML(href string, c newsletter.Card) string {
	site := c.Site
	if u, err := url.Parse(html.UnescapeString(href)); err == nil && site == "" {
		site = strings.TrimPrefix(u.Hostname(), "www.")
	}
	var b strings.Builder
	if c.Title == "" { // nothing is known of it but that it is gone
		c.Title = html.UnescapeString(href)
	}
	b.WriteString(`<a class="linkcard" href="` + href + `" rel="noopener"><strong>` + html.EscapeString(c.Title) + `</strong>`)
	if c.Summary != "" {
		b.WriteString(`<span>` + html.EscapeString(c.Summary) + `</span>`)
	}
	b.WriteString(`<small>` + html.EscapeString(site))
	if !c.DeadAt.IsZero() {
		b.WriteString(` · 지금은 열리지 않는 링크예요`)
	}
	b.WriteString(`</small></a>`)
	return b.String()
}
