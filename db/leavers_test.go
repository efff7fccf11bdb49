package db_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"techissue/db"
	"techissue/newsletter"
)

// logFile keeps leavers as cmd's leavers.log does.
type logFile string

func (l logFile) Append(_ context.Context, lines ...newsletter.Leaver) error {
	f, err := os.OpenFile(string(l), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, line := range lines {
		if _, err := fmt.Fprintln(f, line.Key, line.Kind); err != nil {
			return err
		}
	}
	return f.Sync()
}

// Whom the queue suppresses stands outside the database, too: a restored backup must not write to them.
func TestTheQueueTellsWhoIsSuppressed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leavers.log")
	eachShelf(t, func(s *shelf) {
		if s.Engine() != "sqlite" {
			s.Skip("with PostgreSQL the table is the log")
		}
		issue := sendingIssue(s.T, s.Store, 2)
		got := s.claim(2, t0)
		s.gate(got[0])
		s.gate(got[1])
		refused := func(c newsletter.Claimed) newsletter.Settlement {
			o := result(c.Ticket, newsletter.Failed)
			o.Reply, o.Suppress = newsletter.NewReply(newsletter.StageRcpt, 550, "5.1.1 no such user"), newsletter.SuppressedHard
			return o
		}
		first := refused(got[0])
		s.settle(first)
		key := read(s, func(tx newsletter.Tx) (newsletter.AddressKey, error) {
			sub, err := tx.Subscriber(s.ctx, got[0].Subscriber)
			return sub.AddrKey, err
		})
		want := string(key) + " suppressed\n"
		if raw, err := os.ReadFile(path); err != nil || string(raw) != want {
			s.Fatalf("the log says %q, %v", raw, err)
		}
		if err := s.TakeBack(s.ctx, issue.ID, []newsletter.Ticket{first.Ticket}, newsletter.Alert{Kind: "same", Text: "x"}, t0.Add(time.Minute)); err != nil {
			s.Fatal(err)
		}
		if raw, err := os.ReadFile(path); err != nil || string(raw) != want+string(key)+" returned\n" {
			s.Errorf("after it was taken back the log says %q, %v", raw, err)
		}
		// A log that cannot be written keeps the suppression from being committed: the queue tries again.
		second := refused(got[1])
		if err := os.Remove(path); err != nil {
			s.Fatal(err)
		}
		if err := os.Mkdir(path, 0o700); err != nil {
			s.Fatal(err)
		}
		if err := s.Settle(s.ctx, second); newsletter.KindOf(err) != newsletter.Unavailable {
			s.Errorf("settled without the log: %v", err)
		}
		if d := s.delivery(second.ID); d.State != newsletter.Handing {
			s.Errorf("the letter is %s", d.State)
		}
		if err := os.Remove(path); err != nil {
			s.Fatal(err)
		}
		s.settle(second)
		if raw, err := os.ReadFile(path); err != nil || strings.Count(string(raw), "suppressed") != 1 {
			s.Errorf("the log says %q, %v", raw, err)
		}
	}, func(o *db.Options) { o.Leavers = logFile(path) })
}
