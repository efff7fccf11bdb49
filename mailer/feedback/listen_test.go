package feedback_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/mailer/feedback"
	"techissue/newsletter"
)

// listening is a world with its listener.
type listening struct {
	*world
	at   net.Addr
	stop func() error // waits for the end
}

func (w *world) listen(addr string, mend func(*feedback.Listener)) *listening {
	w.t.Helper()
	a, err := feedback.ParseAddress(addr)
	w.must(err)
	at, err := a.Listen()
	w.must(err)
	l := &feedback.Listener{Intake: w.intake, Domain: "bounce.example.kr", LMTP: a.LMTP}
	if mend != nil {
		mend(l)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx, at) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	w.t.Cleanup(func() {
		if err := stop(); err != nil {
			w.t.Error(err)
		}
	})
	return &listening{w, at.Addr(), stop}
}

// talk is one conversation, line by line.
type talk struct {
	t    testing.TB
	conn net.Conn
	*textproto.Conn
}

func (l *listening) dial() *talk {
	l.t.Helper()
	conn, err := net.Dial(l.at.Network(), l.at.String())
	l.must(err)
	l.t.Cleanup(func() { conn.Close() })
	return &talk{l.t, conn, textproto.NewConn(conn)}
}

// say sends a line and wants a code; the answer's words are returned.
func (k *talk) say(code int, format string, args ...any) string {
	k.t.Helper()
	if format != "" {
		if err := k.PrintfLine(format, args...); err != nil {
			k.t.Fatal(err)
		}
	}
	got, words, err := k.ReadResponse(0)
	if got != code {
		k.t.Fatalf("%q was answered %d %s (%v), want %d", fmt.Sprintf(format, args...), got, words, err, code)
	}
	return words
}

func (k *talk) greet(hello string) *talk {
	k.say(220, "")
	k.say(250, "%s relay.example.net", hello)
	return k
}

// deliver hands over raw bytes, which end with the dot.
func (k *talk) deliver(code int, from, to string, message []byte) {
	k.t.Helper()
	k.say(250, "MAIL FROM:<%s>", from)
	k.say(250, "RCPT TO:<%s>", to)
	k.say(354, "DATA")
	if _, err := k.conn.Write(append(message, "\r\n.\r\n"...)); err != nil {
		k.t.Fatal(err)
	}
	k.say(code, "")
}

func TestTheListenerLearnsWhoIsGone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		letters := w.reads(12, "a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com")
		l := w.listen("127.0.0.1:0", nil)
		a, b, c, e := letters["a@example.com"], letters["b@example.com"], letters["c@example.com"], letters["e@example.com"]
		k := l.dial().greet("EHLO")
		k.deliver(250, "", a.verp, corpus(t, "postfix-unknown", a))
		k.deliver(250, "", a.verp, corpus(t, "postfix-unknown", a))
		k.deliver(250, "", strings.Replace(b.verp, "@", "a@", 1), corpus(t, "postfix-unknown", b))
		k.deliver(250, "", b.verp, corpus(t, "auto-vacation", b))
		k.deliver(250, "fbl@mail.example", "abuse@bounce.example.kr", corpus(t, "arf-redacted", c))
		k.deliver(250, "d@example.com", "u+"+letters["d@example.com"].optOut+"@bounce.example.kr", corpus(t, "leave-mailto", letters["d@example.com"]))
		k.deliver(250, "e@example.com", "letter@example.kr", corpus(t, "ask-plain", e))
		k.deliver(250, "", "postmaster@bounce.example.kr", []byte("Subject: hello\r\n\r\nworld"))
		want := "listener hard taken, listener hard known, listener hard forged, listener none ignored auto_reply, listener complaint taken, " +
			"listener leave taken, listener ask taken, listener none ignored other"
		if got := w.log(); got != want {
			t.Errorf("the log says\n%s\nwant\n%s", got, want)
		}
		for email, shown := range map[string]newsletter.Status{
			"a@example.com": newsletter.Suppressed, "b@example.com": newsletter.Active, "c@example.com": newsletter.Unsubscribed,
			"d@example.com": newsletter.Unsubscribed, "e@example.com": newsletter.Active,
		} {
			if got := w.reader(email).Shown(); got != shown {
				t.Errorf("%s is %s, want %s", email, got, shown)
			}
		}
	})
}

func TestTheListenerRelaysNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	a := w.reads(12, "a@example.com")["a@example.com"]
	k := w.listen("127.0.0.1:0", nil).dial().greet("EHLO")
	k.say(250, "MAIL FROM:<>")
	for _, to := range []string{
		"a@example.com", "stranger@bounce.example.kr", "b+1@example.com", strings.Replace(a.verp, "bounce.example.kr", "elsewhere.example", 1),
		"letter@example.kr.evil.example",
	} {
		k.say(550, "RCPT TO:<%s>", to)
	}
	for _, to := range []string{a.verp, strings.ToUpper(a.verp), "Postmaster@bounce.example.kr", "abuse@bounce.example.kr", "LETTER@example.kr"} {
		k.say(250, "RCPT TO:<%s>", to)
	}
}

// S26: what one server takes for the end of a message another must not.
func TestTheListenerRefusesBareLineEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	letters := w.reads(12, "a@example.com", "b@example.com")
	a, b := letters["a@example.com"], letters["b@example.com"]
	l := w.listen("127.0.0.1:0", nil)
	report := string(corpus(t, "postfix-unknown", a))
	smuggled := "MAIL FROM:<>\r\nRCPT TO:<" + b.verp + ">\r\nDATA\r\n" + string(corpus(t, "postfix-unknown", b))
	for _, end := range []string{"\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r.\r\n", "\n.\r"} {
		l.dial().greet("EHLO").deliver(554, "", a.verp, []byte(report+end+smuggled))
	}
	l.dial().greet("EHLO").deliver(554, "", a.verp, []byte(strings.ReplaceAll(report, "\r\n", "\n")))
	if got := w.log(); got != "" {
		t.Errorf("something was taken: %s", got)
	}
	l.dial().greet("EHLO").deliver(250, "", a.verp, []byte(strings.ReplaceAll(report, "\r\n\r\n", "\r\n\r\n..\r\n")))
}

// F37: 50 MB are refused; what is allowed is read with bounded memory, however it is nested.
func TestTheListenerIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	a := w.reads(12, "a@example.com")["a@example.com"]
	l := w.listen("127.0.0.1:0", func(l *feedback.Listener) { l.Limits.Connections, l.Limits.PerHost = 6, 6 })
	k := l.dial().greet("EHLO")
	k.say(552, "MAIL FROM:<> SIZE=%d", 50<<20)
	line := strings.Repeat("x", 998) + "\r\n"
	big := strings.NewReader(strings.Repeat(line, 50<<10))
	k.say(250, "MAIL FROM:<>")
	k.say(250, "RCPT TO:<%s>", a.verp)
	k.say(354, "DATA")
	written := make(chan error, 1)
	go func() {
		_, err := io.Copy(k.conn, io.MultiReader(strings.NewReader(string(corpus(t, "postfix-unknown", a))), big, strings.NewReader("\r\n.\r\n")))
		written <- err
	}()
	k.say(552, "")
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if got := w.log(); got != "" {
		t.Errorf("50 MB were taken: %s", got)
	}
	var deep strings.Builder
	for n := range 3000 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", n, n)
	}
	deep.WriteString("Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n\r\nFinal-Recipient: rfc822; a@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n")
	k.deliver(250, "", a.verp, []byte(deep.String()))
	k.deliver(250, "", a.verp, append(corpus(t, "postfix-unknown", a), []byte(strings.Repeat("\r\n"+line[:900], 5000))...)) // 4.5 MB behind the report
	if got := w.log(); got != "listener none ignored other, listener hard taken" {
		t.Errorf("the log says %s", got)
	}
	for range 5 {
		l.dial().greet("EHLO")
	}
	if words := l.dial().say(421, ""); !strings.Contains(words, "Too many") {
		t.Errorf("the seventh caller hears %q", words)
	}
	k.say(221, "QUIT")
	if _, err := k.conn.Read(make([]byte, 1)); err != io.EOF { // the place is free once the connection is
		t.Fatal(err)
	}
	l.dial().greet("EHLO")
}

func TestTheListenerIsPaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	k := w.listen("127.0.0.1:0", func(l *feedback.Listener) { l.Limits.PerSecond, l.Limits.Burst = 1e-9, 3 }).dial().greet("EHLO")
	for range 3 {
		k.say(250, "MAIL FROM:<>")
		k.say(250, "RSET")
	}
	k.say(451, "MAIL FROM:<>")
}

func TestTheListenerSpeaksLMTPOverASocket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	letters := w.reads(12, "a@example.com", "b@example.com")
	a, b := letters["a@example.com"], letters["b@example.com"]
	path := filepath.Join(t.TempDir(), "bounce.sock")
	l := w.listen(path, nil)
	if _, err := (feedback.Address{Network: "unix", Name: path}).Listen(); err == nil {
		t.Error("a second one listens at the same socket")
	}
	k := l.dial().greet("LHLO")
	k.say(250, "MAIL FROM:<>")
	k.say(250, "RCPT TO:<%s>", a.verp)
	k.say(250, "RCPT TO:<%s>", b.verp)
	k.say(354, "DATA")
	if _, err := k.conn.Write(append(corpus(t, "postfix-unknown", a), "\r\n.\r\n"...)); err != nil {
		t.Fatal(err)
	}
	k.say(250, "") // one answer for each recipient (RFC 2033)
	k.say(250, "")
	if got := w.log(); got != "listener hard taken, listener hard taken" {
		t.Errorf("the log says %s", got)
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	// A process that died leaves its socket behind; the next one takes it over.
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	w.must(err)
	dead.SetUnlinkOnClose(false)
	dead.Close()
	w.listen("unix:"+path, nil).dial().greet("LHLO")
}

// brake holds the store until it is let go.
type brake struct {
	feedback.Taker
	reached, goOn chan struct{}
}

func (b brake) TakeFeedback(ctx context.Context, f newsletter.Feedback) (newsletter.FeedbackResult, error) {
	b.reached <- struct{}{}
	<-b.goOn
	return b.Taker.TakeFeedback(ctx, f)
}

// A stop lets the message finish that is being taken, and sends everybody else away.
func TestTheListenerStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	letters := w.reads(12, "a@example.com", "b@example.com")
	a := letters["a@example.com"]
	hold := brake{w.Service, make(chan struct{}), make(chan struct{})}
	l := w.listen("127.0.0.1:0", func(l *feedback.Listener) { l.Intake.Taker = hold })
	idle, busy := l.dial().greet("EHLO"), l.dial().greet("EHLO")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		busy.deliver(250, "", a.verp, corpus(t, "postfix-unknown", a))
	}()
	<-hold.reached
	stopped := make(chan error, 1)
	go func() { stopped <- l.stop() }()
	idle.say(421, "")
	close(hold.goOn)
	<-answered
	busy.say(421, "")
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := net.DialTimeout("tcp", l.at.String(), time.Second); err == nil {
		t.Error("somebody still listens")
	}
	if got := w.log(); got != "listener hard taken" {
		t.Errorf("the log says %q", got)
	}
}

// What cannot be kept comes again.
func TestTheListenerAsksToComeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	a := w.reads(12, "a@example.com")["a@example.com"]
	l := w.listen("127.0.0.1:0", nil)
	k := l.dial().greet("EHLO")
	w.must(w.store.Close())
	k.deliver(451, "", a.verp, corpus(t, "postfix-unknown", a))
}

// F37: the listener never writes to anybody, so nothing can go round. What it says stays in the conversation.
func TestNothingIsEverAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	a := w.reads(12, "a@example.com")["a@example.com"]
	k := w.listen("127.0.0.1:0", nil).dial().greet("EHLO")
	for _, name := range []string{"loop-own-letter", "loop-own-notice", "auto-naver", "auto-outlook", "ordinary-reply", "quoted-footer", "postfix-delayed", "arf-not-spam"} {
		k.deliver(250, "", a.verp, corpus(t, name, a))
		k.deliver(250, a.verp, "letter@example.kr", corpus(t, name, a))
	}
	w.must(w.store.View(t.Context(), func(tx newsletter.Tx) error {
		n, err := tx.Notices(t.Context(), "", 10)
		if len(n) != 0 {
			t.Errorf("letters are owed: %+v", n)
		}
		return err
	}))
	if got := w.reader("a@example.com").Shown(); got != newsletter.Active {
		t.Errorf("the reader is %s", got)
	}
}

func TestAddressesOfTheListener(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"127.0.0.1:2525": "{tcp 127.0.0.1:2525 false}", ":25": "{tcp :25 false}", "[::1]:24": "{tcp [::1]:24 false}", "smtp://0.0.0.0:25": "{tcp 0.0.0.0:25 false}",
		"lmtp://127.0.0.1:24": "{tcp 127.0.0.1:24 true}", "/run/techissue/bounce.sock": "{unix /run/techissue/bounce.sock true}",
		"unix:/run/b.sock": "{unix /run/b.sock true}", "lmtp:///run/b.sock": "{unix /run/b.sock true}", "smtp:///run/b.sock": "{unix /run/b.sock false}",
		"": "", "25": "", "host": "", "unix:relative": "", "unix:127.0.0.1:25": "", "http://x:25": "", "127.0.0.1:": "",
	} {
		a, err := feedback.ParseAddress(s)
		if got := fmt.Sprint(a); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q is %s, %v", s, got, err)
		}
	}
}
