package mailer

import (
	"context"
	"slices"
	"strings"
	"time"

	"techissue/newsletter"
)

// lookout claims the next letters. Where the oldest ones all go to domains of which many wait here already, it looks beyond them for
// others: a slow provider's letters may stand before everybody else's. It remembers how far it looked for each set of
// domains to pass by, so that a long row of them is walked once.
type lookout struct {
	q      *Queue
	places map[string]newsletter.Place
	ended  map[string]time.Time // nobody else was found; looked again after
	began  map[string]time.Time
}

const (
	lookAhead   = 2000        // letters at once
	lookRest    = time.Second // between two walks to the end
	lookRestPer = 20          // and so many times as long as the last one took
)

func newLookout(q *Queue) *lookout {
	return &lookout{q: q, places: map[string]newsletter.Place{}, ended: map[string]time.Time{}, began: map[string]time.Time{}}
}

// claim leases up to limit letters. more tells whether the store may hold letters of other domains than the crowded ones.
func (l *lookout) claim(ctx context.Context, limit int, crowded []string) (letters []newsletter.Claimed, more bool, err error) {
	now := l.q.opt.Now()
	if len(crowded) == 0 {
		letters, err = l.q.opt.Store.ClaimDeliveries(ctx, l.q.node, limit, now)
		return letters, len(letters) > 0, err
	}
	slices.Sort(crowded)
	key := strings.Join(crowded, " ")
	if time.Now().Before(l.ended[key]) {
		return nil, false, nil
	}
	if _, walking := l.places[key]; !walking {
		if len(l.ended) > 1000 || len(l.places) > 1000 {
			*l = *newLookout(l.q)
		}
		l.began[key] = time.Now()
	}
	letters, next, err := l.q.opt.Store.ClaimBeyond(ctx, l.q.node, limit, lookAhead, l.places[key], crowded, now)
	if err != nil {
		return nil, true, err
	}
	if next != (newsletter.Place{}) {
		l.places[key] = next
		return letters, true, nil
	}
	took := time.Since(l.began[key])
	delete(l.places, key)
	delete(l.began, key)
	l.ended[key] = time.Now().Add(max(lookRest, lookRestPer*took))
	return letters, len(letters) > 0, nil
}
