package db_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
)

// The files named after a noun hold newsletter/store.go to its word, sentence by sentence, on both engines.

// shelf is a migrated store in the hands of a test.
type shelf struct {
	*testing.T
	db.Store
	ctx context.Context
}

// eachShelf runs test on the program's own schema, per engine.
func eachShelf(t *testing.T, test func(s *shelf), opts ...dbtest.Option) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { test(&shelf{t, db.Store{DB: d}, t.Context()}) }, opts...)
}

// do runs a change that must pass.
func (s *shelf) do(fn func(tx newsletter.Tx) error) {
	s.Helper()
	if err := s.Update(s.ctx, fn); err != nil {
		s.Fatal(err)
	}
}

// look runs a view that must pass.
func (s *shelf) look(fn func(tx newsletter.Tx) error) {
	s.Helper()
	if err := s.View(s.ctx, fn); err != nil {
		s.Fatal(err)
	}
}

// refused runs a change that must end in an error of this kind and leave nothing.
func (s *shelf) refused(want newsletter.Kind, fn func(tx newsletter.Tx) error) {
	s.Helper()
	if err := s.Update(s.ctx, fn); newsletter.KindOf(err) != want {
		s.Errorf("gave %v, want %v", err, want)
	}
}

// raw runs SQL of the test's own.
func (s *shelf) raw(query string, args ...any) {
	s.Helper()
	if err := s.DB.Update(s.ctx, func(tx *db.Tx) error { _, err := tx.Exec(s.ctx, query, args...); return err }); err != nil {
		s.Fatal(err)
	}
}

// number reads one number by SQL of the test's own.
func (s *shelf) number(query string, args ...any) (n int64) {
	s.Helper()
	err := s.DB.View(s.ctx, func(tx *db.Tx) (err error) { n, err = tx.Int(s.ctx, query, args...); return err })
	if err != nil {
		s.Fatal(err)
	}
	return n
}

// read gives one thing of a view of its own.
func read[T any](s *shelf, fn func(tx newsletter.Tx) (T, error)) T {
	s.Helper()
	var out T
	s.look(func(tx newsletter.Tx) (err error) {
		out, err = fn(tx)
		return err
	})
	return out
}

// missing says that a look-up of something that is not there is NotFound with words for a reader.
func missing[T any](s *shelf, fn func(tx newsletter.Tx) (T, error)) {
	s.Helper()
	err := s.View(s.ctx, func(tx newsletter.Tx) error {
		_, err := fn(tx)
		return err
	})
	var e *newsletter.Error
	if !errors.As(err, &e) || e.Kind != newsletter.NotFound || e.Msg == "" {
		s.Errorf("a missing one gives %v", err)
	}
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func address(t testing.TB, raw string) newsletter.Address {
	t.Helper()
	a, err := newsletter.ParseAddress(raw)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// reader is a subscriber not yet stored.
func reader(t testing.TB, raw string, status newsletter.Status) newsletter.Subscriber {
	a := address(t, raw)
	return newsletter.Subscriber{Email: a, AddrKey: a.Key([]byte("k")), Status: status, CreatedAt: t0, UpdatedAt: t0}
}

// put stores a reader, as mend wants it.
func (s *shelf) put(raw string, status newsletter.Status, mend ...func(*newsletter.Subscriber)) newsletter.Subscriber {
	s.Helper()
	sub := reader(s.T, raw, status)
	for _, m := range mend {
		m(&sub)
	}
	s.do(func(tx newsletter.Tx) error { return tx.PutSubscriber(s.ctx, &sub) })
	return sub
}

// block suppresses a reader's address.
func (s *shelf) block(sub newsletter.Subscriber, reason newsletter.SuppressionReason) newsletter.Suppression {
	s.Helper()
	p := newsletter.Suppression{AddrKey: sub.AddrKey, Email: sub.Email.String(), Reason: reason, Evidence: string(reason), CreatedAt: t0}
	s.do(func(tx newsletter.Tx) error { return tx.PutSuppression(s.ctx, &p) })
	return p
}

// issue stores a draft with edition 1.
func (s *shelf) issue(number int, mend ...func(*newsletter.Issue)) newsletter.Issue {
	s.Helper()
	i := newsletter.Issue{
		Number: number, Content: newsletter.Content{Subject: fmt.Sprintf("%d번째 편지", number), Kind: newsletter.KindInfo},
		WithoutAdConsent: newsletter.SkipWithoutAdConsent, Uncertain: newsletter.ResendOnce, CreatedAt: t0, UpdatedAt: t0,
	}
	for _, m := range mend {
		m(&i)
	}
	s.do(func(tx newsletter.Tx) error {
		if err := tx.PutIssue(s.ctx, &i); err != nil {
			return err
		}
		return tx.AddEdition(s.ctx, newsletter.Edition{Issue: i.ID, Number: 1, Reason: "first", CreatedAt: t0})
	})
	return i
}

// send freezes the issue's recipients and moves it to sending.
func (s *shelf) send(i *newsletter.Issue) {
	s.Helper()
	s.do(func(tx newsletter.Tx) error {
		for after := newsletter.SubscriberID(0); ; {
			last, n, err := tx.Freeze(s.ctx, i.ID, newsletter.Recipients{Audience: i.Audience}, 0, after, 1000, t0)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			after = last
		}
		p, err := tx.Progress(s.ctx, i.ID, t0)
		if err != nil {
			return err
		}
		for _, n := range p.Counts {
			i.Recipients += n
		}
		i.AcceptedAt, i.PreparedAt, i.State = t0, t0, newsletter.IssueSending
		return tx.MoveIssue(s.ctx, *i, newsletter.IssueDraft)
	})
}

// move sets an issue's state, whatever it was.
func (s *shelf) move(i *newsletter.Issue, to newsletter.IssueState) {
	s.Helper()
	s.do(func(tx newsletter.Tx) (err error) {
		if *i, err = tx.IssueByID(s.ctx, i.ID); err != nil {
			return err
		}
		from := i.State
		i.State = to
		return tx.MoveIssue(s.ctx, *i, from)
	})
}

// claim leases n letters, no more and no fewer.
func (s *shelf) claim(n int, now time.Time) []newsletter.Claimed {
	s.Helper()
	got, err := s.ClaimDeliveries(s.ctx, 1, n, now)
	if err != nil || len(got) != n {
		s.Fatalf("claimed %d of %d: %v", len(got), n, err)
	}
	return got
}

func (s *shelf) gate(c newsletter.Claimed) {
	s.Helper()
	if err := s.Gate(s.ctx, c.Ticket, t0); err != nil {
		s.Fatal(err)
	}
}

// result is what a worker writes of a letter past its gate.
func result(k newsletter.Ticket, state newsletter.DeliveryState) newsletter.Settlement {
	o := newsletter.Settlement{Ticket: k, State: state, Charge: true, At: t0, Relay: "mx.example:25", Reply: newsletter.Reply{Stage: newsletter.StageDot}}
	switch state {
	case newsletter.Sent:
		o.Outcome, o.Reply.Code, o.Reply.Text = "sent", 250, "ok"
	case newsletter.Queued:
		o.Outcome, o.Reply.Code, o.Reply.Text, o.DueAt = "retry", 451, "later", t0.Add(5*time.Minute)
	case newsletter.Failed:
		o.Outcome, o.Reply.Code, o.Reply.Text, o.Reason = "failed", 550, "no", newsletter.ReasonRefused
	default:
		o.Outcome, o.Reason = string(state), "lost"
	}
	return o
}

func (s *shelf) settle(o newsletter.Settlement) {
	s.Helper()
	if err := s.Settle(s.ctx, o); err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) delivery(id int64) newsletter.Delivery {
	s.Helper()
	return read(s, func(tx newsletter.Tx) (newsletter.Delivery, error) {
		return tx.Delivery(s.ctx, newsletter.DeliveryID(id))
	})
}

// counts are an issue's letters by state, those with none left out.
func (s *shelf) counts(i newsletter.Issue) map[newsletter.DeliveryState]int64 {
	s.Helper()
	p := read(s, func(tx newsletter.Tx) (newsletter.Progress, error) { return tx.Progress(s.ctx, i.ID, t0) })
	for state, n := range p.Counts {
		if n == 0 {
			delete(p.Counts, state)
		}
	}
	return p.Counts
}

type tally = map[newsletter.DeliveryState]int64

// sound runs the invariants.
func (s *shelf) sound() {
	s.Helper()
	violations(s.T, s.Store)
}

// pages walks a list by its cursor and gives all rows; each page but the last must hold limit+1.
func pages[T any](s *shelf, limit int, next func(T) int64, list func(tx newsletter.Tx, cursor int64) ([]T, error)) (all []T) {
	s.Helper()
	for cursor := int64(0); ; {
		rows := read(s, func(tx newsletter.Tx) ([]T, error) { return list(tx, cursor) })
		if len(rows) > limit+1 {
			s.Fatalf("a page of %d rows with limit %d", len(rows), limit)
		}
		if len(rows) <= limit {
			return append(all, rows...)
		}
		all = append(all, rows[:limit]...)
		cursor = next(rows[limit-1])
	}
}

func each2[A, B any](in []A, fn func(A) B) []B {
	out := make([]B, 0, len(in))
	for _, v := range in {
		out = append(out, fn(v))
	}
	return out
}
