package newsletter

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// States of a link that was looked at.
const (
	LinkAlive   = "alive"
	LinkDead    = "dead"    // it answers that there is nothing, or nobody answers to its name
	LinkUnknown = "unknown" // a server that does not talk to programs, or was away
)

// LinkCheck is what became of a look at an address.
type LinkCheck struct {
	URL, State string
	Said       string // 404, or that its host does not exist
}

// LinkCheckTx remembers which links lead nowhere.
type LinkCheckTx interface {
	// WantLinkChecks asks for looks at addresses that nobody has looked at since then.
	WantLinkChecks(ctx context.Context, urls []string, since, now time.Time) error
	WaitingLinkChecks(ctx context.Context, now time.Time) (int64, error)
	// ClaimLinkChecks gives addresses to look at now and puts each off by pause.
	ClaimLinkChecks(ctx context.Context, limit int, pause time.Duration, now time.Time) ([]string, error)
	KeepLinkCheck(ctx context.Context, c LinkCheck, now time.Time) error
	// DeadLinks returns those of the addresses that lead nowhere.
	DeadLinks(ctx context.Context, urls []string) ([]LinkCheck, error)
}

const (
	linkCheckLife = 12 * time.Hour // after that a save has the address looked at again
	maxLinkChecks = 100            // of one issue
)

// lettersLinks are the addresses in an issue's letter.
func (s *Service) lettersLinks(snap Snapshot) ([]string, error) {
	if s.opt.Links == nil {
		return nil, nil
	}
	urls, err := s.opt.Links(snap)
	return urls[:min(len(urls), maxLinkChecks)], err
}

// wantLinkChecks has the links of a draft looked at in the background.
func (s *Service) wantLinkChecks(ctx context.Context, tx Tx, i Issue) error {
	snap, err := s.snapshot(ctx, tx, i, VariantWhole)
	if err != nil {
		return err
	}
	urls, err := s.lettersLinks(snap)
	if err != nil {
		return fmt.Errorf("find the links of issue %d: %w", i.Number, err)
	}
	now := s.opt.Now()
	return tx.WantLinkChecks(ctx, urls, now.Add(-linkCheckLife), now)
}

// WantLinkChecks has the links of a draft looked at again, unless that was done lately.
func (s *Service) WantLinkChecks(ctx context.Context, number int) error {
	return s.update(ctx, func(tx Tx) error {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return err
		}
		return s.wantLinkChecks(ctx, tx, i)
	})
}

// FetchLinkChecks looks at a few of the addresses that wait, by look, outside of any transaction. It tells how many there were.
func (s *Service) FetchLinkChecks(ctx context.Context, look func(context.Context, string) LinkCheck) (int, error) {
	waiting, err := get(ctx, s, func(tx Tx) (int64, error) { return tx.WaitingLinkChecks(ctx, s.opt.Now()) })
	if err != nil || waiting == 0 {
		return 0, err
	}
	var urls []string
	err = s.update(ctx, func(tx Tx) (err error) {
		urls, err = tx.ClaimLinkChecks(ctx, cardsAtOnce, cardPause, s.opt.Now())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("claim links to look at: %w", err)
	}
	for _, u := range urls {
		c := look(ctx, u)
		if ctx.Err() != nil {
			return 0, nil
		}
		c.URL = u
		if err := s.update(ctx, func(tx Tx) error { return tx.KeepLinkCheck(ctx, c, s.opt.Now()) }); err != nil {
			return 0, fmt.Errorf("keep a look at a link: %w", err)
		}
	}
	return len(urls), nil
}

// checkDead names the links of a letter that lead nowhere, each with the field that holds it.
func (s *Service) checkDead(ctx context.Context, tx Tx, i Issue, snap Snapshot) (out []Check, err error) {
	urls, err := s.lettersLinks(snap)
	if err != nil {
		return nil, fmt.Errorf("find links for the check: %w", err)
	}
	dead, err := tx.DeadLinks(ctx, urls)
	if err != nil {
		return nil, err
	}
	for _, d := range dead {
		out = append(out, Check{"warn", "dead_link", i.fieldOf(d.URL), "열리지 않는 링크예요(" + d.Said + "): " + d.URL})
	}
	slices.SortFunc(out, func(a, b Check) int { return strings.Compare(a.Field, b.Field) })
	return out, nil
}
