package newsletter

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
)

// PiledLink is a link of the pile as the editor sees it: with what its page says of itself, and where else it lies.
type PiledLink struct {
	Link
	Reading bool   // its page is still being read in the background
	Twin    string // the address of an older link on the pile that leads to the same page
	Issue   int    // the newest issue that carries it, 0 for none
}

const (
	readingTime  = 3 * time.Minute // what was not read by then is left to the editor
	issuesLooked = 60              // how many issues are looked through for a link: more than a year of weekly ones
)

// trackers are parts of an address that say who passed it on and not where it leads.
var trackers = []string{"fbclid", "gclid", "igshid", "mc_cid", "mc_eid", "ref", "ref_src", "si", "spm"}

// LinkKey is what two addresses of one page have in common: no scheme, no www., no tracking parameters, no fragment.
func LinkKey(raw string) string {
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return raw
	}
	host := strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(u.Host), "www."), "m.")
	q := u.Query()
	for name := range q {
		if strings.HasPrefix(name, "utm_") || slices.Contains(trackers, name) {
			q.Del(name)
		}
	}
	key := host + strings.TrimRight(u.EscapedPath(), "/")
	if len(q) > 0 {
		key += "?" + q.Encode()
	}
	return key
}

// Pile lists what was collected, newest first, at most 200, and tells whether there is more.
func (s *Service) Pile(ctx context.Context, query string, cursor int64, limit int) ([]PiledLink, bool, error) {
	rows, more, err := s.Links(ctx, query, cursor, limit)
	if err != nil || len(rows) == 0 {
		return nil, false, err
	}
	var cards map[string]Card
	var used map[string]int
	err = s.view(ctx, func(tx Tx) (err error) {
		if cards, err = tx.Cards(ctx, linkURLs(rows)); err != nil {
			return err
		}
		used, err = usedLinks(ctx, tx)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	first := map[string]string{}
	for _, l := range slices.Backward(rows) {
		if k := LinkKey(l.URL); first[k] == "" {
			first[k] = l.URL
		}
	}
	pile := make([]PiledLink, len(rows))
	for n, l := range rows {
		p := PiledLink{Link: l, Issue: used[LinkKey(l.URL)]}
		if t := first[LinkKey(l.URL)]; t != l.URL {
			p.Twin = t
		}
		card, read := cards[l.URL]
		p.RoundupLink = withCard(l.RoundupLink, card)
		p.Reading = !read && l.Title == "" && s.opt.Now().Sub(l.CreatedAt) < readingTime
		pile[n] = p
	}
	return pile, more, nil
}

func linkURLs(links []Link) []string {
	urls := make([]string, len(links))
	for n, l := range links {
		urls[n] = l.URL
	}
	return urls
}

// usedLinks maps the links of the newest issues to the newest one that carries each.
func usedLinks(ctx context.Context, tx Tx) (map[string]int, error) {
	issues, err := tx.Issues(ctx, IssueFilter{Limit: issuesLooked})
	if err != nil {
		return nil, err
	}
	used := map[string]int{}
	for _, i := range issues {
		for _, l := range i.Links {
			if k := LinkKey(l.URL); used[k] == 0 {
				used[k] = i.Number
			}
		}
	}
	return used, nil
}

// withCard fills what nobody has written from what the page says. Who wrote a title has decided on the other lines too.
func withCard(l RoundupLink, c Card) RoundupLink {
	if l.Title != "" || c.Title == "" {
		return l
	}
	l.Title = c.Title
	if l.Source == "" {
		l.Source = c.Site
	}
	if l.Source == "" {
		if u, err := url.Parse(l.URL); err == nil {
			l.Source = strings.TrimPrefix(u.Hostname(), "www.")
		}
	}
	if l.Summary == "" {
		l.Summary = c.Summary
	}
	return l
}

// FillLinks completes links without a title from what is known of their pages, and asks for the pages that nobody has read.
// reading tells that some of them are on their way.
func (s *Service) FillLinks(ctx context.Context, links []RoundupLink) (filled []RoundupLink, reading bool, err error) {
	var bare []string
	for _, l := range links {
		if given := l; l.Title == "" && given.judge() == nil && !slices.Contains(bare, given.URL) && len(bare) < maxCards {
			bare = append(bare, given.URL)
		}
	}
	if len(bare) == 0 {
		return links, false, nil
	}
	cards, err := s.Cards(ctx, bare)
	if err != nil {
		return links, false, err
	}
	missing := slices.DeleteFunc(slices.Clone(bare), func(u string) bool { return cards[u].Title != "" })
	if len(missing) > 0 {
		if err := s.update(ctx, func(tx Tx) error { return tx.WantCards(ctx, missing, s.opt.Now()) }); err != nil {
			return links, false, err
		}
	}
	filled = slices.Clone(links)
	for n, l := range filled {
		filled[n] = withCard(l, cards[strings.TrimSpace(l.URL)])
	}
	return filled, len(missing) > 0, nil
}

// PiledLink returns one link of the pile, completed by what its page says.
func (s *Service) PiledLink(ctx context.Context, id int64) (RoundupLink, error) {
	return get(ctx, s, func(tx Tx) (RoundupLink, error) {
		l, err := tx.Link(ctx, id)
		if err != nil {
			return RoundupLink{}, err
		}
		cards, err := tx.Cards(ctx, []string{l.URL})
		return withCard(l.RoundupLink, cards[l.URL]), err
	})
}
