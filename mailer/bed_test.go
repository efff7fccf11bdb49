package mailer_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/mailer"
	"techissue/mailer/smtptest"
	"techissue/newsletter"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// bed is a house with a queue, a store on disk and a mail server behind a socket. Its clock stands still until moved.
type bed struct {
	*newsletter.Service
	t     *testing.T
	store db.Store
	smtp  *smtptest.Server
	opt   mailer.Options
	queue *mailer.Queue
	stop  func()
	turns atomic.Int64 // of the queue's housekeeping

	mu    sync.Mutex
	at    time.Time
	route mailer.Transport
}

// bedOptions say what differs from eight connections to a polite server.
type bedOptions struct {
	server smtptest.Config
	mend   func(*mailer.Options, *mailer.Transport)
	silent bool // errors in the log are expected
}

func newBed(t *testing.T, d *db.DB, o bedOptions) *bed {
	t.Helper()
	b := &bed{t: t, store: db.Store{DB: d}, at: dbtest.Start, smtp: smtptest.New(t, o.server)}
	l := letters(t, nil)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	if o.silent {
		log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	var err error
	b.Service, err = newsletter.NewService(t.Context(), newsletter.Options{
		Store: b.store, Keys: l.Keys, Now: b.now, House: house, Renderer: l, Log: log, Wake: func() {
			if b.queue != nil {
				b.queue.Wake()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.House, l.Snapshot = b.House, b.SnapshotByID
	if b.route, err = mailer.ParseTransport(b.smtp.URL()); err != nil {
		t.Fatal(err)
	}
	b.opt = mailer.Options{
		Store: b.store, Advance: b.advance, Composer: l, Route: b.transport, Now: b.now, Log: log, Node: t.Name(), Alone: d.Engine() == "sqlite",
		Connections: 8, Poll: 5 * time.Millisecond,
	}
	if o.mend != nil {
		o.mend(&b.opt, &b.route)
	}
	return b
}

func (b *bed) advance(ctx context.Context) error {
	b.turns.Add(1)
	return b.Advance(ctx)
}

func (b *bed) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

func (b *bed) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = b.at.Add(d)
}

func (b *bed) transport() mailer.Transport {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.route
}

func (b *bed) use(t mailer.Transport) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.route = t
}

// start runs the queue until halt or the end of the test.
func (b *bed) start() {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b.queue = mailer.NewQueue(b.opt)
	done := make(chan error, 1)
	go func() { done <- b.queue.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("queue: %v", err)
		}
	})
	b.t.Cleanup(b.stop)
}

// readers subscribes people: reader0@d0.example and so on, unless addresses are given.
func (b *bed) readers(n int, addresses ...string) {
	b.t.Helper()
	for i := range n {
		addresses = append(addresses, fmt.Sprintf("reader%d@d%d.example", i, i%5))
	}
	ctx := b.t.Context()
	err := b.store.Update(ctx, func(tx newsletter.Tx) error {
		key, err := tx.AddressHashKey(ctx)
		if err != nil {
			return err
		}
		for _, raw := range addresses {
			a, err := newsletter.ParseAddress(raw)
			if err != nil {
				return err
			}
			s := newsletter.Subscriber{
				Email: a, AddrKey: a.Key(key), Status: newsletter.Active, ConfirmedAt: b.now(), ConsentAt: b.now(), CreatedAt: b.now(), UpdatedAt: b.now(),
			}
			if err := tx.PutSubscriber(ctx, &s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// send makes an issue and sends it to everybody.
func (b *bed) send(policy newsletter.UncertainPolicy) newsletter.Issue {
	b.t.Helper()
	i, err := b.CreateIssue(b.t.Context(), "editor", newsletter.Issue{
		Uncertain: policy,
		Content:   newsletter.Content{Subject: "이번 주 소식", Kind: newsletter.KindInfo, Intro: "{이름|독자}님, 안녕하세요.", Outro: "다음 호에 만나요."},
	})
	if err == nil {
		i, err = b.SendIssue(b.t.Context(), "editor", i.Number, 0)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return i
}

func (b *bed) progress(i newsletter.Issue) newsletter.Progress {
	b.t.Helper()
	p, err := b.Progress(context.Background(), i.Number)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// until waits for the issue to look as wanted; the queue moves by itself, so there is nothing to wait on but the store.
func (b *bed) until(i newsletter.Issue, what string, want func(newsletter.Progress) bool) newsletter.Progress {
	b.t.Helper()
	deadline := time.Now().Add(2 * time.Minute) // a limit for what hangs, not a measure: the machine may be busy
	for {
		p := b.progress(i)
		if want(p) {
			return p
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain for %s: %s %v, alerts %v", what, p.State, p.Counts, p.Alerts)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// rounds lets the queue go round n times: what it would do of its own it has done by then.
func (b *bed) rounds(i newsletter.Issue, n int) {
	b.t.Helper()
	begin := b.turns.Load()
	b.until(i, "the queue to go round", func(newsletter.Progress) bool { return b.turns.Load() >= begin+int64(n) })
}

func (b *bed) done(i newsletter.Issue) newsletter.Progress {
	b.t.Helper()
	return b.until(i, "the end", func(p newsletter.Progress) bool { return p.State == newsletter.IssueDone })
}

// account holds what the server took against what the database says, letter by letter. Every acknowledged letter has a row that
// is sent, nobody has two, and no row is sent that the server did not take.
func (b *bed) account(i newsletter.Issue) {
	b.t.Helper()
	took := map[string]int{}
	for _, m := range b.smtp.Accepted() {
		if strings.HasPrefix(m.MessageID, fmt.Sprintf("<%d.", i.ID)) {
			took[m.Rcpt()]++
		}
	}
	b.compare(i, took)
}

func (b *bed) compare(i newsletter.Issue, took map[string]int) {
	b.t.Helper()
	for _, d := range b.letters(i) {
		n := took[d.Email]
		switch {
		case n > 1:
			b.t.Errorf("%s got %d letters", d.Email, n)
		case d.State == newsletter.Sent && n != 1:
			b.t.Errorf("%s is sent, the server took %d", d.Email, n)
		case n == 1 && d.State != newsletter.Sent && d.State != newsletter.Uncertain && d.State != newsletter.Handing:
			b.t.Errorf("%s got its letter and is %s %s", d.Email, d.State, d.Reason)
		}
	}
	b.sound()
}

// letters lists all of an issue's.
func (b *bed) letters(i newsletter.Issue) (all []newsletter.Delivery) {
	b.t.Helper()
	f := newsletter.DeliveryFilter{Limit: 200}
	for {
		rows, more, err := b.Deliveries(context.Background(), i.Number, f)
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, rows...)
		if !more {
			return all
		}
		f.Cursor = int64(rows[len(rows)-1].ID)
	}
}

// sound checks the invariants.
func (b *bed) sound() {
	b.t.Helper()
	err := b.store.View(context.Background(), func(tx newsletter.Tx) error {
		broken, err := tx.Violations(context.Background())
		for _, line := range broken {
			b.t.Error(line)
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if faults := b.smtp.Faults(); len(faults) > 0 {
		b.t.Errorf("protocol faults: %v", faults)
	}
}

func (b *bed) suppressed() (emails []string) {
	b.t.Helper()
	rows, _, err := b.Suppressions(context.Background(), "", 0, 200)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, s := range rows {
		emails = append(emails, s.Email)
	}
	return emails
}

func (b *bed) alerts(i newsletter.Issue, kind string) (n int) {
	for _, a := range b.progress(i).Alerts {
		if a.Kind == kind {
			n++
		}
	}
	return n
}
