package mailer_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"techissue/db/dbtest"
	"techissue/mailer"
	"techissue/mailer/smtptest"
	"techissue/newsletter"
)

// F09: a server that answers 421, 451 and 550 at random to every command, and slowly, takes every letter in the end. Only addresses that it
// calls unknown are suppressed.
func TestChaos(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			eachBed(t, bedOptions{silent: true}, func(t *testing.T, b *bed) {
				rules := smtptest.HardBounce("reader7@d2.example", "reader19@d4.example")
				r := rand.New(rand.NewPCG(seed, 9)) // under the server's lock
				chance := func(smtptest.Event) bool { return r.IntN(40) == 0 }
				for _, at := range []smtptest.Stage{smtptest.Connect, smtptest.Mail, smtptest.Rcpt, smtptest.Data, smtptest.Dot} {
					for n, a := range []smtptest.Action{
						{Code: 421, Text: "4.3.2 shutting down"}, {Code: 451, Text: "4.3.0 local error"}, {Code: 550, Text: "no"}, {Delay: 20 * time.Millisecond},
					} {
						if at != smtptest.Connect || n == 0 {
							rules = append(rules, smtptest.Rule{At: at, When: chance, Do: a})
						}
					}
				}
				b.smtp.SetRules(rules...)
				b.readers(80)
				b.start()
				i := b.send(newsletter.Hold)
				p := b.until(i, "the end", func(p newsletter.Progress) bool {
					b.pass(time.Minute)
					if p.State == newsletter.IssuePaused {
						_, _ = b.ResumeIssue(context.Background(), "editor", i.Number)
					}
					return p.State == newsletter.IssueDone
				})
				if gone := b.suppressed(); len(gone) > 2 || p.Counts[newsletter.Uncertain] > 0 || p.Counts[newsletter.Sent]+p.Counts[newsletter.Failed] != 80 {
					t.Errorf("%v, suppressed %v", p.Counts, gone)
				}
				for _, d := range b.letters(i) {
					if d.State == newsletter.Failed && !strings.HasPrefix(d.Reply, "550") {
						t.Errorf("%s failed for %q", d.Email, d.Reply)
					}
				}
				b.account(i)
			})
		})
	}
}

// F17: a relay that is up for ten seconds and down for a minute is not stormed by eight connections each time.
func TestFlappingRelay(t *testing.T) {
	t.Parallel()
	b := newBed(t, dbtest.SQLite(t), bedOptions{silent: true, server: smtptest.Config{Rules: []smtptest.Rule{{At: smtptest.Dot, Do: smtptest.Action{Delay: 3 * time.Millisecond}}}}})
	b.readers(600)
	b.start()
	i := b.send(newsletter.Hold)
	down := smtptest.Rule{At: smtptest.Connect, Do: smtptest.Action{Code: 421, Text: "4.3.2 down for maintenance"}}
	for n := range 10 {
		b.smtp.SetRules(down)
		b.smtp.DropAll()
		before := b.smtp.Connections()
		for range 60 {
			b.pass(time.Second)
			b.rounds(i, 1)
		}
		if c := b.smtp.Connections() - before; c > 9 {
			t.Errorf("%d connections in the %d. minute without a relay", c, n+1)
		}
		b.smtp.SetRules()
		for range 10 {
			b.pass(time.Second)
			b.rounds(i, 1)
		}
	}
	p := b.until(i, "the end", func(p newsletter.Progress) bool {
		b.pass(10 * time.Second)
		return p.State == newsletter.IssueDone
	})
	if p.Counts[newsletter.Sent]+p.Counts[newsletter.Uncertain] != 600 || p.Counts[newsletter.Uncertain] > 10*8 {
		t.Errorf("%v", p.Counts)
	}
	b.account(i)
}

// F18: a letter that is put off for ever is tried as the table says, within its jitter, and given up after four days and five attempts.
func TestRetriesMatchTheTable(t *testing.T) {
	t.Parallel()
	const who = "reader2@d2.example"
	b := newBed(t, dbtest.SQLite(t), bedOptions{server: smtptest.Config{Rules: smtptest.Defer(1000, who)}})
	b.readers(5)
	b.start()
	i := b.send(newsletter.Hold)
	begin, table := b.now(), newsletter.DefaultRetries()
	for n := 1; ; n++ {
		var d newsletter.Delivery
		b.until(i, fmt.Sprintf("attempt %d", n), func(newsletter.Progress) bool {
			if all := b.letters(i); len(all) == 5 {
				d = all[2]
			}
			return d.Attempts == n && d.State != newsletter.Handing
		})
		if d.State == newsletter.Expired {
			if passed := b.now().Sub(begin); passed < newsletter.RetryFor || n < newsletter.RetryAtLeast || d.Reason != newsletter.ReasonExpired {
				t.Errorf("given up after %s and %d attempts: %+v", passed, n, d)
			}
			break
		}
		want, wait := table[min(n, len(table))-1], d.DueAt.Sub(b.now())
		if off := (wait - want).Abs(); off > want*15/100 || d.State != newsletter.Queued {
			t.Fatalf("after attempt %d: %s in %s, want %s", n, d.State, wait, want)
		}
		b.pass(wait - time.Second)
		b.rounds(i, 3)
		if got := b.smtp.Attempts(who); got != n {
			t.Fatalf("attempt %d came before its time", got)
		}
		b.pass(time.Second)
	}
	b.done(i)
	b.account(i)
}

// F19: the clock jumps a week ahead and then two days back in the middle of a send. Nothing expires, nobody gets two, and nothing waits
// for the clock to come round again: not the letters put off, not a resting relay, not a resting domain.
func TestClockJumps(t *testing.T) {
	eachBed(t, bedOptions{silent: true, server: smtptest.Config{Rules: append(
		smtptest.Defer(2, "reader3@d3.example", "reader4@d4.example"),
		smtptest.Rule{At: smtptest.Rcpt, Domain: "d1.example", LastAttempt: 2, Do: smtptest.Action{Code: 550, Text: "5.7.1 blocked"}},
		smtptest.Rule{At: smtptest.Answer, To: "reader5@d0.example", Times: 1, Do: smtptest.Action{Drop: smtptest.DropBefore}},
	)}}, func(t *testing.T, b *bed) {
		b.readers(60)
		b.start()
		i := b.send(newsletter.ResendOnce)
		waits := func(p newsletter.Progress) bool {
			return p.Counts[newsletter.Leased]+p.Counts[newsletter.Handing] == 0 && p.Counts[newsletter.Sent] >= 40
		}
		b.until(i, "the others", waits)
		b.pass(7 * 24 * time.Hour)
		b.until(i, "the second attempts", func(p newsletter.Progress) bool { return b.smtp.Attempts("reader3@d3.example") == 2 && waits(p) })
		b.smtp.Add(smtptest.Rule{At: smtptest.Connect, Times: 1, Do: smtptest.Action{Code: 421, Text: "4.3.2 going down"}})
		b.smtp.DropAll()
		b.rounds(i, 5)
		b.pass(-2 * 24 * time.Hour)
		begin := b.now()
		p := b.until(i, "the end", func(p newsletter.Progress) bool {
			b.pass(time.Minute)
			return p.State == newsletter.IssueDone
		})
		if passed := b.now().Sub(begin); passed > 28*time.Hour {
			t.Errorf("the end came after %s", passed)
		}
		if p.Counts[newsletter.Sent] != 60 || p.Counts[newsletter.Expired] != 0 {
			t.Errorf("%v", p.Counts)
		}
		for _, m := range b.smtp.Accepted() {
			if n := len(b.smtp.AcceptedTo(m.Rcpt())); n > 1 && m.Rcpt() != "reader5@d0.example" {
				t.Errorf("%s got %d letters", m.Rcpt(), n)
			}
		}
		b.sound()
	})
}

// F20: what a server says may hold escapes, line ends and HTML. It is kept as harmless text of one line, in rows, attempts and alerts alike.
func TestHostileReplies(t *testing.T) {
	eachBed(t, bedOptions{}, func(t *testing.T, b *bed) {
		evil := "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>\r250 2.0.0 Ok \u202etxt\u0000 한글"
		b.smtp.SetRules(
			smtptest.Rule{At: smtptest.Rcpt, To: "reader1@d1.example", Do: smtptest.Action{Raw: "550-5.1.1 " + evil + "\r\n550 5.1.1 second line\r\n"}},
			smtptest.Rule{At: smtptest.Dot, To: "reader2@d2.example", Times: 1, Do: smtptest.Action{Raw: "554 " + evil + "\r\n"}})
		b.readers(10)
		b.start()
		i := b.send(newsletter.Hold)
		p := b.until(i, "the pause", func(p newsletter.Progress) bool {
			return p.State == newsletter.IssuePaused && p.Counts[newsletter.Failed] == 1
		})
		var texts []string
		for _, a := range p.Alerts {
			texts = append(texts, a.Text)
		}
		for _, d := range b.letters(i) {
			_, attempts, err := b.Delivery(t.Context(), d.ID)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, d.Reply)
			for _, a := range attempts {
				texts = append(texts, a.Reply.Text)
			}
		}
		rows, _, err := b.Suppressions(t.Context(), "", 0, 10)
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		texts = append(texts, rows[0].Evidence)
		found := 0
		for _, text := range texts {
			if strings.Contains(text, "<script>") {
				found++
			}
			if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
				t.Errorf("kept as it came: %q", text)
			}
		}
		if found < 4 {
			t.Errorf("the words are gone: %q", texts)
		}
	})
}

// F32: fifty presses of the button at once send once; a pause lets at most what is in flight go; a cancel ends the rest.
func TestManyButtonsAtOnce(t *testing.T) {
	eachBed(t, bedOptions{server: smtptest.Config{Rules: []smtptest.Rule{{At: smtptest.Dot, Do: smtptest.Action{Delay: 10 * time.Millisecond}}}}}, func(t *testing.T, b *bed) {
		b.readers(300)
		b.start()
		draft, err := b.CreateIssue(t.Context(), "editor", newsletter.Issue{
			Uncertain: newsletter.Hold, Content: newsletter.Content{Subject: "이번 주 소식", Kind: newsletter.KindInfo, Intro: "안녕하세요."},
		})
		if err != nil {
			t.Fatal(err)
		}
		var sent, refused atomic.Int64
		var presses sync.WaitGroup
		for range 50 {
			presses.Go(func() {
				_, err := b.SendIssue(t.Context(), "editor", draft.Number, 0)
				switch {
				case err == nil:
					sent.Add(1)
				case newsletter.KindOf(err) == newsletter.Conflict:
					refused.Add(1)
				default:
					t.Errorf("send: %v", err)
				}
			})
		}
		presses.Wait()
		if sent.Load() != 1 || refused.Load() != 49 {
			t.Fatalf("%d presses sent, %d were refused", sent.Load(), refused.Load())
		}
		for range 3 {
			if err := b.smtp.WaitAccepted(t.Context(), b.smtp.Count()+30); err != nil {
				t.Fatal(err)
			}
			if _, err := b.PauseIssue(t.Context(), "editor", draft.Number); err != nil {
				t.Fatal(err)
			}
			at := b.smtp.Count()
			b.until(draft, "rest", func(p newsletter.Progress) bool { return p.Counts[newsletter.Leased]+p.Counts[newsletter.Handing] == 0 })
			if more := b.smtp.Count() - at; more > 8 {
				t.Errorf("%d letters left after the pause, there are 8 connections", more)
			}
			if _, err := b.ResumeIssue(t.Context(), "editor", draft.Number); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.smtp.WaitAccepted(t.Context(), b.smtp.Count()+30); err != nil {
			t.Fatal(err)
		}
		if _, err := b.CancelIssue(t.Context(), "editor", draft.Number); err != nil {
			t.Fatal(err)
		}
		at := b.smtp.Count()
		p := b.until(draft, "rest", func(p newsletter.Progress) bool { return p.Counts[newsletter.Leased]+p.Counts[newsletter.Handing] == 0 })
		if more := b.smtp.Count() - at; more > 8 || p.Counts[newsletter.Queued] != 0 || p.Counts[newsletter.Cancelled] == 0 {
			t.Errorf("after the cancel %d left: %v", more, p.Counts)
		}
		b.account(draft)
	})
}

// F33: two machines find the same scheduled issue due; it is sent once, and by both.
func TestTwoMachinesOneSchedule(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	b := newBed(t, d, bedOptions{server: smtptest.Config{Rules: []smtptest.Rule{{At: smtptest.Dot, Do: smtptest.Action{Delay: 3 * time.Millisecond}}}}})
	b.readers(300)
	i, err := b.CreateIssue(t.Context(), "editor", newsletter.Issue{
		Uncertain: newsletter.Hold, Content: newsletter.Content{Subject: "예약한 소식", Kind: newsletter.KindInfo, Intro: "안녕하세요."},
	})
	if err == nil {
		i, err = b.ScheduleIssue(t.Context(), "editor", i.Number, b.now().Add(time.Hour))
	}
	if err != nil {
		t.Fatal(err)
	}
	b.start()
	second := b.opt
	second.Node += " two"
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mailer.NewQueue(second).Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	b.pass(time.Hour)
	if p := b.done(i); p.Counts[newsletter.Sent] != 300 || b.smtp.Count() != 300 {
		t.Errorf("%v, the server took %d", p.Counts, b.smtp.Count())
	}
	b.account(i)
}

// F44: the path to the relay dies at any byte of the dialogue, cut or black. Letters not handed go again by themselves, those in doubt once; nobody
// is left out, and no more are doubled than paths died.
func TestPathDiesAnywhere(t *testing.T) {
	for _, dead := range []bool{false, true} {
		t.Run(fmt.Sprint("black ", dead), func(t *testing.T) {
			t.Parallel()
			var b *bed
			var dials atomic.Int64
			const broken = 60
			b = newBed(t, dbtest.SQLite(t), bedOptions{silent: true, mend: func(o *mailer.Options, r *mailer.Transport) {
				o.Connections = 4
				r.Timeouts = mailer.Timeouts{Greeting: 300 * time.Millisecond, EHLO: 300 * time.Millisecond, Mail: 300 * time.Millisecond,
					Rcpt: 300 * time.Millisecond, Data: 300 * time.Millisecond, Block: 300 * time.Millisecond, Dot: 300 * time.Millisecond}
				addr := r.Addr()
				r.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
					n := dials.Add(1)
					if n > broken {
						return new(net.Dialer).DialContext(ctx, network, addr)
					}
					k := &cutter{target: addr, up: -1, down: -1, dead: dead, done: t.Context()}
					if n%2 == 0 {
						k.up = 40 + n*151
					} else {
						k.down = 20 + n*17
					}
					return k.Dial(ctx, network, addr)
				}
			}})
			b.readers(400)
			b.start()
			i := b.send(newsletter.ResendOnce)
			p := b.until(i, "the end", func(p newsletter.Progress) bool {
				b.pass(20 * time.Second)
				return p.State == newsletter.IssueDone
			})
			doubled := 0
			for _, d := range b.letters(i) {
				switch n := len(b.smtp.AcceptedTo(d.Email)); {
				case n == 0 && d.State != newsletter.Uncertain, n > 2:
					t.Errorf("%s got %d letters and is %s", d.Email, n, d.State)
				case n == 2:
					doubled++
				}
			}
			t.Logf("%d connections, %d doubled, %v", dials.Load(), doubled, p.Counts)
			if doubled > broken || dials.Load() <= broken/2 {
				t.Errorf("%d doubled, %d connections", doubled, dials.Load())
			}
			b.sound()
		})
	}
}
