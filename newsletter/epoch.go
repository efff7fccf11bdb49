package newsletter

import (
	"context"
	"time"
)

// watchedTx notices that pages are about to change.
type watchedTx struct {
	Tx
	bumped bool
}

func (t *watchedTx) BumpRevision(ctx context.Context) error {
	t.bumped = true
	return t.Tx.BumpRevision(ctx)
}

// Epoch grows whenever something that pages show was changed: at once when this Service did it, within half a second when
// another node or a command did. A page read after Epoch was asked is at least as new as it.
func (s *Service) Epoch() uint64 { return s.epoch.Load() }

// revisionPoll is how soon pages in memory notice what others changed.
const revisionPoll = 500 * time.Millisecond

// WatchRevision looks for changes made by others until ctx ends. An error of the store makes pages be read anew and is told to
// told once, until the store answers again.
func (s *Service) WatchRevision(ctx context.Context, told func(error)) {
	tick := time.NewTicker(revisionPoll)
	defer tick.Stop()
	last, failed := int64(-1), false
	for {
		n, err := get(ctx, s, func(tx Tx) (int64, error) { return tx.Revision(ctx) })
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.epoch.Add(1)
			if !failed {
				told(err)
			}
		case n != last:
			s.epoch.Add(1)
			last = n
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
