package feedback_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/mailer/feedback"
	"techissue/newsletter"
)

// postOffice is a mail provider with one mailbox, over a real socket.
type postOffice struct {
	t    testing.TB
	user *imapmemserver.User
	addr string
}

const mailboxUser, mailboxPassword = "letter@example.kr", "p&ss wörd"

// newPostOffice serves implicit TLS with tlsOn, and STARTTLS or nothing without.
func newPostOffice(t testing.TB, caps imap.CapSet, cert *tls.Certificate, implicit bool) *postOffice {
	t.Helper()
	store := imapmemserver.New()
	user := imapmemserver.NewUser(mailboxUser, mailboxPassword)
	for _, name := range []string{"INBOX", "반송"} {
		if err := user.Create(name, nil); err != nil {
			t.Fatal(err)
		}
	}
	store.AddUser(user)
	o := &imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return store.NewSession(), nil, nil
		},
		Caps: caps, Logger: slog.NewLogLogger(slog.DiscardHandler, 0), InsecureAuth: cert == nil,
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if cert != nil {
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}}
		if implicit {
			l = tls.NewListener(l, o.TLSConfig)
		}
	}
	server := imapserver.New(o)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return &postOffice{t, user, addr}
}

var plainCaps = imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapMove: {}, imap.CapUIDPlus: {}}

// put lets a message arrive.
func (o *postOffice) put(message []byte, at time.Time) {
	o.t.Helper()
	if _, err := o.user.Append("INBOX", literal{bytes.NewReader(message)}, &imap.AppendOptions{Time: at}); err != nil {
		o.t.Fatal(err)
	}
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

// look lists a folder as its owner sees it: "subject" with a * for what is unread.
func (o *postOffice) look(folder string) string {
	o.t.Helper()
	c, err := imapclient.DialInsecure(o.addr, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(mailboxUser, mailboxPassword).Wait(); err != nil {
		o.t.Fatal(err)
	}
	box, err := c.Select(folder, nil).Wait()
	if err != nil {
		o.t.Fatal(err)
	}
	if box.NumMessages == 0 {
		return ""
	}
	all, err := c.Fetch(imap.SeqSet{imap.SeqRange{Start: 1, Stop: box.NumMessages}}, &imap.FetchOptions{Envelope: true, Flags: true}).Collect()
	if err != nil {
		o.t.Fatal(err)
	}
	var lines []string
	for _, m := range all {
		subject := m.Envelope.Subject
		if !slices.Contains(m.Flags, imap.FlagSeen) {
			subject += "*"
		}
		if slices.Contains(m.Flags, imap.FlagDeleted) {
			subject += " deleted"
		}
		lines = append(lines, subject)
	}
	return strings.Join(lines, ", ")
}

func (o *postOffice) poller(w *world, query string) *feedback.Poller {
	o.t.Helper()
	m, err := feedback.ParseMailbox("imap+insecure://letter%40example.kr:p%26ss%20w%C3%B6rd@" + o.addr + "/" + query)
	w.must(err)
	return &feedback.Poller{Mailbox: m, Intake: w.intake, Bookmark: w, Now: w.clock.Now, Log: dbtest.Silent()}
}

func TestTheMailboxIsRead(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		letters := w.reads(12, "a@example.com", "b@example.com", "c@example.com")
		a, b, c := letters["a@example.com"], letters["b@example.com"], letters["c@example.com"]
		o := newPostOffice(t, plainCaps, nil, false)
		old := w.clock.Now().Add(-20 * 24 * time.Hour)
		o.put(corpus(t, "naver-works", c), old) // from before the house polled
		now := w.clock.Now()
		o.put(corpus(t, "gmail-no-such-user", a), now)
		o.put(corpus(t, "ordinary-reply", b), now)
		o.put(corpus(t, "ask-subject", b), now)
		stranger := c
		stranger.verp, stranger.mid, stranger.relay, stranger.optOut, stranger.rcpt = "letter@example.kr", "<own@example.kr>", "x", "", "friend@example.net"
		o.put(corpus(t, "naver-works", stranger), now) // the editor's own letter to a friend
		o.put(corpus(t, "loop-own-letter", a), now)    // the editor reads the letter, too
		p := o.poller(w, "")
		w.must(p.Poll(t.Context()))
		want := "imap hard taken, imap none ignored other, imap ask taken, imap hard stranger, imap none ignored loop"
		if got := w.log(); got != want {
			t.Errorf("the log says %s\nwant %s", got, want)
		}
		before := o.look("INBOX")
		if strings.Count(before, "*") != 5 || strings.Contains(strings.Split(before, ", ")[1], "*") {
			t.Errorf("the mailbox is left as %s", before)
		}
		w.must(p.Poll(t.Context())) // nothing new
		if got := w.log(); got != want {
			t.Errorf("a second look took %s", got)
		}
		o.put(corpus(t, "leave-mailto", b), now)
		w.must(p.Poll(t.Context()))
		if got := w.log(); got != want+", imap leave taken" {
			t.Errorf("a third look took %s", got)
		}
		if w.reader("b@example.com").Status != newsletter.Unsubscribed {
			t.Error("still reading")
		}
	})
}

func TestReportsAreMoved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		caps         imap.CapSet
		inbox, moved int
	}{
		{"with MOVE", plainCaps, 1, 1},
		// Copy, delete and expunge would take along what the editor has marked as deleted.
		{"without MOVE it stays", imap.CapSet{imap.CapIMAP4rev1: {}}, 2, 0},
	} {
		w := newWorld(t, dbtest.New(t))
		a := w.reads(12, "a@example.com")["a@example.com"]
		o := newPostOffice(t, c.caps, nil, false)
		o.put(corpus(t, "gmail-no-such-user", a), w.clock.Now())
		o.put(corpus(t, "ordinary-reply", a), w.clock.Now())
		w.must(o.poller(w, "?move=%EB%B0%98%EC%86%A1").Poll(t.Context()))
		inbox, moved := o.look("INBOX"), o.look("반송")
		count := func(s string) int {
			if s == "" {
				return 0
			}
			return strings.Count(s, ", ") + 1
		}
		if count(inbox) != c.inbox || count(moved) != c.moved || strings.Contains(inbox, "deleted") {
			t.Errorf("%s: INBOX holds %q, the other %q", c.name, inbox, moved)
		}
	}
}

// forgetful loses what it was told to remember, as a process does that dies before.
type forgetful struct{ *world }

func (forgetful) PutFeedbackMark(context.Context, string, string) error {
	return errors.New("power cut")
}

func TestACrashBetweenReadingAndMarkingChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	letters := w.reads(12, "a@example.com", "b@example.com", "c@example.com")
	o := newPostOffice(t, plainCaps, nil, false)
	o.put(corpus(t, "gmail-no-such-user", letters["a@example.com"]), w.clock.Now())
	o.put(corpus(t, "leave-mailto", letters["b@example.com"]), w.clock.Now())
	o.put(corpus(t, "ask-subject", letters["c@example.com"]), w.clock.Now())
	p := o.poller(w, "")
	p.Bookmark = forgetful{w}
	for range 2 {
		if err := p.Poll(t.Context()); err == nil {
			t.Fatal("nothing was lost")
		}
	}
	p.Bookmark = w
	w.must(p.Poll(t.Context()))
	w.must(p.Poll(t.Context()))
	if got := w.log(); got != "imap hard taken, imap hard known, imap hard known, imap leave taken, imap ask taken" {
		t.Errorf("the log says %s", got)
	}
	offers, err := w.LeaveOffers(t.Context())
	if w.must(err); len(offers) != 1 {
		t.Errorf("offers: %+v", offers)
	}
}

// A mailbox that was made anew counts its messages from the beginning.
func TestAnotherMailboxUnderTheSameName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	letters := w.reads(12, "a@example.com", "b@example.com")
	o := newPostOffice(t, plainCaps, nil, false)
	o.put(corpus(t, "ordinary-reply", letters["a@example.com"]), w.clock.Now())
	p := o.poller(w, "")
	w.must(p.Poll(t.Context()))
	w.must(o.user.Delete("INBOX"))
	w.must(o.user.Create("INBOX", nil))
	o.put(corpus(t, "gmail-no-such-user", letters["b@example.com"]), w.clock.Now())
	w.must(p.Poll(t.Context()))
	if got := w.log(); got != "imap none ignored other, imap hard taken" {
		t.Errorf("the log says %s", got)
	}
}

func TestTheMailboxIsReadOverTLS(t *testing.T) {
	t.Parallel()
	secure := httptest.NewTLSServer(nil) // has a certificate for 127.0.0.1
	defer secure.Close()
	cert, roots := secure.TLS.Certificates[0], x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	for _, c := range []struct {
		scheme   string
		implicit bool
		roots    *x509.CertPool
		good     bool
	}{{"imaps", true, roots, true}, {"imap", false, roots, true}, {"imaps", true, nil, false}, {"imap", false, nil, false}} {
		w := newWorld(t, dbtest.New(t))
		a := w.reads(12, "a@example.com")["a@example.com"]
		o := newPostOffice(t, plainCaps, &cert, c.implicit)
		o.put(corpus(t, "gmail-no-such-user", a), w.clock.Now())
		p := o.poller(w, "")
		p.Mailbox.Security, p.Roots = c.scheme, c.roots
		if err := p.Poll(t.Context()); (err == nil) != c.good {
			t.Errorf("%s, certificate known %v: %v", c.scheme, c.roots != nil, err)
		}
		if got := w.log(); (got == "imap hard taken") != c.good {
			t.Errorf("%s: the log says %q", c.scheme, got)
		}
	}
	w := newWorld(t, dbtest.New(t))
	o := newPostOffice(t, plainCaps, nil, false) // offers no STARTTLS: the password must not leave
	p := o.poller(w, "")
	p.Mailbox.Security, p.Roots = "imap", roots
	if err := p.Poll(t.Context()); err == nil {
		t.Error("logged in without TLS")
	}
}

// A refused password is told once, without the password, and taken back when it works.
func TestARefusedPasswordIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	o := newPostOffice(t, plainCaps, nil, false)
	p := o.poller(w, "")
	p.Mailbox.Password = "hunter2"
	told := make(chan string, 10)
	p.Bookmark = teller{w, told}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	text := <-told
	if !strings.Contains(text, "TECHISSUE_FEEDBACK_IMAP_URL") || strings.Contains(text, "hunter2") {
		t.Errorf("told %q", text)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, text := range []string{text, text, ""} {
		w.must(w.FeedbackTrouble(t.Context(), text))
		d, err := w.Dashboard(t.Context())
		if w.must(err); (len(d.Todo) == 1) != (text != "") {
			t.Errorf("after %q the desk shows %+v", text, d.Todo)
		}
	}
}

type teller struct {
	*world
	told chan string
}

func (k teller) FeedbackTrouble(_ context.Context, text string) error {
	k.told <- text
	return nil
}

func TestAddressesOfMailboxes(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"imaps://u%40example.kr:pw@imap.example.kr":              "imaps://u@example.kr@imap.example.kr:993/INBOX",
		"imap://u:pw@imap.example.kr/Bounces?every=5m&move=Done": "imap://u@imap.example.kr:143/Bounces",
		"imap+insecure://u:pw@127.0.0.1:1143":                    "imap+insecure://u@127.0.0.1:1143/INBOX",
		"imap+insecure://u:pw@imap.example.kr":                   "", "imaps://imap.example.kr": "", "imaps://u:pw@": "", "https://u:pw@x.kr": "", "imaps://u:p%zz@x.kr": "",
		"imaps://u:pw@x.kr?every=1s": "", "imaps://u:pw@x.kr?evry=1m": "", "": "",
	} {
		m, err := feedback.ParseMailbox(s)
		if (err == nil) != (want != "") || err == nil && m.String() != want {
			t.Errorf("%q is %s, %v", s, m, err)
		}
		if err != nil && strings.Contains(err.Error(), "p%zz") {
			t.Errorf("%q: the error tells the password: %v", s, err)
		}
	}
}
