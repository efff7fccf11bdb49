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
	// Cards returns those of the addresses that have a title.
	Cards(ctx context.Context, urls []string) (map[string]Card, error)
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
