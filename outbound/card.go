package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"

	"techissue/newsletter"
)

// cardBytes is how much of a page is read for its card: the head is within it.
const cardBytes = 1 << 20

// Card reads what a page says of itself: its OpenGraph title, description and site, or its title and description. Pages in EUC-KR
// are read by the charset that their header or their first kilobyte names.
func (c *Client) Card(ctx context.Context, url string) (newsletter.Card, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return newsletter.Card{}, fmt.Errorf("fetch a card: %w", err)
	}
	if r.URL.Scheme != "https" && r.URL.Scheme != "http" {
		return newsletter.Card{}, fmt.Errorf("fetch a card: %q is no web address", r.URL.Scheme)
	}
	if c.agent != "" {
		r.Header.Set("User-Agent", c.agent)
	}
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	r.Header.Set("Accept-Language", "ko,en;q=0.5")
	res, err := c.http.Do(r)
	if err != nil {
		return newsletter.Card{}, fmt.Errorf("fetch a card: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return newsletter.Card{}, fmt.Errorf("fetch a card: %s answered %s", r.URL.Host, res.Status)
	}
	kind := res.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(kind); err != nil || media != "text/html" && media != "application/xhtml+xml" {
		return newsletter.Card{}, fmt.Errorf("fetch a card: %q is no page", kind)
	}
	page, err := io.ReadAll(io.LimitReader(res.Body, cardBytes)) // a longer page has its head within
	if err != nil {
		return newsletter.Card{}, fmt.Errorf("fetch a card: %w", err)
	}
	card, err := cardOf(page, kind)
	card.URL = url
	return card, err
}

// cardOf reads the head of a page.
func cardOf(page []byte, kind string) (newsletter.Card, error) {
	if len(page) == 0 {
		return newsletter.Card{}, nil
	}
	utf8, err := charset.NewReader(bytes.NewReader(page), kind)
	if err != nil {
		return newsletter.Card{}, fmt.Errorf("read a card: %w", err)
	}
	said := map[string]string{}
	tokens := html.NewTokenizer(utf8)
	title, inTitle := "", false
	for {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			if err := tokens.Err(); !errors.Is(err, io.EOF) {
				return newsletter.Card{}, fmt.Errorf("read a card: %w", err)
			}
			break
		}
		t := tokens.Token()
		switch {
		case t.DataAtom == atom.Title && kind == html.StartTagToken:
			inTitle = title == ""
		case t.DataAtom == atom.Title && kind == html.EndTagToken:
			inTitle = false
		case inTitle && kind == html.TextToken:
			title += t.Data
		case t.DataAtom == atom.Meta:
			name, content := "", ""
			for _, a := range t.Attr {
				switch strings.ToLower(a.Key) {
				case "property", "name":
					name = strings.ToLower(strings.TrimSpace(a.Val))
				case "content":
					content = strings.TrimSpace(a.Val)
				}
			}
			if name != "" && content != "" && said[name] == "" {
				said[name] = content
			}
		}
	}
	first := func(texts ...string) string {
		for _, t := range texts {
			if t = strings.TrimSpace(t); t != "" {
				return t
			}
		}
		return ""
	}
	return newsletter.Card{
		Title:   first(said["og:title"], said["twitter:title"], title),
		Summary: first(said["og:description"], said["description"], said["twitter:description"]),
		Site:    said["og:site_name"],
	}, nil
}
