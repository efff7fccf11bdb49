package handlers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

const feedSize = 20

// feedItem is an article as all three feeds need it.
type feedItem struct {
	title, url, summary, html, author string
	tags                              []string
	at, updated                       time.Time
}

// feedItems are the newest articles in full, of one tag on its feeds, and when the last of them changed. The house
// comes with the feed's own name.
func (s *server) feedItems(c echo.Context) (newsletter.House, []feedItem, time.Time, error) {
	house, err := s.readHouse(c)
	if err != nil {
		return house, nil, time.Time{}, err
	}
	tag := param(c, "tag")
	list, _, err := s.svc.Articles(c.Request().Context(), published(newsletter.ArticleFilter{Tag: tag, Limit: feedSize}))
	if err != nil {
		return house, nil, time.Time{}, err
	}
	if tag != "" {
		if len(list) == 0 {
			return house, nil, time.Time{}, &newsletter.Error{Kind: newsletter.NotFound, Msg: "이 태그를 단 글이 없어요."}
		}
		house.SiteName += " · #" + tag
	}
	var items []feedItem
	var changed time.Time
	for _, a := range list {
		html, err := templates.Markdown(a.Body)
		if err != nil {
			return house, nil, time.Time{}, err
		}
		author := a.Author
		if author == "" {
			author = house.Author
		}
		items = append(items, feedItem{
			a.Title, s.baseURL + articlePath(a.Slug), a.Summary, xmlSafe(string(html)), author, a.Tags, a.PublishedAt, a.UpdatedAt,
		})
		if a.UpdatedAt.After(changed) {
			changed = a.UpdatedAt
		}
	}
	return house, items, changed, nil
}

// feedURL is the address of the feed that is asked for, and homeURL that of the pages it tells of.
func (s *server) feedURL(c echo.Context) string { return s.baseURL + c.Request().URL.EscapedPath() }

func (s *server) homeURL(c echo.Context) string {
	if tag := param(c, "tag"); tag != "" {
		return s.baseURL + tagPath(tag)
	}
	return s.baseURL + "/"
}

// xmlSafe drops the characters that no XML document may carry.
func xmlSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, s)
}

type cdata struct {
	Text string `xml:",cdata"`
}

type rssLink struct {
	Href string `xml:"href,attr"`
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
}

type rssItem struct {
	Title       string   `xml:"title"`
	Link        string   `xml:"link"`
	GUID        guid     `xml:"guid"`
	PubDate     string   `xml:"pubDate"`
	Creator     string   `xml:"dc:creator,omitempty"`
	Categories  []string `xml:"category"`
	Description string   `xml:"description"`
	Content     cdata    `xml:"content:encoded"`
}

type guid struct {
	PermaLink bool   `xml:"isPermaLink,attr"`
	Text      string `xml:",chardata"`
}

// rss is RSS 2.0 with the whole text: Naver's search reads it.
func (s *server) rss(c echo.Context) error {
	house, items, changed, err := s.feedItems(c)
	if err != nil {
		return err
	}
	type channel struct {
		Title       string    `xml:"title"`
		Link        string    `xml:"link"`
		Self        rssLink   `xml:"atom:link"`
		Description string    `xml:"description"`
		Language    string    `xml:"language"`
		Built       string    `xml:"lastBuildDate,omitempty"`
		Items       []rssItem `xml:"item"`
	}
	doc := struct {
		XMLName xml.Name `xml:"rss"`
		Version string   `xml:"version,attr"`
		Content string   `xml:"xmlns:content,attr"`
		DC      string   `xml:"xmlns:dc,attr"`
		Atom    string   `xml:"xmlns:atom,attr"`
		Channel channel  `xml:"channel"`
	}{
		Version: "2.0", Content: "http://purl.org/rss/1.0/modules/content/",
		DC: "http://purl.org/dc/elements/1.1/", Atom: "http://www.w3.org/2005/Atom",
		Channel: channel{
			Title: house.SiteName, Link: s.homeURL(c), Description: house.Tagline, Language: "ko",
			Self: rssLink{s.feedURL(c), "self", "application/rss+xml"},
		},
	}
	if !changed.IsZero() {
		doc.Channel.Built = changed.In(s.loc).Format(time.RFC1123Z)
	}
	for _, it := range items {
		doc.Channel.Items = append(doc.Channel.Items, rssItem{
			Title: it.title, Link: it.url, GUID: guid{true, it.url}, PubDate: it.at.In(s.loc).Format(time.RFC1123Z),
			Creator: it.author, Categories: it.tags, Description: it.summary, Content: cdata{it.html},
		})
	}
	return s.writeXML(c, "application/rss+xml; charset=utf-8", doc, changed)
}

type atomLink struct {
	Href string `xml:"href,attr"`
	Rel  string `xml:"rel,attr,omitempty"`
}

type atomText struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

type atomAuthor struct {
	Name string `xml:"name"`
}

type atomEntry struct {
	Title     string     `xml:"title"`
	ID        string     `xml:"id"`
	Link      atomLink   `xml:"link"`
	Published string     `xml:"published"`
	Updated   string     `xml:"updated"`
	Author    atomAuthor `xml:"author"`
	Summary   string     `xml:"summary,omitempty"`
	Content   atomText   `xml:"content"`
}

func (s *server) atom(c echo.Context) error {
	house, items, changed, err := s.feedItems(c)
	if err != nil {
		return err
	}
	doc := struct {
		XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
		Title   string      `xml:"title"`
		Sub     string      `xml:"subtitle,omitempty"`
		ID      string      `xml:"id"`
		Updated string      `xml:"updated"`
		Links   []atomLink  `xml:"link"`
		Entries []atomEntry `xml:"entry"`
	}{
		Title: house.SiteName, Sub: house.Tagline, ID: s.homeURL(c), Updated: changed.In(s.loc).Format(time.RFC3339),
		Links: []atomLink{{s.feedURL(c), "self"}, {s.homeURL(c), "alternate"}},
	}
	for _, it := range items {
		author := it.author
		if author == "" {
			author = house.SiteName // Atom asks for one
		}
		doc.Entries = append(doc.Entries, atomEntry{
			Title: it.title, ID: it.url, Link: atomLink{it.url, "alternate"}, Published: it.at.In(s.loc).Format(time.RFC3339),
			Updated: it.updated.In(s.loc).Format(time.RFC3339), Author: atomAuthor{author}, Summary: it.summary, Content: atomText{"html", it.html},
		})
	}
	return s.writeXML(c, "application/atom+xml; charset=utf-8", doc, changed)
}

// jsonFeed follows jsonfeed.org, version 1.1.
func (s *server) jsonFeed(c echo.Context) error {
	house, items, changed, err := s.feedItems(c)
	if err != nil {
		return err
	}
	type author struct {
		Name string `json:"name"`
	}
	type entry struct {
		ID        string   `json:"id"`
		URL       string   `json:"url"`
		Title     string   `json:"title"`
		Summary   string   `json:"summary,omitempty"`
		HTML      string   `json:"content_html"`
		Published string   `json:"date_published"`
		Modified  string   `json:"date_modified"`
		Authors   []author `json:"authors,omitempty"`
		Tags      []string `json:"tags,omitempty"`
	}
	doc := struct {
		Version     string  `json:"version"`
		Title       string  `json:"title"`
		Description string  `json:"description,omitempty"`
		Home        string  `json:"home_page_url"`
		Feed        string  `json:"feed_url"`
		Language    string  `json:"language"`
		Items       []entry `json:"items"`
	}{
		"https://jsonfeed.org/version/1.1", house.SiteName, house.Tagline, s.homeURL(c), s.feedURL(c), "ko", []entry{},
	}
	for _, it := range items {
		e := entry{
			ID: it.url, URL: it.url, Title: it.title, Summary: it.summary, HTML: it.html, Tags: it.tags,
			Published: it.at.In(s.loc).Format(time.RFC3339), Modified: it.updated.In(s.loc).Format(time.RFC3339),
		}
		if it.author != "" {
			e.Authors = []author{{it.author}}
		}
		doc.Items = append(doc.Items, e)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return err
	}
	return s.writeFresh(c, "application/feed+json; charset=utf-8", buf.Bytes(), changed)
}

func shortHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// unchanged compares what the client has with what there is; If-None-Match outranks If-Modified-Since.
func unchanged(r *http.Request, etag string, changed time.Time) bool {
	if match := r.Header.Get("If-None-Match"); match != "" {
		for _, m := range strings.Split(match, ",") {
			m = strings.TrimSpace(m)
			if m == "*" || strings.TrimPrefix(m, "W/") == strings.TrimPrefix(etag, "W/") {
				return true
			}
		}
		return false
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	return err == nil && !changed.IsZero() && !changed.Truncate(time.Second).After(since)
}
