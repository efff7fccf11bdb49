package db_test

import (
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
)

// What the meter says is what SQL says, at every step of a send: also for the issue that is over and whose counts it keeps.
func TestMeterSaysWhatSQLSays(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, m, ctx := db.Store{DB: d}, db.NewMeter(d), t.Context()
		same := func(when string) db.Numbers {
			t.Helper()
			n, err := m.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			err = d.View(ctx, func(tx *db.Tx) error {
				for _, state := range newsletter.DeliveryStates {
					want, err := tx.Int(ctx, `SELECT COUNT(*) FROM deliveries WHERE state = ?`, state)
					if err != nil {
						return err
					}
					if n.Deliveries[state] != want {
						t.Errorf("%s: %d %s, SQL says %d", when, n.Deliveries[state], state, want)
					}
				}
				want, err := tx.Int(ctx, `SELECT COUNT(*) FROM subscribers WHERE status = 'active'`)
				if n.Subscribers[newsletter.Active] != want {
					t.Errorf("%s: %d readers, SQL says %d", when, n.Subscribers[newsletter.Active], want)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := same("in an empty house"); !n.OldestDue.IsZero() {
			t.Errorf("something is due in an empty house: %v", n.OldestDue)
		}
		i := sendingIssue(t, s, 5)
		if n := same("queued"); !n.OldestDue.Equal(t0) {
			t.Errorf("the oldest letter is due %v, want %v", n.OldestDue, t0)
		}
		node, err := s.RegisterNode(ctx, "n", t0)
		if err != nil {
			t.Fatal(err)
		}
		letters, err := s.ClaimDeliveries(ctx, node, 5, t0)
		if err != nil || len(letters) != 5 {
			t.Fatalf("claimed %d, %v", len(letters), err)
		}
		same("leased")
		results := []newsletter.DeliveryState{newsletter.Sent, newsletter.Sent, newsletter.Failed, newsletter.Uncertain, newsletter.Uncertain}
		for n, c := range letters {
			if err := s.Gate(ctx, c.Ticket, t0); err != nil {
				t.Fatal(err)
			}
			set := newsletter.Settlement{Ticket: c.Ticket, State: results[n], Reason: "r", Charge: true, Outcome: string(results[n]), At: t0, Reply: newsletter.Reply{Code: 250}}
			if err := s.Settle(ctx, set); err != nil {
				t.Fatal(err)
			}
		}
		same("settled")
		move := func(to newsletter.IssueState, done time.Time, from newsletter.IssueState) {
			t.Helper()
			i.State, i.DoneAt = to, done
			if err := s.Update(ctx, func(tx newsletter.Tx) error { return tx.MoveIssue(ctx, i, from) }); err != nil {
				t.Fatal(err)
			}
		}
		move(newsletter.IssueDone, t0.Add(time.Minute), newsletter.IssueSending)
		same("done")
		same("done, from memory")
		err = s.Update(ctx, func(tx newsletter.Tx) error {
			return tx.MarkSent(ctx, newsletter.DeliveryID(letters[3].ID), "editor", t0)
		})
		if err != nil {
			t.Fatal(err)
		}
		same("one decided by the editor after the end")
		err = s.Update(ctx, func(tx newsletter.Tx) error {
			_, err := tx.Requeue(ctx, i.ID, nil, []newsletter.DeliveryState{newsletter.Failed}, nil, t0)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		move(newsletter.IssueSending, time.Time{}, newsletter.IssueDone)
		same("woken")
	})
}
