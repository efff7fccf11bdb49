package feedback_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/mailer/feedback"
	"techissue/newsletter"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// world is a house on a real store that has sent an issue to a few readers, and takes feedback in.
type world struct {
	*newsletter.Service
	t      testing.TB
	store  db.Store
	keys   newsletter.Keyring
	clock  *clock
	intake feedback.Intake
	reply  string // the relay's 250 with %d for the letter, "" for Postfix's
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newWorld(t testing.TB, d *db.DB) *world {
	t.Helper()
	keys, err := newsletter.NewKeyring([]string{"a secret of these tests only"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: db.Store{DB: d}, keys: keys, clock: &clock{now: dbtest.Start}}
	w.Service, err = newsletter.NewService(t.Context(), newsletter.Options{
		Store: w.store, Keys: func() newsletter.Keyring { return keys }, Now: w.clock.Now,
		House: newsletter.House{SiteName: "테크잇슈", BaseURL: "http://localhost:8080", From: "letter@example.kr", ListID: "letter.example.kr"},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.intake = feedback.Intake{Taker: w.Service, House: func(context.Context) (feedback.House, error) { return house, nil }}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// reads makes readers and sends them an issue; the relay calls its letters relay-1, relay-2, ….
func (w *world) reads(number int, emails ...string) map[string]letter {
	w.t.Helper()
	ctx, now := w.t.Context(), w.clock.Now()
	for _, email := range emails {
		_, err := w.AddSubscriber(ctx, "admin:1", newsletter.NewSubscriber{Email: email, Status: newsletter.Active, ConsentSource: "세미나", Via: "admin"})
		if newsletter.KindOf(err) != newsletter.Conflict { // a reader of an earlier issue
			w.must(err)
		}
	}
	i := newsletter.Issue{
		Number: number, Content: newsletter.Content{Subject: "제목", Kind: newsletter.KindInfo}, WithoutAdConsent: newsletter.SkipWithoutAdConsent,
		Uncertain: newsletter.Hold, CreatedAt: now, UpdatedAt: now,
	}
	w.must(w.store.Update(ctx, func(tx newsletter.Tx) error {
		if err := tx.PutIssue(ctx, &i); err != nil {
			return err
		}
		if err := tx.AddEdition(ctx, newsletter.Edition{Issue: i.ID, Number: 1, Reason: "first", CreatedAt: now}); err != nil {
			return err
		}
		_, n, err := tx.Freeze(ctx, i.ID, newsletter.Recipients{}, 0, 0, 10_000, now)
		if err != nil {
			return err
		}
		i.State, i.AcceptedAt, i.PreparedAt, i.Recipients = newsletter.IssueSending, now, now, int64(n)
		return tx.MoveIssue(ctx, i, newsletter.IssueDraft)
	}))
	claimed, err := w.store.ClaimDeliveries(ctx, 1, 10_000, now)
	w.must(err)
	letters := map[string]letter{}
	for _, c := range claimed {
		w.must(w.store.Gate(ctx, c.Ticket, now))
		said := fmt.Sprintf("Ok: queued as relay-%d", c.ID)
		if w.reply != "" {
			said = fmt.Sprintf(w.reply, c.ID)
		}
		l := letter{
			id: newsletter.DeliveryID(c.ID), verp: w.keys.BounceAddress(c.ID, "bounce.example.kr"), rcpt: c.Email, relay: newsletter.RelayID(said),
			mid:    w.keys.MessageID(int64(c.Issue), c.ID, "", "letter.example.kr"),
			optOut: w.keys.Sign(newsletter.PurposeUnsubscribe, int64(c.Subscriber), time.Time{}),
		}
		w.must(w.store.Settle(ctx, newsletter.Settlement{
			Ticket: c.Ticket, State: newsletter.Sent, Outcome: "sent", At: now, Charge: true, RelayID: l.relay,
			Reply: newsletter.Reply{Stage: newsletter.StageDot, Code: 250, Text: said},
		}))
		letters[c.Email] = l
	}
	return letters
}

func (w *world) reader(email string) newsletter.Subscriber {
	w.t.Helper()
	sub, err := w.SubscriberByEmail(w.t.Context(), email)
	w.must(err)
	return sub
}

// log is what came in so far, oldest first: way, kind, outcome and why.
func (w *world) log() string {
	w.t.Helper()
	rows, _, err := w.FeedbackLog(w.t.Context(), "", 0, 200)
	w.must(err)
	lines := make([]string, len(rows))
	for n, e := range rows {
		lines[len(rows)-1-n] = strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.Via, e.Kind, e.Outcome, e.Why))
	}
	return strings.Join(lines, ", ")
}
