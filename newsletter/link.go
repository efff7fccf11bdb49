package newsletter

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// maxURL is what browsers and mail programs carry without cutting.
const maxURL = 2000

// Link is something to read, kept on the pile for the next round-up.
type Link struct {
	ID int64
	RoundupLink
	CreatedAt time.Time
}

// LinkTx keeps the pile.
type LinkTx interface {
	// AddLink inserts and sets the ID. Conflict with code exists: the address lies there already.
	AddLink(ctx context.Context, l *Link) error
	Link(ctx context.Context, id int64) (Link, error)
	LinkByURL(ctx context.Context, url string) (Link, error)
	// Links lists the newest first.
	Links(ctx context.Context, query string, cursor int64, limit int) ([]Link, error)
	DeleteLink(ctx context.Context, id int64) error
}

// judge tidies a link and names everything wrong with it.
func (l *RoundupLink) judge() error {
	var faults Faults
	l.URL = strings.TrimSpace(l.URL)
	u, err := url.Parse(l.URL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		faults = append(faults, invalid("url", "링크는 http:// 나 https:// 로 시작하는 주소여야 해요."))
	case len(l.URL) > maxURL:
		faults = append(faults, invalid("url", fmt.Sprintf("링크가 너무 길어요. %d자까지 쓸 수 있어요.", maxURL)))
	}
	for _, f := range []struct {
		name string
		text *string
	}{{"title", &l.Title}, {"source", &l.Source}, {"summary", &l.Summary}} {
		clean, err := CleanLine(*f.text, 1000)
		if err != nil {
			faults = append(faults, at(f.name, err))
		}
		*f.text = clean
	}
	return faults.Err()
}

// AddLink puts a link on the pile; without a title its page is read in the background. Errors: Faults (url, title, source, summary); Conflict with code exists when it lies there already.
func (s *Service) AddLink(ctx context.Context, actor string, given RoundupLink) (Link, error) {
	if err := given.judge(); err != nil {
		return Link{}, err
	}
	l := Link{RoundupLink: given, CreatedAt: s.opt.Now()}
	err := s.update(ctx, func(tx Tx) error {
		l.ID = 0
		_, err := tx.LinkByURL(ctx, l.URL)
		if known, err := found(err); err != nil {
			return err
		} else if known {
			return errLinkKnown()
		}
		if err := tx.AddLink(ctx, &l); err != nil {
			return err
		}
		if l.Title == "" {
			if err := tx.WantCards(ctx, []string{l.URL}, l.CreatedAt); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, actor, "link_add", linkName(l.ID), harmless(l.URL, 200))
	})
	if err != nil {
		return Link{}, fmt.Errorf("add link: %w", err)
	}
	return l, nil
}

func errLinkKnown() error {
	return &Error{Kind: Conflict, Field: "url", Code: "exists", Msg: "이미 모아 둔 링크예요."}
}

// Links lists the pile, newest first, at most 200, and tells whether there is more.
func (s *Service) Links(ctx context.Context, query string, cursor int64, limit int) ([]Link, bool, error) {
	limit = pageLimit(limit)
	query = norm.NFC.String(strings.TrimSpace(query))
	rows, err := get(ctx, s, func(tx Tx) ([]Link, error) { return tx.Links(ctx, query, cursor, limit) })
	rows, more := page(rows, limit)
	return rows, more, err
}

// LinkByURL finds a link of the pile by its address.
func (s *Service) LinkByURL(ctx context.Context, address string) (Link, error) {
	return get(ctx, s, func(tx Tx) (Link, error) { return tx.LinkByURL(ctx, strings.TrimSpace(address)) })
}

// DeleteLink takes a link off the pile; issues that have it keep it.
func (s *Service) DeleteLink(ctx context.Context, actor string, id int64) error {
	return s.update(ctx, func(tx Tx) error {
		l, err := tx.Link(ctx, id)
		if err != nil {
			return err
		}
		if err := tx.DeleteLink(ctx, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "link_delete", linkName(id), harmless(l.URL, 200))
	})
}

func linkName(id int64) string { return fmt.Sprintf("link:%d", id) }
