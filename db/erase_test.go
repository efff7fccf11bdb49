package db_test

import (
	"bytes"
	"fmt"
	"testing"

	"techissue/db"
	"techissue/newsletter"
)

// everything dumps all tables as text, each cell on a line.
func (s *shelf) everything() map[string][]string {
	s.Helper()
	dump := map[string][]string{}
	err := s.DB.View(s.ctx, func(tx *db.Tx) (err error) {
		dump, err = tx.Dump(s.ctx)
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return dump
}

// A reader who is forgotten is nowhere, in whatever table the address or the name had come to stand.
func TestErasedReaderIsNowhere(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		const mail, name = "forget.me@example.com", "잊힐사람"
		sub := s.put(mail, newsletter.Active, func(sub *newsletter.Subscriber) { sub.Name, sub.Tags = name, []string{"가"} })
		other := s.put("other@example.com", newsletter.Active)
		issue := s.issue(1)
		s.send(&issue)
		second := s.issue(2)
		s.send(&second)
		third := s.issue(3)
		s.send(&third)
		said := newsletter.Reply{Stage: newsletter.StageRcpt, Code: 550, Text: "no such user " + mail}
		for _, c := range s.claim(2, t0) { // both of issue 1
			s.gate(c)
			o := result(c.Ticket, newsletter.Failed)
			o.Reply, o.Suppress = said, newsletter.SuppressedHard
			if c.Subscriber != sub.ID {
				o.Suppress, o.Reply = "", newsletter.Reply{Stage: newsletter.StageRcpt, Code: 550, Text: "no"}
			}
			s.settle(o)
		}
		s.do(func(tx newsletter.Tx) error {
			for _, add := range []error{
				tx.AddConsent(s.ctx, newsletter.Consent{Subscriber: sub.ID, AddrKey: sub.AddrKey, Kind: newsletter.ConsentLetter, Granted: true, At: t0}),
				tx.AddEvent(s.ctx, newsletter.Event{Subscriber: sub.ID, Kind: "address_changed", Detail: "from " + mail, At: t0}),
				tx.PutGrant(s.ctx, &newsletter.Grant{Kind: newsletter.GrantAddress, Subscriber: sub.ID, Detail: mail, CreatedAt: t0, ExpiresAt: t0}),
				tx.PutGrant(s.ctx, &newsletter.Grant{Kind: newsletter.GrantAddress, Subscriber: other.ID, Detail: mail, CreatedAt: t0, ExpiresAt: t0}),
				tx.QueueNotice(s.ctx, &newsletter.Notice{Kind: newsletter.NoticeRefusal, Subscriber: sub.ID, Email: mail, Payload: newsletter.NoticePayload{Name: name}, DueAt: t0, CreatedAt: t0}),
				tx.QueueNotice(s.ctx, &newsletter.Notice{Kind: newsletter.NoticeTest, Email: mail, DueAt: t0, CreatedAt: t0}),
				tx.PutAlert(s.ctx, &newsletter.Alert{Issue: issue.ID, Kind: "refused", Text: "550 no such user " + mail, At: t0}),
				tx.PutReplay(s.ctx, newsletter.Replay{Key: "k1", BodyHash: "h", Status: 201, Header: "/api/v1/subscribers/1", Body: []byte(`{"email":"` + mail + `"}`), At: t0}),
				tx.PutReplay(s.ctx, newsletter.Replay{Key: "k2", BodyHash: "h", Status: 201, Body: []byte(`{"email":"other@example.com"}`), At: t0}),
			} {
				if add != nil {
					return add
				}
			}
			im := newsletter.Import{State: "done", As: newsletter.ImportActive, CreatedAt: t0}
			if err := tx.PutImport(s.ctx, &im); err != nil {
				return err
			}
			return tx.AddRejects(s.ctx, im.ID, []newsletter.Reject{{Line: 2, Value: mail, Reason: "x"}, {Line: 3, Value: " Forget.Me@Example.com", Reason: "y"}, {Line: 4, Value: "z", Reason: "z"}})
		})
		got, err := s.ClaimNotices(s.ctx, 1, 9, t0)
		if err != nil || len(got) != 2 {
			s.Fatal(got, err)
		}
		for _, c := range got {
			s.gate(c)
			o := result(c.Ticket, newsletter.Failed)
			o.Reply = said
			s.settle(o)
		}
		leased := s.claim(2, t0) // of issue 2; issue 3 stays queued
		s.do(func(tx newsletter.Tx) error { return tx.EraseSubscriber(s.ctx, sub.ID, t0) })

		for table, cells := range s.everything() {
			for _, cell := range cells {
				for _, trace := range []string{mail, name, "Forget.Me"} {
					if bytes.Contains([]byte(cell), []byte(trace)) {
						s.Errorf("%s still holds %q", table, cell)
					}
				}
			}
		}
		missing(s, func(tx newsletter.Tx) (newsletter.Subscriber, error) { return tx.Subscriber(s.ctx, sub.ID) })
		s.look(func(tx newsletter.Tx) error {
			ledger, err := tx.Consents(s.ctx, sub.ID)
			if len(ledger) != 1 || ledger[0].AddrKey != sub.AddrKey {
				s.Errorf("the ledger holds %+v", ledger)
			}
			p, err2 := tx.SuppressionByKey(s.ctx, sub.AddrKey)
			if p.Reason != newsletter.SuppressedHard || p.Email != "" {
				s.Errorf("the suppression is %+v", p)
			}
			letters, err3 := tx.DeliveriesOf(s.ctx, sub.ID, 9)
			states := each2(letters, func(d newsletter.Delivery) string { return fmt.Sprint(d.Number, d.State, d.Reason) })
			equal(s, "letters", states, []string{"3skippederased", "2skippederased", "1failedrefused"})
			kept, err4 := tx.Replay(s.ctx, "k2")
			if len(kept.Body) == 0 {
				s.Error("somebody else's answer is gone")
			}
			gone, err5 := tx.Replay(s.ctx, "k1")
			if gone.Status != 201 || gone.BodyHash != "h" {
				s.Errorf("the call would run again: %+v", gone)
			}
			for _, err := range []error{err, err2, err3, err4, err5} {
				if err != nil {
					return err
				}
			}
			return nil
		})
		for _, c := range leased {
			err := s.Gate(s.ctx, c.Ticket, t0)
			if c.Subscriber == sub.ID && err == nil {
				s.Error("a letter to an erased reader passed its gate")
			}
			if c.Subscriber == other.ID && err != nil {
				s.Error(err)
			}
		}
		s.sound()
	})
}
