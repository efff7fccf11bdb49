package newsletter

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Card is what a page elsewhere says of itself, read in the background through the guarded client.
type Card struct {
	URL     string
	Title   string
	Summary string
	Site    string
	Edited  bool      // put right by the editor: it is not read again
	DeadAt  time.Time // since when its page is known to be gone, zero while it is not
}

// CardTx keeps cards.
type CardTx interface {
	// WantCards asks for the cards of addresses that have none yet.
	WantCards(ctx context.Context, urls []string, now time.Time) error
	WaitingCards(ctx context.Context, now time.Time) (int64, error)
	// ClaimCards gives addresses to be read now, and puts each off by pause, so that nobody else reads them meanwhile.
	ClaimCards(ctx context.Context, limit int, pause time.Duration, now time.Time) ([]string, error)
	// KeepCard writes what was found. Without a title the address is tried again after a while, three times in all.
	KeepCard(ctx context.Context, c Card, now time.Time) error
	// Cards returns those of the addresses of which anything is known: a title, or that they are dead.
	Cards(ctx context.Context, urls []string) (map[string]Card, error)
	// EditCard writes a card by hand. One without a title is read anew.
	EditCard(ctx context.Context, c Card, now time.Time) error
	// ClaimChecks gives addresses that nobody has looked after since before, and takes them as looked after now.
	ClaimChecks(ctx context.Context, limit int, before, now time.Time) ([]string, error)
	// KeepCheck writes whether an address's page is gone. It is dead when it was gone at a check before, too; it tells whether that changed.
	KeepCheck(ctx context.Context, url string, gone bool, now time.Time) (changed bool, err error)
}

const (
	cardsAtOnce = 4
	cardPause   = 2 * time.Minute
	maxCards    = 60 // of one article
)

var bareAddress = regexp.MustCompile(`https?://`)

// bareLinks finds the lines of a Markdown text that hold nothing but addresses, also several run together.
func bareLinks(md string) (urls []string) {
	for line := range strings.Lines(md) {
		line = strings.TrimSpace(line)
		for word := range strings.FieldsSeq(line) {
			word = strings.Trim(word, "<>")
			at := bareAddress.FindAllStringIndex(word, -1)
			if len(at) == 0 || at[0][0] != 0 {
				urls = slices.DeleteFunc(urls, func(u string) bool { return strings.Contains(line, u) })
				break
			}
			for i := range at {
				end := len(word)
				if i+1 < len(at) {
					end = at[i+1][0]
				}
				if u := word[at[i][0]:end]; len(u) <= 2000 && len(urls) < maxCards && !slices.Contains(urls, u) {
					urls = append(urls, u)
				}
			}
		}
	}
	return urls
}

// wantCards asks for the cards of a published article.
func (s *Service) wantCards(ctx context.Context, tx Tx, a Article) error {
	if a.Status != ArticlePublished {
		return nil
	}
	if urls := bareLinks(a.Body); len(urls) > 0 {
		return tx.WantCards(ctx, urls, s.opt.Now())
	}
	return nil
}

// Cards returns what is known of addresses.
func (s *Service) Cards(ctx context.Context, urls []string) (map[string]Card, error) {
	if len(urls) == 0 {
		return nil, nil
	}
	return get(ctx, s, func(tx Tx) (map[string]Card, error) { return tx.Cards(ctx, urls) })
}

// FetchCards reads a few of the addresses that wait, by fetch, outside of any transaction. It tells how many there were.
func (s *Service) FetchCards(ctx context.Context, fetch func(context.Context, string) (Card, error)) (int, error) {
	waiting, err := get(ctx, s, func(tx Tx) (bool, error) { // most of the time nothing does, and the writer is left alone
		n, err := tx.WaitingCards(ctx, s.opt.Now())
		return n > 0, err
	})
	if err != nil || !waiting {
		return 0, err
	}
	var urls []string
	err = s.update(ctx, func(tx Tx) (err error) {
		urls, err = tx.ClaimCards(ctx, cardsAtOnce, cardPause, s.opt.Now())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("claim link cards: %w", err)
	}
	for _, u := range urls {
		c, err := fetch(ctx, u)
		if ctx.Err() != nil {
			return 0, nil
		}
		if err != nil {
			c = Card{} // a failure is an empty card: the address itself is shown
		}
		c.URL = u
		c.Title, c.Summary, c.Site = cardText(c.Title, 120), cardText(c.Summary, 160), cardText(c.Site, 40)
		err = s.update(ctx, func(tx Tx) error {
			if err := tx.KeepCard(ctx, c, s.opt.Now()); err != nil {
				return err
			}
			return bumpIf(ctx, tx, c.Title != "")
		})
		if err != nil {
			return 0, fmt.Errorf("keep a link card: %w", err)
		}
	}
	return len(urls), nil
}

// CardsOfArticle are the bare links of an article, in their order, with what is known of each.
func (s *Service) CardsOfArticle(ctx context.Context, a Article) ([]Card, error) {
	urls := bareLinks(a.Body)
	known, err := s.Cards(ctx, urls)
	cards := make([]Card, len(urls))
	for i, u := range urls {
		cards[i] = known[u]
		cards[i].URL = u
	}
	return cards, err
}

// EditCards puts the cards of an article's bare links right; one whose title was taken away is read anew. Errors: Faults (cards[n].title …).
func (s *Service) EditCards(ctx context.Context, actor, slug string, cards []Card) error {
	var faults Faults
	for n := range cards {
		for _, f := range []struct {
			name string
			text *string
			max  int
		}{{"title", &cards[n].Title, 120}, {"summary", &cards[n].Summary, 160}, {"site", &cards[n].Site, 40}} {
			clean, err := CleanLine(*f.text, f.max)
			if err != nil {
				faults = append(faults, at(fmt.Sprintf("cards[%d].%s", n, f.name), err))
			}
			*f.text = strings.TrimSpace(clean)
		}
	}
	if err := faults.Err(); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		a, err := tx.Article(ctx, slug)
		if err != nil {
			return err
		}
		urls := bareLinks(a.Body)
		known, err := tx.Cards(ctx, urls)
		if err != nil {
			return err
		}
		changed := 0
		for _, c := range cards {
			was := known[c.URL]
			if !slices.Contains(urls, c.URL) || c.Title == was.Title && c.Summary == was.Summary && c.Site == was.Site {
				continue
			}
			if err := tx.EditCard(ctx, c, s.opt.Now()); err != nil {
				return err
			}
			changed++
		}
		if changed == 0 {
			return nil
		}
		if err := s.audit(ctx, tx, actor, "cards_edit", articleName(a.ID), fmt.Sprintf("%d cards", changed)); err != nil {
			return err
		}
		return tx.BumpRevision(ctx)
	})
}

// checkEvery is how long a page elsewhere is believed to be there; one that was gone is looked at again a day later at the earliest.
const checkEvery = 7 * 24 * time.Hour

// CheckLinks looks whether a few of the pages behind bare links are still there, by gone, outside of any transaction. gone tells for certain:
// a page that does not answer today, or wants no visitor like us, is not gone. It tells how many were looked at.
func (s *Service) CheckLinks(ctx context.Context, gone func(context.Context, string) bool) (int, error) {
	now := s.opt.Now()
	var urls []string
	err := s.update(ctx, func(tx Tx) (err error) {
		urls, err = tx.ClaimChecks(ctx, cardsAtOnce, now.Add(-checkEvery), now)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("claim links to check: %w", err)
	}
	for _, u := range urls {
		lost := gone(ctx, u)
		if ctx.Err() != nil {
			return 0, nil
		}
		err := s.update(ctx, func(tx Tx) error {
			changed, err := tx.KeepCheck(ctx, u, lost, s.opt.Now())
			if err != nil {
				return err
			}
			return bumpIf(ctx, tx, changed)
		})
		if err != nil {
			return 0, fmt.Errorf("keep a check: %w", err)
		}
	}
	return len(urls), nil
}

// cardText makes a stranger's words one harmless line of at most max characters.
func cardText(raw string, max int) string {
	line := oneLine(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case hidden(r):
			return -1
		}
		return r
	}, CleanText(raw)))
	if r := []rune(line); len(r) > max {
		return strings.TrimSpace(string(r[:max-1])) + "…"
	}
	return line
}
