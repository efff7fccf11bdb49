package db_test

import (
	"errors"
	"fmt"
	"testing"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
)

func accepted(c newsletter.Claimed) *newsletter.Settlement {
	return &newsletter.Settlement{
		Ticket: c.Ticket, State: newsletter.Sent, Charge: true, At: t0, Outcome: "sent", Relay: "127.0.0.1:25", RelayID: fmt.Sprintf("Q%d", c.ID),
		Reply: newsletter.Reply{Stage: newsletter.StageDot, Code: 250, Enhanced: "2.0.0", Text: "queued"},
	}
}

// Many turns in one commit answer each as the single statements would: a reader who left, a lease that is lost, a
// letter settled twice and one asked for twice spoil nothing for the others.
func TestTurnsAnswerEachWorker(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := db.Store{DB: d}, t.Context()
		issue := sendingIssue(t, s, 9)
		got, err := s.ClaimDeliveries(ctx, 1, 9, t0)
		if err != nil || len(got) != 9 {
			t.Fatalf("claimed %d, %v", len(got), err)
		}
		err = s.Update(ctx, func(tx newsletter.Tx) error {
			sub, err := tx.Subscriber(ctx, got[3].Subscriber)
			if err != nil {
				return err
			}
			sub.Status, sub.UnsubscribedAt = newsletter.Unsubscribed, t0
			return tx.PutSubscriber(ctx, &sub)
		})
		if err != nil {
			t.Fatal(err)
		}
		var first []newsletter.Turn
		for n := range 5 {
			first = append(first, newsletter.Turn{Gate: &got[n].Ticket})
		}
		stale := got[5].Ticket
		stale.Lease--
		first = append(first, newsletter.Turn{Gate: &stale}, newsletter.Turn{Gate: &got[0].Ticket})
		answers, err := s.Turns(ctx, first, t0)
		if err != nil {
			t.Fatal(err)
		}
		for n, a := range answers {
			var refused *newsletter.GateError
			switch {
			case n == 3 && (!errors.As(a.Gated, &refused) || refused.Reason != newsletter.ReasonUnsubscribed):
				t.Errorf("gate of a reader who left: %v", a.Gated)
			case n == 5 && !errors.Is(a.Gated, newsletter.ErrLeaseLost):
				t.Errorf("gate under an old lease: %v", a.Gated)
			case n != 3 && n < 5 && a.Gated != nil:
				t.Errorf("gate %d: %v", n, a.Gated)
			}
		}
		lost := accepted(got[1])
		lost.Lease++
		answers, err = s.Turns(ctx, []newsletter.Turn{
			{Settle: accepted(got[0]), Gate: &got[6].Ticket},
			{Settle: lost, Gate: &got[7].Ticket},
			{Settle: accepted(got[2])},
		}, t0)
		if err != nil {
			t.Fatal(err)
		}
		if answers[0] != (newsletter.TurnAnswer{}) || answers[2] != (newsletter.TurnAnswer{}) {
			t.Errorf("good turns: %+v", answers)
		}
		if !errors.Is(answers[1].Settled, newsletter.ErrLeaseLost) || answers[1].Gated != nil {
			t.Errorf("a lost lease with a good gate behind it: %+v", answers[1])
		}
		err = s.View(ctx, func(tx newsletter.Tx) error {
			p, err := tx.Progress(ctx, issue.ID, t0)
			if err != nil {
				return err
			}
			want := map[newsletter.DeliveryState]int64{newsletter.Sent: 2, newsletter.Handing: 4, newsletter.Skipped: 1, newsletter.Leased: 2}
			for state, n := range want {
				if p.Counts[state] != n {
					t.Errorf("%s %d, want %d (%v)", state, p.Counts[state], n, p.Counts)
				}
			}
			letter, err := tx.Delivery(ctx, newsletter.DeliveryID(got[0].ID))
			if err != nil {
				return err
			}
			if letter.RelayID != fmt.Sprintf("Q%d", got[0].ID) || letter.Reply != "250 2.0.0 queued" || letter.Attempts != 1 {
				t.Errorf("settled letter: %+v", letter)
			}
			attempts, err := tx.Attempts(ctx, letter.ID)
			if len(attempts) != 1 || attempts[0].Outcome != "sent" || attempts[0].Reply.Code != 250 {
				t.Errorf("attempts: %+v", attempts)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		violations(t, s)
	})
}

// What one worker costs the store per letter: the result of one and the gate of the next, in turns of 32.
func BenchmarkTurns(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			var d *db.DB
			if engine == "sqlite" {
				d = dbtest.SQLite(b)
			} else {
				d = dbtest.Postgres(b)
			}
			s := db.Store{DB: d}
			const width = 32
			sendingIssue(b, s, b.N+width)
			claimed, err := s.ClaimDeliveries(b.Context(), 1, b.N+width, t0)
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			var last []newsletter.Claimed
			for at := 0; at+width <= len(claimed); at += width {
				var turns []newsletter.Turn
				for n, c := range claimed[at : at+width] {
					turn := newsletter.Turn{Gate: &c.Ticket}
					if last != nil {
						turn.Settle = accepted(last[n])
					}
					turns = append(turns, turn)
				}
				if _, err := s.Turns(b.Context(), turns, t0); err != nil {
					b.Fatal(err)
				}
				last = claimed[at : at+width]
			}
		})
	}
}
