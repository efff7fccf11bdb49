// Package templates turns data into text: pages, letters, Markdown, and the static files beside them. Everything
// is embedded and parsed once, at start: a template with a fault stops the program before it listens. The package
// knows nothing of the newsletter's rules; handlers and the mailer give it plain view structs.
package templates

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"time"
)

//go:embed layout partial site
var siteFiles embed.FS

// Page is what every HTML page is rendered from: the frame around it, and Body, the page's own view.
type Page struct {
	Site        Site
	Title       string // "" is the site's name alone
	Description string
	Path        string // of this page, for the navigation
	Canonical   string // whole address, "" for none
	Feed        string // path before /feed.xml of the page's own feed, "" for the house's
	Image       string // whole address of a picture for shares, "" for none
	ImageWidth  int    // 0 is the drawn one's: 1200 by 630
	ImageHeight int
	ImageAlt    string // "" is the title
	Kind        string // OpenGraph type: website (default) or article
	NoIndex     bool
	Private     bool   // behind a token: no share tags, no feeds
	Bar         string // across the top of every page; "" for none
	Note        string // across the top of this page; "" for none
	Refresh     int    // seconds until a browser without scripts loads the page again, 0 for never
	Scripts     []string
	LinkedData  any // schema.org, written as JSON
	Viewer      any // who is signed in, for layouts that show it
	Body        any
}

// Site is the house as pages show it.
type Site struct {
	Name, Tagline, Author, AuthorLine string
	BaseURL                           string // no slash at the end
	Legal                             Legal
	Naver, Google                     string // what proves to a search engine whose site this is
	Brand                             string // six hexadecimal digits, "" for the house's own colour
	Logo                              Logo
	NaverShare                        bool
}

// Logo is the house's picture with the room it takes. Without an address there is none.
type Logo struct {
	URL           string
	Width, Height int
	Wide          bool // it says the name itself
}

// Legal is the sender's data in the footer.
type Legal struct {
	Name, Representative, Address, Phone, Email string
}

// pageFile names a page's template and the layout it is set in. Files lie at NAME.html.
type pageFile struct {
	name, layout string
}

// Pages holds every parsed page. It does not change after New and may be used from several goroutines.
type Pages struct {
	pages  map[string]*template.Template
	assets *Assets
}

// Options is what rendering needs to know.
type Options struct {
	Location *time.Location   // of dates on pages; nil is UTC
	Now      func() time.Time // for "3일 전"
}

// New parses all pages.
func New(o Options) (*Pages, error) {
	assets, err := newAssets()
	if err != nil {
		return nil, fmt.Errorf("read static files: %w", err)
	}
	p := &Pages{pages: map[string]*template.Template{}, assets: assets}
	for _, set := range []struct {
		files fs.FS
		list  []pageFile
	}{{siteFiles, sitePages}, {adminFiles, adminPages}} {
		if err := p.parse(set.files, set.list, funcs(o, assets)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// parse sets each page into its layout, with the partials of the site beside it.
func (p *Pages) parse(files fs.FS, list []pageFile, fn template.FuncMap) error {
	if len(list) == 0 {
		return nil
	}
	partials, err := template.New("").Funcs(fn).ParseFS(siteFiles, "partial/*.html")
	if err != nil {
		return fmt.Errorf("parse partials: %w", err)
	}
	for _, page := range list {
		t, err := template.Must(partials.Clone()).ParseFS(files, page.layout+".html", page.name+".html")
		if err != nil {
			return fmt.Errorf("parse page %s: %w", page.name, err)
		}
		if t = t.Lookup("layout"); t == nil {
			return fmt.Errorf("parse page %s: %s.html defines no \"layout\"", page.name, page.layout)
		}
		p.pages[page.name] = t
	}
	return nil
}

// Render writes the whole page or nothing: an error in the middle of a template leaves w untouched.
func (p *Pages) Render(w io.Writer, name string, page Page) error {
	t, ok := p.pages[name]
	if !ok {
		return fmt.Errorf("render page: no page %q", name)
	}
	var buf bytes.Buffer
	if err := t.Execute(&buf, page); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	_, err := buf.WriteTo(w)
	return err
}

// RenderPart writes one named template of a page's set: a piece that a script exchanges. Like Render, all or nothing.
func (p *Pages) RenderPart(w io.Writer, page, part string, view any) error {
	t, ok := p.pages[page]
	if !ok {
		return fmt.Errorf("render part: no page %q", page)
	}
	var buf bytes.Buffer
	if err := t.ExecuteTemplate(&buf, part, view); err != nil {
		return fmt.Errorf("render part %s of %s: %w", part, page, err)
	}
	_, err := buf.WriteTo(w)
	return err
}

// Assets are the static files, under addresses that change with their content.
func (p *Pages) Assets() *Assets { return p.assets }
