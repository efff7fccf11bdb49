package db_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
)

var t0 = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// sendingIssue puts n active readers and an issue that is sending to all of them into the store.
func sendingIssue(t testing.TB, s db.Store, n int) newsletter.Issue {
	t.Helper()
	ctx := t.Context()
	issue := newsletter.Issue{
		Number: 7, Content: newsletter.Content{Subject: "제목", Kind: newsletter.KindInfo}, WithoutAdConsent: newsletter.SkipWithoutAdConsent,
		Uncertain: newsletter.ResendOnce, CreatedAt: t0, UpdatedAt: t0,
	}
	err := s.Update(ctx, func(tx newsletter.Tx) error {
		for i := range n {
			a, err := newsletter.ParseAddress(fmt.Sprintf("reader%d@example.com", i))
			if err != nil {
				return err
			}
			sub := newsletter.Subscriber{
				Email: a, AddrKey: a.Key([]byte("k")), Status: newsletter.Active, ConfirmedAt: t0, CreatedAt: t0, UpdatedAt: t0, Tags: []string{"나", "가"},
			}
			if err := tx.PutSubscriber(ctx, &sub); err != nil {
				return err
			}
		}
		if err := tx.PutIssue(ctx, &issue); err != nil {
			return err
		}
		if err := tx.AddEdition(ctx, newsletter.Edition{Issue: issue.ID, Number: 1, Reason: "first", CreatedAt: t0}); err != nil {
			return err
		}
		last, seen, err := tx.Freeze(ctx, issue.ID, newsletter.Recipients{}, 0, 0, n+1, t0)
		if err != nil || seen != n || last == 0 {
			return fmt.Errorf("freeze looked at %d up to %d: %w", seen, last, err)
		}
		if _, _, err := tx.Freeze(ctx, issue.ID, newsletter.Recipients{}, 0, 0, n+1, t0); err != nil {
			return err // safe to repeat
		}
		issue.State, issue.AcceptedAt, issue.PreparedAt, issue.Recipients = newsletter.IssueSending, t0, t0, int64(n)
		return tx.MoveIssue(ctx, issue, newsletter.IssueDraft)
	})
	if err != nil {
		t.Fatal(err)
	}
	return issue
}

func violations(t *testing.T, s db.Store) {
	t.Helper()
	err := s.View(t.Context(), func(tx newsletter.Tx) error {
		v, err := tx.Violations(t.Context())
		for _, line := range v {
			t.Error(line)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestQueueNoLetterIsClaimedTwice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := db.Store{DB: d}
		sendingIssue(t, s, 120)
		var mu sync.Mutex
		seen := map[int64]bool{}
		var wg sync.WaitGroup
		for node := range int64(4) {
			wg.Go(func() {
				for {
					got, err := s.ClaimDeliveries(t.Context(), node+1, 7, t0)
					if err != nil {
						t.Error(err)
						return
					}
					if len(got) == 0 {
						return
					}
					mu.Lock()
					for _, c := range got {
						if seen[c.ID] {
							t.Errorf("letter %d was claimed twice", c.ID)
						}
						if c.Edition != 1 || c.Email == "" {
							t.Errorf("claimed letter is incomplete: %+v", c)
						}
						seen[c.ID] = true
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(seen) != 120 {
			t.Errorf("claimed %d of 120 letters", len(seen))
		}
		violations(t, s)
	})
}

func TestQueueGateAndSettle(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := db.Store{DB: d}, t.Context()
		issue := sendingIssue(t, s, 6)
		got, err := s.ClaimDeliveries(ctx, 1, 10, t0)
		if err != nil || len(got) != 6 {
			t.Fatalf("claimed %d, %v", len(got), err)
		}
		change := func(id newsletter.SubscriberID, fn func(newsletter.Tx, *newsletter.Subscriber) error) {
			t.Helper()
			err := s.Update(ctx, func(tx newsletter.Tx) error {
				sub, err := tx.Subscriber(ctx, id)
				if err != nil {
					return err
				}
				return fn(tx, &sub)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		put := func(mend func(*newsletter.Subscriber)) func(newsletter.Tx, *newsletter.Subscriber) error {
			return func(tx newsletter.Tx, sub *newsletter.Subscriber) error {
				mend(sub)
				return tx.PutSubscriber(ctx, sub)
			}
		}
		change(got[0].Subscriber, put(func(s *newsletter.Subscriber) { s.Status, s.UnsubscribedAt = newsletter.Unsubscribed, t0 }))
		change(got[1].Subscriber, put(func(s *newsletter.Subscriber) { s.PausedUntil = t0.Add(time.Hour) }))
		change(got[2].Subscriber, func(tx newsletter.Tx, sub *newsletter.Subscriber) error {
			return tx.PutSuppression(ctx, &newsletter.Suppression{AddrKey: sub.AddrKey, Email: sub.Email.String(), Reason: newsletter.SuppressedHard, CreatedAt: t0})
		})
		change(got[3].Subscriber, func(tx newsletter.Tx, sub *newsletter.Subscriber) error {
			return tx.EraseSubscriber(ctx, sub.ID, t0)
		})
		for n, want := range []string{newsletter.ReasonUnsubscribed, newsletter.ReasonPaused, newsletter.ReasonSuppressed} {
			var refused *newsletter.GateError
			if err := s.Gate(ctx, got[n].Ticket, t0); !errors.As(err, &refused) || refused.State != newsletter.Skipped || refused.Reason != want {
				t.Errorf("gate of letter %d: %v, want skipped for %s", n, err, want)
			}
		}
		if err := s.Gate(ctx, got[3].Ticket, t0); !errors.Is(err, newsletter.ErrLeaseLost) {
			t.Errorf("gate of an erased reader's letter: %v", err)
		}
		if err := s.Gate(ctx, got[4].Ticket, t0); err != nil {
			t.Fatal(err)
		}
		sent := newsletter.Settlement{
			Ticket: got[4].Ticket, State: newsletter.Sent, Charge: true, At: t0, Outcome: "sent",
			Reply: newsletter.Reply{Stage: newsletter.StageDot, Code: 250, Text: "ok"},
		}
		if err := s.Settle(ctx, sent); err != nil {
			t.Fatal(err)
		}
		if err := s.Settle(ctx, sent); !errors.Is(err, newsletter.ErrLeaseLost) {
			t.Errorf("settling twice: %v", err)
		}
		// A crash with letter 5 past its gate.
		if err := s.Gate(ctx, got[5].Ticket, t0); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Recover(ctx, 0, t0); err != nil || r.Uncertain != 1 || r.Requeued != 0 {
			t.Errorf("recovered %+v, %v", r, err)
		}
		if n, err := s.SecondTries(ctx, t0.Add(14*time.Minute)); err != nil || n != 0 {
			t.Errorf("second try after 14 minutes: %d, %v", n, err)
		}
		if n, err := s.SecondTries(ctx, t0.Add(15*time.Minute)); err != nil || n != 1 {
			t.Errorf("second try after 15 minutes: %d, %v", n, err)
		}
		late := sent
		late.Ticket = got[5].Ticket
		if again, err := s.ClaimDeliveries(ctx, 2, 10, t0.Add(time.Hour)); err != nil || len(again) != 1 {
			t.Fatalf("claimed again %d, %v", len(again), err)
		}
		if err := s.Settle(ctx, late); !errors.Is(err, newsletter.ErrLeaseLost) {
			t.Errorf("a result under an old lease: %v", err)
		}
		err = s.View(ctx, func(tx newsletter.Tx) error {
			p, err := tx.Progress(ctx, issue.ID, t0)
			if p.Counts[newsletter.Sent] != 1 || p.Counts[newsletter.Skipped] != 4 || p.Counts[newsletter.Leased] != 1 {
				t.Errorf("counts %v", p.Counts)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		violations(t, s)
	})
}

// After an answered unsubscribe no gate of that reader commits, however the two race.
func TestQueueUnsubscribeBeatsTheGate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := db.Store{DB: d}, t.Context()
		sendingIssue(t, s, 30)
		got, err := s.ClaimDeliveries(ctx, 1, 30, t0)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range got {
			var left, gated sync.WaitGroup
			answered := make(chan struct{})
			left.Go(func() {
				err := s.Update(ctx, func(tx newsletter.Tx) error {
					sub, err := tx.Subscriber(ctx, c.Subscriber)
					if err != nil {
						return err
					}
					sub.Status, sub.UnsubscribedAt = newsletter.Unsubscribed, t0
					return tx.PutSubscriber(ctx, &sub)
				})
				if err != nil {
					t.Error(err)
				}
				close(answered)
			})
			gated.Go(func() {
				var wasAnswered bool
				select {
				case <-answered:
					wasAnswered = true
				default:
				}
				if err := s.Gate(ctx, c.Ticket, t0); err == nil && wasAnswered {
					t.Errorf("letter %d passed its gate after the unsubscribe was answered", c.ID)
				}
			})
			left.Wait()
			gated.Wait()
			if err := s.Gate(context.Background(), c.Ticket, t0); err == nil {
				t.Errorf("letter %d passed a second gate", c.ID)
			}
		}
	})
}
