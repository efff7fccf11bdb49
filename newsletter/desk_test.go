package newsletter_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
)

// desk is a house on a real store whose clock the test moves.
type desk struct {
	*newsletter.Service
	t       *testing.T
	store   db.Store
	keys    newsletter.Keyring
	clock   *deskClock
	leavers *leaversFile
}

type deskClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *deskClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *deskClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// leaversFile remembers what was appended to the log beside the database.
type leaversFile struct {
	mu    sync.Mutex
	lines []newsletter.Leaver
}

func (f *leaversFile) Append(_ context.Context, l ...newsletter.Leaver) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, l...)
	return nil
}

func (f *leaversFile) kinds() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var kinds []string
	for _, l := range f.lines {
		kinds = append(kinds, l.Kind)
	}
	return kinds
}

// clearPasswords stand in for argon2id, whose cost is the handlers' to test: what is tested here is what is asked of it.
type clearPasswords struct {
	mu     sync.Mutex
	checks []string // the hashes that passwords were compared with
}

func (p *clearPasswords) Hash(password string) (string, error) { return "hash of " + password, nil }

func (p *clearPasswords) Check(password, hash string) (ok, rehash bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checks = append(p.checks, hash)
	return hash == "hash of "+password || hash == "old hash of "+password, hash == "old hash of "+password
}

func openDesk(t *testing.T, d *db.DB, passwords newsletter.Passwords) *desk {
	t.Helper()
	return openDeskWith(t, d, func(o *newsletter.Options) {
		if passwords != nil {
			o.Passwords = passwords
		}
	})
}

// openDeskWith changes what the service is made of.
func openDeskWith(t *testing.T, d *db.DB, mend func(*newsletter.Options)) *desk {
	t.Helper()
	keys, err := newsletter.NewKeyring([]string{"a secret of these tests only"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	k := &desk{t: t, store: db.Store{DB: d}, keys: keys, clock: &deskClock{now: dbtest.Start}, leavers: &leaversFile{}}
	o := newsletter.Options{
		Store: k.store, Keys: func() newsletter.Keyring { return keys }, Now: k.clock.Now, Passwords: &clearPasswords{}, Leavers: k.leavers, Links: roundupLinks, FeedbackDoors: []string{"pipe"},
		House: newsletter.House{SiteName: "테크잇슈", BaseURL: "http://localhost:8080", From: "letter@example.com"},
	}
	files, err := db.OpenFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	o.Files = files
	mend(&o)
	if k.Service, err = newsletter.NewService(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return k
}

// roundupLinks stands in for the mailer, which finds all links of the letter.
func roundupLinks(s newsletter.Snapshot) (urls []string, err error) {
	for _, l := range s.Links {
		urls = append(urls, l.URL)
	}
	return urls, nil
}

// eachDesk runs the test on every engine.
func eachDesk(t *testing.T, test func(t *testing.T, k *desk)) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { test(t, openDesk(t, d, nil)) })
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return openDesk(t, dbtest.New(t), nil)
}

// must stops the test unless err is nil.
func (k *desk) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k *desk) reader(email string) newsletter.Subscriber {
	k.t.Helper()
	sub, err := k.SubscriberByEmail(k.t.Context(), email)
	k.must(err)
	return sub
}

func (k *desk) addActive(email string) newsletter.Subscriber {
	k.t.Helper()
	sub, err := k.AddSubscriber(k.t.Context(), "admin:1", newsletter.NewSubscriber{
		Email: email, Name: "하나", Status: newsletter.Active, ConsentSource: "세미나 신청서", Via: "admin",
	})
	k.must(err)
	return sub
}

func (k *desk) notices(kind newsletter.NoticeKind) []newsletter.Notice {
	k.t.Helper()
	var list []newsletter.Notice
	k.must(k.store.View(k.t.Context(), func(tx newsletter.Tx) (err error) {
		list, err = tx.Notices(k.t.Context(), kind, 1000)
		return err
	}))
	return list
}

func (k *desk) audited(action string) int {
	k.t.Helper()
	log, _, err := k.AuditLog(k.t.Context(), 0, 200)
	k.must(err)
	n := 0
	for _, e := range log {
		if e.Action == action {
			n++
		}
	}
	return n
}

// wantError checks an error by its kind, and by its stable code unless that is "".
func wantError(t *testing.T, err error, kind newsletter.Kind, code string) {
	t.Helper()
	if newsletter.KindOf(err) != kind {
		t.Fatalf("error is %v (%v), want %v", err, newsletter.KindOf(err), kind)
	}
	var e *newsletter.Error
	if code != "" && (!errors.As(err, &e) || e.Code != code) {
		t.Fatalf("error %v has another code than %q", err, code)
	}
}

// wantFaults checks which fields are faulty, in any order.
func wantFaults(t *testing.T, err error, fields ...string) {
	t.Helper()
	got := map[string]bool{}
	for _, f := range newsletter.FaultsOf(err) {
		got[f.Field] = true
		if f.Msg == "" {
			t.Errorf("the fault of %s says nothing", f.Field)
		}
	}
	if len(got) != len(fields) {
		t.Fatalf("faulty are %v (%v), want %v", got, err, fields)
	}
	for _, f := range fields {
		if !got[f] {
			t.Fatalf("faulty are %v (%v), want %v", got, err, fields)
		}
	}
}
