package newsletter

import (
	"context"
	"fmt"
	"time"
)

// How long things are kept (개인정보보호법 §21: destroyed without delay once their purpose is over).
const (
	keepPending = 7 * 24 * time.Hour // as long as the mailed link works
	keepSkipped = 30 * 24 * time.Hour
	keepMonths  = 13 // of openings, clicks and single letters
)

// RetentionTx destroys what is over, in pieces that do not hold others up.
type RetentionTx interface {
	// ForgetPending forgets a reader who never confirmed, consents included: nothing was agreed to.
	ForgetPending(ctx context.Context, id SubscriberID, now time.Time) error
	// StaleHits names an issue that may hold openings or clicks from before then and was not swept since; NotFound: none.
	StaleHits(ctx context.Context, before, sweptBefore time.Time) (IssueID, error)
	// SweepHits destroys those of a number of letters behind after, keeps their sums, and returns the last letter looked at, 0 at the end.
	SweepHits(ctx context.Context, id IssueID, after DeliveryID, before time.Time) (DeliveryID, error)
	HitsSwept(ctx context.Context, id IssueID, now time.Time) error
	// DropNotices destroys settled single letters with their attempts, skipped ones sooner, at most limit, and reports how many.
	DropNotices(ctx context.Context, before, skippedBefore time.Time, limit int) (int, error)
}

// Retained counts what was destroyed.
type Retained struct{ Pending, Issues, Notices int }

const retentionBatch = 200

// Retain destroys what is kept no longer. It may be run at any time and by several nodes.
func (s *Service) Retain(ctx context.Context) (r Retained, err error) {
	now := s.opt.Now()
	old := now.AddDate(0, -keepMonths, 0)
	for _, step := range []func() error{
		func() (err error) { r.Pending, err = s.forgetPending(ctx, now); return err },
		func() (err error) { r.Issues, err = s.sweepHits(ctx, old, now); return err },
		func() (err error) { r.Notices, err = s.dropNotices(ctx, old, now.Add(-keepSkipped)); return err },
	} {
		if err := step(); err != nil {
			return r, fmt.Errorf("retention: %w", err)
		}
	}
	return r, nil
}

func (s *Service) forgetPending(ctx context.Context, now time.Time) (n int, err error) {
	for {
		var gone int
		err := s.update(ctx, func(tx Tx) error {
			gone = 0
			rows, err := tx.PendingBefore(ctx, now.Add(-keepPending), retentionBatch)
			if err != nil {
				return err
			}
			for _, sub := range rows {
				if err := tx.ForgetPending(ctx, sub.ID, now); err != nil {
					return err
				}
				if err := tx.Emit(ctx, "subscriber.erased", fmt.Sprintf(`{"id":%d}`, sub.ID), now); err != nil {
					return err
				}
				gone++
			}
			return nil
		})
		n += gone
		if err != nil || gone == 0 {
			return n, err
		}
	}
}

// sweepAgain is how often an old issue is looked at for late openings.
const sweepAgain = 30 * 24 * time.Hour

func (s *Service) sweepHits(ctx context.Context, before, now time.Time) (n int, err error) {
	for {
		id, err := get(ctx, s, func(tx Tx) (IssueID, error) { return tx.StaleHits(ctx, before, now.Add(-sweepAgain)) })
		if some, err := found(err); err != nil || !some {
			return n, err
		}
		for last := DeliveryID(0); ; {
			var next DeliveryID
			err := s.update(ctx, func(tx Tx) (err error) {
				next, err = tx.SweepHits(ctx, id, last, before)
				return err
			})
			if err != nil {
				return n, err
			}
			if last = next; last == 0 {
				break
			}
		}
		if err := s.update(ctx, func(tx Tx) error { return tx.HitsSwept(ctx, id, now) }); err != nil {
			return n, err
		}
		n++
	}
}

func (s *Service) dropNotices(ctx context.Context, before, skipped time.Time) (n int, err error) {
	for {
		var gone int
		err := s.update(ctx, func(tx Tx) (err error) {
			gone, err = tx.DropNotices(ctx, before, skipped, retentionBatch)
			return err
		})
		n += gone
		if err != nil || gone == 0 {
			return n, err
		}
	}
}
