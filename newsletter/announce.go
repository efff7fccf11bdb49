package newsletter

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Announcements tell search engines of new and changed pages (IndexNow). They are owed in the transaction that changes the page and are
// delivered in the background; without the setting nothing is owed.

// AnnounceTx keeps what is owed.
type AnnounceTx interface {
	// Announce owes a page, from due on; one that is owed already waits until then.
	Announce(ctx context.Context, path string, due time.Time) error
	// ClaimAnnouncements gives pages to be told of now, and puts each off by pause. After the fifth try a page is forgotten.
	ClaimAnnouncements(ctx context.Context, limit int, pause time.Duration, now time.Time) ([]string, error)
	// Announced forgets pages that were told of; one that was owed anew since its claim stays.
	Announced(ctx context.Context, paths []string) error
}

const (
	announceAfter  = time.Minute // a page is mended most often in its first minute
	announcePause  = 30 * time.Minute
	announceAtOnce = 100
)

// announce owes a page if the house announces its pages.
func (s *Service) announce(ctx context.Context, tx Tx, path string) error {
	h, err := s.house(ctx, tx)
	if err != nil || !h.announces() {
		return err
	}
	return tx.Announce(ctx, path, s.opt.Now().Add(announceAfter))
}

// announces tells whether search engines are told: somebody has set where, and our own address is one that they can reach.
func (h House) announces() bool {
	base, err := url.Parse(h.BaseURL)
	return err == nil && h.IndexNow != "" && base.Scheme == "https" && strings.Contains(base.Hostname(), ".")
}

// announceArticle owes the page of an article that readers see, or saw until now.
func (s *Service) announceArticle(ctx context.Context, tx Tx, was, is Article) error {
	if was.Status != ArticlePublished && is.Status != ArticlePublished {
		return nil
	}
	return s.announce(ctx, tx, "/articles/"+url.PathEscape(is.Slug))
}

// AnnouncePages delivers what is owed by tell, outside of any transaction, and tells how many pages there were.
func (s *Service) AnnouncePages(ctx context.Context, tell func(ctx context.Context, endpoint, site string, urls []string) error) (int, error) {
	h, err := s.House(ctx)
	if err != nil || !h.announces() {
		return 0, err
	}
	var paths []string
	err = s.update(ctx, func(tx Tx) (err error) {
		paths, err = tx.ClaimAnnouncements(ctx, announceAtOnce, announcePause, s.opt.Now())
		return err
	})
	if err != nil || len(paths) == 0 {
		return 0, err
	}
	urls := make([]string, len(paths))
	for i, p := range paths {
		urls[i] = h.BaseURL + p
	}
	if err := tell(ctx, h.IndexNow, h.BaseURL, urls); err != nil {
		return 0, fmt.Errorf("announce %d pages: %w", len(paths), err)
	}
	return len(paths), s.update(ctx, func(tx Tx) error { return tx.Announced(ctx, paths) })
}
