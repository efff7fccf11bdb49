package mailer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/mailer"
	"techissue/mailer/smtptest"
	"techissue/newsletter"
)

func eachBed(t *testing.T, o bedOptions, test func(t *testing.T, b *bed)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { test(t, newBed(t, d, o)) })
}

func TestEverybodyGetsOneLetter(t *testing.T) {
	eachBed(t, bedOptions{}, func(t *testing.T, b *bed) {
		b.readers(300)
		b.start()
		i := b.send(newsletter.ResendOnce)
		p := b.done(i)
		if p.Counts[newsletter.Sent] != 300 || b.smtp.Count() != 300 {
			t.Errorf("counts %v, the server took %d", p.Counts, b.smtp.Count())
		}
		b.account(i)
		for _, d := range b.letters(i) {
			if d.Attempts != 1 || d.RelayID == "" || !strings.HasPrefix(d.Reply, "250") {
				t.Fatalf("%+v", d)
			}
		}
	})
}

// F12: a server that closes between two letters costs nobody an attempt or a wait.
func TestServerClosesAfterEveryThirdLetter(t *testing.T) {
	for _, features := range [][]string{nil, {"8BITMIME"}} {
		t.Run(fmt.Sprint(features), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, dbtest.SQLite(t), bedOptions{server: smtptest.Config{CloseAfter: 3, Features: features}})
			b.readers(60)
			b.start()
			i := b.send(newsletter.Hold)
			b.done(i)
			b.account(i)
			for _, d := range b.letters(i) {
				if d.Attempts != 1 {
					t.Errorf("%s took %d attempts", d.Email, d.Attempts)
				}
			}
		})
	}
}

// F14: who is gone is suppressed, a full box is not, and greylisting waits five minutes.
func TestReadersFaults(t *testing.T) {
	rules := smtptest.HardBounce("reader1@d1.example", "reader2@d2.example", "reader3@d3.example")
	rules = append(rules, smtptest.Refuse(smtptest.Rcpt, "reader4@d4.example", 552, "5.2.2 mailbox full"),
		smtptest.Rule{At: smtptest.Rcpt, To: "reader5@d0.example", LastAttempt: 1, Do: smtptest.Action{Code: 450, Text: "4.7.1 Greylisted, try again later"}})
	eachBed(t, bedOptions{server: smtptest.Config{Rules: rules}}, func(t *testing.T, b *bed) {
		b.readers(20)
		b.start()
		i := b.send(newsletter.ResendOnce)
		p := b.until(i, "all but the greylisted one", func(p newsletter.Progress) bool { return p.Counts[newsletter.Sent] == 15 && p.Deferred == 1 })
		if p.Counts[newsletter.Failed] != 4 {
			t.Errorf("counts %v", p.Counts)
		}
		gone := b.suppressed()
		slices.Sort(gone)
		if want := []string{"reader1@d1.example", "reader2@d2.example", "reader3@d3.example"}; !slices.Equal(gone, want) {
			t.Errorf("suppressed %v, want %v", gone, want)
		}
		b.pass(4 * time.Minute)
		if b.smtp.Attempts("reader5@d0.example") != 1 {
			t.Error("greylisted letter came back too soon")
		}
		b.pass(2 * time.Minute)
		p = b.done(i)
		if p.Counts[newsletter.Sent] != 16 {
			t.Errorf("counts %v", p.Counts)
		}
		b.account(i)
	})
}

// F49: from one letter on the relay refuses everybody. Nobody is failed or suppressed, hardly a letter is touched, and one
// alert says so.
func TestRelayTurnsAgainstEverybody(t *testing.T) {
	for _, tt := range []struct {
		name  string
		at    smtptest.Stage
		code  int
		text  string
		state newsletter.IssueState
		alert string
	}{
		{"554 without a code at the dot", smtptest.Dot, 554, "Message rejected: Email address is not verified", newsletter.IssuePaused, "refused"},
		{"sender refused", smtptest.Mail, 550, "5.7.1 sender rejected", newsletter.IssuePaused, "refused"},
		{"daily limit", smtptest.Rcpt, 550, "5.4.5 Daily user sending limit exceeded", newsletter.IssueSending, "quota"},
		{"throttled for good", smtptest.Mail, 454, "Throttling failure: Daily message quota exceeded", newsletter.IssueSending, "quota"},
		{"the same refusal for everybody", smtptest.Rcpt, 550, "5.1.1 relaying denied", newsletter.IssuePaused, "same_reply"},
		{"the same refusal without a code", smtptest.Rcpt, 550, "not here", newsletter.IssuePaused, "same_reply"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachBed(t, bedOptions{mend: func(o *mailer.Options, _ *mailer.Transport) { o.Connections = 2 }}, func(t *testing.T, b *bed) {
				b.readers(60)
				b.smtp.SetRules(smtptest.Rule{At: tt.at, When: func(e smtptest.Event) bool { return e.Accepted >= 20 }, Do: smtptest.Action{Code: tt.code, Text: tt.text}})
				b.start()
				i := b.send(newsletter.ResendOnce)
				p := b.until(i, "the alert", func(p newsletter.Progress) bool {
					return p.State == tt.state && b.alerts(i, tt.alert) == 1 && p.Counts[newsletter.Leased]+p.Counts[newsletter.Handing] == 0
				})
				if p.Counts[newsletter.Failed]+p.Counts[newsletter.Uncertain]+p.Counts[newsletter.Expired] != 0 || len(b.suppressed()) != 0 {
					t.Errorf("counts %v, suppressed %v", p.Counts, b.suppressed())
				}
				touched := 0
				for _, d := range b.letters(i) {
					if d.State == newsletter.Queued && b.smtp.Attempts(d.Email) > 0 {
						touched++
					}
					if d.State == newsletter.Queued && d.Attempts != 0 {
						t.Errorf("%s was charged %d attempts", d.Email, d.Attempts)
					}
				}
				if touched > 6 {
					t.Errorf("%d letters were touched", touched)
				}
				b.account(i)
				b.smtp.SetRules()
				b.pass(16 * time.Minute)
				if tt.state == newsletter.IssuePaused {
					if _, err := b.ResumeIssue(t.Context(), "editor", i.Number); err != nil {
						t.Fatal(err)
					}
				}
				if p = b.done(i); p.Counts[newsletter.Sent] != 60 || len(p.Alerts) != 0 {
					t.Errorf("after the repair: %v, alerts %v", p.Counts, p.Alerts)
				}
				b.account(i)
			})
		})
	}
}

// A refused password stops everything with one alert and one probe in a quarter of an hour; resume asks at once, and once.
func TestRefusedPassword(t *testing.T) {
	eachBed(t, bedOptions{
		server: smtptest.Config{User: "letter", Password: "right"},
		mend:   func(_ *mailer.Options, r *mailer.Transport) { r.Password = "wrong" }, silent: true,
	}, func(t *testing.T, b *bed) {
		b.readers(20)
		b.start()
		i := b.send(newsletter.ResendOnce)
		stopped := func(p newsletter.Progress) bool { return b.alerts(i, "auth") == 1 && p.Counts[newsletter.Queued] == 20 }
		probes := func(want int, after string) {
			t.Helper()
			b.until(i, "a stop after "+after, func(p newsletter.Progress) bool { return b.smtp.Connections() >= want && stopped(p) })
			if n := b.smtp.Connections(); n != want {
				t.Errorf("%d probes after %s, want %d", n, after, want)
			}
		}
		probes(1, "the start")
		b.pass(14 * time.Minute)
		b.rounds(i, 20)
		probes(1, "fourteen minutes")
		for n := range 3 {
			b.pass(16 * time.Minute)
			probes(2+n, "a quarter of an hour")
			b.rounds(i, 5)
		}
		for n := range 3 {
			if _, err := b.ResumeIssue(t.Context(), "editor", i.Number); err != nil {
				t.Fatal(err)
			}
			probes(5+n, "resume")
			b.rounds(i, 5)
		}
		right := b.transport()
		right.Password = "right"
		b.use(right)
		if _, err := b.ResumeIssue(t.Context(), "editor", i.Number); err != nil {
			t.Fatal(err)
		}
		if p := b.done(i); p.Counts[newsletter.Sent] != 20 || len(p.Alerts) != 0 {
			t.Errorf("%v, alerts %v", p.Counts, p.Alerts)
		}
		b.account(i)
	})
}

// F16: a relay that bears a few connections gets as many, and nobody fails for it.
func TestConnectionsSettle(t *testing.T) {
	for _, bears := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(bears), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, dbtest.SQLite(t), bedOptions{
				server: smtptest.Config{MaxConns: bears, Rules: []smtptest.Rule{{At: smtptest.Dot, Do: smtptest.Action{Delay: time.Millisecond}}}},
				mend:   func(o *mailer.Options, _ *mailer.Transport) { o.Connections, o.Breaker = 8, 600*time.Millisecond },
			})
			b.readers(700) // each connection ends after a hundred
			b.start()
			i := b.send(newsletter.Hold)
			b.done(i)
			if p := b.progress(i); p.Counts[newsletter.Sent] != 700 {
				t.Errorf("counts %v", p.Counts)
			}
			if n := b.smtp.Connections(); n > 7+8+8 {
				t.Errorf("%d connections were tried", n)
			}
			for _, d := range b.letters(i) {
				if d.Attempts != 1 {
					t.Errorf("%s took %d attempts", d.Email, d.Attempts)
				}
			}
			b.account(i)
			b.stop()
			learned, err := b.opt.Store.Learned(t.Context(), "@"+b.smtp.Addr())
			if want := fmt.Sprintf(`{"connections":%d,"refused":%d}`, bears, bears+1); err != nil || learned != want {
				t.Errorf("learned %s, %v; want %s", learned, err, want)
			}
			before := b.smtp.Connections()
			b.start() // what was learned survives
			second := b.send(newsletter.Hold)
			b.done(second)
			if n := b.smtp.Connections() - before; n > 7+4 {
				t.Errorf("%d connections after a restart", n)
			}
		})
	}
}

// A letter whose connection ends each time, at whichever step before the final dot, holds up nobody, does not come back for
// ever, and fails with a reason.
func TestLetterThatEndsConnections(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule smtptest.Rule
	}{
		{"in its body", smtptest.Rule{}},
		{"at RCPT", smtptest.Rule{At: smtptest.Rcpt, Do: smtptest.Action{Drop: smtptest.DropBefore}}},
		{"at DATA", smtptest.Rule{At: smtptest.Data, Do: smtptest.Action{Drop: smtptest.DropBefore}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.rule.To = "reader3@d3.example"
			o := bedOptions{server: smtptest.Config{Rules: []smtptest.Rule{tt.rule}}}
			if tt.rule.At == "" { // the server's end would be noticed behind the dot only
				o.mend = func(_ *mailer.Options, r *mailer.Transport) { r.Dialer = fragile("To: <reader3@") }
			}
			b := newBed(t, dbtest.SQLite(t), o)
			b.readers(30)
			b.start()
			i := b.send(newsletter.Hold)
			cursed := func() newsletter.Delivery { return b.letters(i)[3] }
			b.until(i, "the others", func(p newsletter.Progress) bool { return p.Counts[newsletter.Sent] == 29 })
			b.until(i, "a charged attempt", func(newsletter.Progress) bool {
				d := cursed()
				if d.State == newsletter.Queued && d.Attempts == 0 {
					b.pass(6 * time.Second)
				}
				return d.State == newsletter.Queued && d.Attempts == 1
			})
			tried := b.smtp.Attempts("reader3@d3.example")
			if tried < 2 || tried > 5 {
				t.Errorf("charged after %d tries", tried)
			}
			b.pass(time.Minute)
			b.rounds(i, 10)
			if n := b.smtp.Attempts("reader3@d3.example"); n != tried {
				t.Errorf("came back within a minute")
			}
			b.until(i, "the end", func(p newsletter.Progress) bool {
				if d := cursed(); d.State == newsletter.Queued {
					b.pass(max(0, d.DueAt.Sub(b.now())))
				}
				return p.State == newsletter.IssueDone
			})
			d := cursed()
			if d.State != newsletter.Failed || d.Reason != newsletter.ReasonLost || d.Attempts < newsletter.RetryAtLeast || len(b.suppressed()) > 0 {
				t.Errorf("%+v, suppressed %v", d, b.suppressed())
			}
			b.account(i)
		})
	}
}

// fragile dials connections that break a little behind a word.
func fragile(word string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return fragileConn{c, word}, err
	}
}

type fragileConn struct {
	net.Conn
	word string
}

func (c fragileConn) Write(p []byte) (int, error) {
	at := bytes.Index(p, []byte(c.word))
	if at < 0 {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:at+len(c.word)])
	return n, errors.Join(err, c.Conn.Close(), io.ErrClosedPipe)
}

// A relay that drops every letter is in trouble itself: it is left alone more and more, whether the letters are owed or in doubt.
func TestRelayDropsEveryLetter(t *testing.T) {
	for _, at := range []smtptest.Stage{smtptest.Data, smtptest.Dot} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, dbtest.SQLite(t), bedOptions{server: smtptest.Config{Rules: []smtptest.Rule{{At: at, Do: smtptest.Action{Drop: smtptest.DropBefore}}}}})
			b.readers(200)
			b.start()
			i := b.send(newsletter.ResendOnce)
			for range 60 { // ten minutes
				b.pass(10 * time.Second)
				b.rounds(i, 2)
			}
			// Eight first ones, each of which loses its letter and is not dialled again while nothing is accepted; then the relay is left alone
			// for 1, 2, 4 and 8 minutes with one probe after each: three within ten minutes.
			const most = 8 + 3
			if n := b.smtp.Connections(); n > most {
				t.Errorf("%d connections in ten minutes, at most %d are polite", n, most)
			}
			if n := b.progress(i).Counts[newsletter.Uncertain]; at == smtptest.Dot && (n == 0 || n > most) || at == smtptest.Data && n > 0 {
				t.Errorf("%d letters are uncertain", n)
			}
			b.smtp.SetRules()
			b.until(i, "the end", func(p newsletter.Progress) bool {
				b.pass(time.Minute)
				return p.State == newsletter.IssueDone
			})
			if p := b.progress(i); p.Counts[newsletter.Sent] != 200 {
				t.Errorf("counts %v", p.Counts)
			}
			b.account(i)
		})
	}
}

// Bytes of letters are used again: each reader still gets their own letter, whatever became of those before.
func TestUsedBytesMixNoLetters(t *testing.T) {
	t.Parallel()
	b := newBed(t, dbtest.SQLite(t), bedOptions{server: smtptest.Config{Rules: []smtptest.Rule{
		{At: smtptest.Rcpt, Domain: "d1.example", LastAttempt: 1, Do: smtptest.Action{Code: 450, Text: "4.2.0 later"}},
		{At: smtptest.Answer, Domain: "d2.example", LastAttempt: 1, Do: smtptest.Action{Drop: smtptest.DropBefore}},
	}}})
	b.readers(600)
	b.start()
	i := b.send(newsletter.ResendOnce)
	b.until(i, "the end", func(p newsletter.Progress) bool {
		b.pass(10 * time.Second)
		return p.State == newsletter.IssueDone
	})
	first := map[string]string{}
	for _, m := range b.smtp.Accepted() {
		if to := m.Header().Get("To"); to != "<"+m.Rcpt()+">" {
			t.Errorf("%s got the letter to %s", m.Rcpt(), to)
		}
		if old, twice := first[m.Rcpt()]; twice && old != string(m.Data) {
			t.Errorf("the second copy to %s has other bytes", m.Rcpt())
		}
		first[m.Rcpt()] = string(m.Data)
	}
	if len(first) != 600 {
		t.Errorf("%d readers got a letter", len(first))
	}
}

// F06, F07: just under the limit the answer counts; beyond it the letter is uncertain, its connection free, the others unharmed.
func TestHangAfterTheFinalDot(t *testing.T) {
	eachBed(t, bedOptions{mend: func(o *mailer.Options, r *mailer.Transport) { r.Timeouts.Dot = 400 * time.Millisecond }}, func(t *testing.T, b *bed) {
		b.smtp.SetRules(
			smtptest.Rule{At: smtptest.Answer, To: "reader3@d3.example", Do: smtptest.Action{Delay: 150 * time.Millisecond}},
			smtptest.Rule{At: smtptest.Answer, To: "reader4@d4.example", Times: 1, Do: smtptest.Action{Hang: true}},
			smtptest.Rule{At: smtptest.Dot, To: "reader6@d1.example", Times: 1, Do: smtptest.Action{Hang: true}})
		b.readers(30)
		b.start()
		i := b.send(newsletter.ResendOnce)
		p := b.until(i, "two uncertain letters", func(p newsletter.Progress) bool {
			return p.Counts[newsletter.Sent] == 28 && p.Counts[newsletter.Uncertain] == 2
		})
		if p.State != newsletter.IssueSending {
			t.Errorf("an issue that waits for second tries is %s", p.State)
		}
		b.pass(16 * time.Minute)
		b.done(i)
		first := b.smtp.AcceptedTo("reader4@d4.example")
		if len(first) != 2 || string(first[0].Data) != string(first[1].Data) {
			t.Errorf("the second try of a letter that was taken: %d copies, byte-identical wanted", len(first))
		}
		if n := len(b.smtp.AcceptedTo("reader6@d1.example")); n != 1 {
			t.Errorf("a letter that was lost behind the dot arrived %d times", n)
		}
		b.sound()
	})
}

// A switch of the transport in the middle of a send needs no restart.
func TestSecondTransportTakesOver(t *testing.T) {
	eachBed(t, bedOptions{}, func(t *testing.T, b *bed) {
		second := smtptest.New(t, smtptest.Config{})
		other, err := mailer.ParseTransport(second.URL())
		if err != nil {
			t.Fatal(err)
		}
		b.smtp.SetRules(smtptest.Rule{At: smtptest.Answer, Do: smtptest.Action{Delay: 20 * time.Millisecond}})
		b.readers(200)
		b.start()
		i := b.send(newsletter.Hold)
		if err := b.smtp.WaitAccepted(t.Context(), 40); err != nil {
			t.Fatal(err)
		}
		b.use(other)
		b.done(i)
		took := map[string]int{}
		for _, m := range append(b.smtp.Accepted(), second.Accepted()...) {
			took[m.Rcpt()]++
		}
		if second.Count() < 100 {
			t.Errorf("the second transport took %d", second.Count())
		}
		b.compare(i, took)
		_, attempts, err := b.Delivery(t.Context(), b.letters(i)[199].ID)
		if err != nil || len(attempts) != 1 || attempts[0].Relay != other.Addr() {
			t.Errorf("attempts %+v, %v", attempts, err)
		}
	})
}

// broken composes like the real one until it panics for one reader.
type broken struct {
	mailer.Composer
	reader string
}

func (b broken) ComposeDelivery(ctx context.Context, c newsletter.Claimed, e newsletter.Edition) (mailer.Letter, error) {
	if c.Email == b.reader {
		panic("a bug")
	}
	return b.Composer.ComposeDelivery(ctx, c, e)
}

// F41: a panic while composing costs its letter three tries, and nobody else anything.
func TestPanicWhileComposing(t *testing.T) {
	eachBed(t, bedOptions{silent: true, mend: func(o *mailer.Options, _ *mailer.Transport) {
		o.Composer = broken{o.Composer, "reader7@d2.example"}
		o.Retries = newsletter.RetrySchedule{time.Millisecond}
	}}, func(t *testing.T, b *bed) {
		b.readers(20)
		b.start()
		i := b.send(newsletter.Hold)
		b.until(i, "the end", func(p newsletter.Progress) bool {
			b.pass(time.Second)
			return p.State == newsletter.IssueDone
		})
		d := b.letters(i)[7]
		if d.State != newsletter.Failed || d.Reason != newsletter.ReasonPanic || d.Attempts != 3 {
			t.Errorf("%+v", d)
		}
		b.account(i)
	})
}

// moody is a store that cannot write now and then.
type moody struct {
	newsletter.QueueStore
	n     atomic.Int64
	every int64
}

var errMoody = errors.New("disk full")

func (m *moody) bad() bool { return m.n.Add(1)%m.every == 0 }

func (m *moody) Turns(ctx context.Context, turns []newsletter.Turn, now time.Time) ([]newsletter.TurnAnswer, error) {
	if m.bad() {
		return nil, errMoody
	}
	return m.QueueStore.Turns(ctx, turns, now)
}

func (m *moody) Settle(ctx context.Context, s newsletter.Settlement) error {
	if m.bad() {
		return errMoody
	}
	return m.QueueStore.Settle(ctx, s)
}

// ClaimDeliveries fails after the claim was committed, as a connection lost at its COMMIT does.
func (m *moody) ClaimDeliveries(ctx context.Context, node int64, limit int, now time.Time) ([]newsletter.Claimed, error) {
	got, err := m.QueueStore.ClaimDeliveries(ctx, node, limit, now)
	if len(got) > 0 && m.n.Add(1)%2 == 0 {
		return nil, errMoody
	}
	return got, err
}

// A store that fails now and then, before or after its commit, loses and doubles nobody.
func TestMoodyStore(t *testing.T) {
	eachBed(t, bedOptions{silent: true, mend: func(o *mailer.Options, _ *mailer.Transport) {
		o.Store = &moody{QueueStore: o.Store, every: 7}
	}}, func(t *testing.T, b *bed) {
		b.readers(100)
		b.start()
		i := b.send(newsletter.Hold)
		b.until(i, "the end", func(p newsletter.Progress) bool {
			b.pass(time.Second)
			return p.State == newsletter.IssueDone
		})
		if p := b.progress(i); p.Counts[newsletter.Sent] != 100 {
			t.Errorf("counts %v", p.Counts)
		}
		b.account(i)
	})
}
