package mailer_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/mailer"
	"techissue/mailer/smtptest"
	"techissue/newsletter"
)

const letterText = "From: a@news.example\r\nMessage-ID: <1@news.example>\r\n\r\nHello.\r\n.A dot.\r\n..Two.\r\n.\r\nEnd.\r\n"

func letterTo(to string) mailer.Letter {
	return mailer.Letter{From: "b+1.abc@bounce.example", To: to, Data: []byte(letterText)}
}

func pass(context.Context) error { return nil }

// short are time-outs for servers that hang; long ones for those that do not, so that a
// busy machine changes no result.
func short() mailer.Timeouts {
	const d = 150 * time.Millisecond
	return mailer.Timeouts{Connect: 5 * time.Second, Greeting: d, EHLO: d, TLS: d, Auth: d,
		Mail: d, Rcpt: d, Data: d, Block: d, Dot: d, Quit: d}
}

func transportTo(t *testing.T, srv *smtptest.Server) mailer.Transport {
	t.Helper()
	tr, err := mailer.ParseTransport(srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	tr.RootCAs, tr.HELO = srv.Roots(), "news.example"
	return tr
}

func dial(t *testing.T, tr mailer.Transport) *mailer.Conn {
	t.Helper()
	c, err := mailer.Dial(t.Context(), tr)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// bothWays runs a test with and without PIPELINING.
func bothWays(t *testing.T, f func(t *testing.T, features []string)) {
	for _, features := range [][]string{smtptest.DefaultFeatures(), {"8BITMIME", "ENHANCEDSTATUSCODES"}} {
		t.Run(features[0], func(t *testing.T) {
			t.Parallel()
			f(t, features)
		})
	}
}

func TestALetterArrivesByteForByte(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, features []string) {
		srv := smtptest.New(t, smtptest.Config{Features: features})
		c := dial(t, transportTo(t, srv))
		for i := range 5 {
			res := c.Send(t.Context(), letterTo(fmt.Sprintf("r%d@x.example", i)), pass)
			if res.Outcome != newsletter.Accepted || res.Reply.Code != 250 || res.Reply.Stage != newsletter.StageDot || !res.Gated {
				t.Fatalf("letter %d: %+v", i, res)
			}
			if id := newsletter.RelayID(res.Reply.Text); id != srv.Accepted()[i].QueueID() {
				t.Errorf("relay id %q, want %q", id, srv.Accepted()[i].QueueID())
			}
		}
		for i, m := range srv.Accepted() {
			if string(m.Data) != letterText || m.From != "b+1.abc@bounce.example" || m.Rcpt() != fmt.Sprintf("r%d@x.example", i) ||
				m.MessageID != "<1@news.example>" || !m.Answered {
				t.Errorf("letter %d arrived as %+v", i, m)
			}
		}
		c.Quit()
		for _, cmd := range srv.Commands() {
			if strings.Contains(cmd.Line, "BODY=") || strings.Contains(cmd.Line, "SMTPUTF8") || cmd.Line == "RSET" || cmd.Line == "NOOP" {
				t.Errorf("client said %q", cmd.Line)
			}
		}
		if c.Letters() != 5 || c.Usable() || len(srv.Faults()) > 0 {
			t.Errorf("letters %d, usable %v after Quit, faults %v", c.Letters(), c.Usable(), srv.Faults())
		}
	})
}

func TestEveryReplyIsJudged(t *testing.T) {
	t.Parallel()
	const to = "kim@x.example"
	drop := func(at smtptest.Stage, d smtptest.Drop) smtptest.Rule {
		return smtptest.Rule{At: at, To: "", Conn: 1, Do: smtptest.Action{Drop: d}}
	}
	raw := func(at smtptest.Stage, s string) smtptest.Rule {
		return smtptest.Rule{At: at, Conn: 1, Times: 1, Do: smtptest.Action{Raw: s}}
	}
	flood := "250-" + strings.Repeat("x", 60) + "\r\n"
	tests := []struct {
		name    string
		rule    smtptest.Rule
		outcome newsletter.Outcome
		stage   newsletter.Stage
		code    int
		took    int  // letters the server took
		usable  bool // and so the next letter on the same connection arrives
	}{
		{"MAIL refused", smtptest.Rule{At: smtptest.Mail, Times: 1, Do: smtptest.Action{Code: 550, Text: "5.7.1 not you"}}, newsletter.Refused, newsletter.StageMail, 550, 0, true},
		{"MAIL deferred", smtptest.Rule{At: smtptest.Mail, Times: 1, Do: smtptest.Action{Code: 451, Text: "4.3.0 later"}}, newsletter.Refused, newsletter.StageMail, 451, 0, true},
		{"RCPT refused", smtptest.Refuse(smtptest.Rcpt, to, 550, "5.1.1 no such user"), newsletter.Refused, newsletter.StageRcpt, 550, 0, true},
		{"RCPT deferred", smtptest.Refuse(smtptest.Rcpt, to, 450, "4.2.0 greylisted"), newsletter.Refused, newsletter.StageRcpt, 450, 0, true},
		{"RCPT refused in four lines", smtptest.Refuse(smtptest.Rcpt, to, 550, "5.1.1 a\n5.1.1 b\n5.1.1 c\n5.1.1 d"), newsletter.Refused, newsletter.StageRcpt, 550, 0, true},
		{"DATA refused", smtptest.Refuse(smtptest.Data, to, 554, "5.7.1 no"), newsletter.Refused, newsletter.StageData, 554, 0, true},
		{"dot refused", smtptest.Refuse(smtptest.Dot, to, 554, "Message rejected"), newsletter.Refused, newsletter.StageDot, 554, 0, true},
		{"dot deferred", smtptest.Refuse(smtptest.Dot, to, 451, "4.3.0 later"), newsletter.Refused, newsletter.StageDot, 451, 0, true},
		{"421 at MAIL", smtptest.Rule{At: smtptest.Mail, Do: smtptest.Action{Code: 421, Text: "4.3.2 bye", Drop: smtptest.DropAfter}}, newsletter.Refused, newsletter.StageMail, 421, 0, false},
		{"421 at RCPT", smtptest.Rule{At: smtptest.Rcpt, Do: smtptest.Action{Code: 421, Text: "4.3.2 bye", Drop: smtptest.DropAfter}}, newsletter.Refused, newsletter.StageRcpt, 421, 0, false},
		{"421 at the dot", smtptest.Rule{At: smtptest.Dot, Do: smtptest.Action{Code: 421, Text: "4.3.2 bye", Drop: smtptest.DropAfter}}, newsletter.Refused, newsletter.StageDot, 421, 0, false},
		{"RCPT refused, then the line drops", smtptest.Rule{At: smtptest.Rcpt, Do: smtptest.Action{Code: 550, Text: "5.1.1 no", Drop: smtptest.DropAfter}}, newsletter.Refused, newsletter.StageRcpt, 550, 0, false},

		{"drop at MAIL", drop(smtptest.Mail, smtptest.DropBefore), newsletter.NotHanded, newsletter.StageMail, 0, 0, false},
		{"drop at RCPT", drop(smtptest.Rcpt, smtptest.DropBefore), newsletter.NotHanded, newsletter.StageRcpt, 0, 0, false},
		{"drop at DATA", drop(smtptest.Data, smtptest.DropBefore), newsletter.NotHanded, newsletter.StageData, 0, 0, false},
		{"drop at the dot", drop(smtptest.Dot, smtptest.DropBefore), newsletter.InDoubt, newsletter.StageDot, 0, 0, false},
		{"drop instead of the 250", drop(smtptest.Answer, smtptest.DropBefore), newsletter.InDoubt, newsletter.StageDot, 0, 1, false},
		{"drop after the 250", drop(smtptest.Answer, smtptest.DropAfter), newsletter.Accepted, newsletter.StageDot, 250, 1, false},

		{"garbage at MAIL", raw(smtptest.Mail, "hello there\r\n"), newsletter.NotHanded, newsletter.StageMail, 0, 0, false},
		{"354 at MAIL", raw(smtptest.Mail, "354 go\r\n"), newsletter.NotHanded, newsletter.StageMail, 0, 0, false},
		{"two codes in one reply", raw(smtptest.Rcpt, "250-yes\r\n550 no\r\n"), newsletter.NotHanded, newsletter.StageRcpt, 0, 0, false},
		{"250 at DATA", raw(smtptest.Data, "250 fine\r\n"), newsletter.NotHanded, newsletter.StageData, 0, 0, false},
		{"350 at DATA", raw(smtptest.Data, "350 hm\r\n"), newsletter.NotHanded, newsletter.StageData, 0, 0, false},
		{"354 and an answer too early", raw(smtptest.Data, "354 go\r\n250 taken\r\n"), newsletter.NotHanded, newsletter.StageBody, 0, 0, false},
		{"garbage after the dot", raw(smtptest.Answer, "\x00\xff\x1b[2J\r\n"), newsletter.InDoubt, newsletter.StageDot, 0, 1, false},
		{"354 after the dot", raw(smtptest.Answer, "354 more\r\n"), newsletter.InDoubt, newsletter.StageDot, 0, 1, false},
		{"299 lines after the dot", raw(smtptest.Answer, strings.Repeat(flood, 299)+"250 ok\r\n"), newsletter.InDoubt, newsletter.StageDot, 0, 1, false},
		{"10,000 lines after the dot", raw(smtptest.Answer, strings.Repeat(flood, 10_000)), newsletter.InDoubt, newsletter.StageDot, 0, 1, false},
		{"a line of 1 MB after the dot", raw(smtptest.Answer, "250 "+strings.Repeat("x", 1<<20)+"\r\n"), newsletter.InDoubt, newsletter.StageDot, 0, 1, false},
		{"half a 250", smtptest.Rule{At: smtptest.Answer, Do: smtptest.Action{Raw: "250 2.0", Drop: smtptest.DropAfter}}, newsletter.InDoubt, newsletter.StageDot, 0, 1, false},
		{"half of two lines", smtptest.Rule{At: smtptest.Answer, Do: smtptest.Action{Raw: "250-2.0.0 Ok\r\n", Drop: smtptest.DropAfter}}, newsletter.InDoubt, newsletter.StageDot, 0, 1, false},
		{"250 with a lone LF", raw(smtptest.Answer, "250 ok\n"), newsletter.Accepted, newsletter.StageDot, 250, 1, true},
		{"a bare 250", raw(smtptest.Answer, "250\r\n"), newsletter.Accepted, newsletter.StageDot, 250, 1, true},
		{"two answers to one letter", raw(smtptest.Answer, "250 ok\r\n250 ok\r\n"), newsletter.Accepted, newsletter.StageDot, 250, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bothWays(t, func(t *testing.T, features []string) {
				srv := smtptest.New(t, smtptest.Config{Features: features, Rules: []smtptest.Rule{tt.rule}})
				tr := transportTo(t, srv)
				c := dial(t, tr)
				res := c.Send(t.Context(), letterTo(to), pass)
				if res.Outcome != tt.outcome || res.Reply.Stage != tt.stage || res.Reply.Code != tt.code {
					t.Errorf("got %s at %s %d %q (%v), want %s at %s %d", res.Outcome, res.Reply.Stage, res.Reply.Code, res.Reply.Text,
						res.Err, tt.outcome, tt.stage, tt.code)
				}
				if (res.Err != nil) != (res.Outcome == newsletter.NotHanded || res.Outcome == newsletter.InDoubt) {
					t.Errorf("%s with error %v", res.Outcome, res.Err)
				}
				if srv.Count() != tt.took {
					t.Errorf("the server took %d letters, want %d", srv.Count(), tt.took)
				}
				late := tt.rule.Do.Drop == smtptest.DropAfter && tt.code/100 != 0 && tt.code != 421
				if c.Usable() != tt.usable && !late {
					t.Fatalf("usable %v, want %v", c.Usable(), tt.usable)
				}
				if late { // the loss is seen by the next command
					if next := c.Send(t.Context(), letterTo("next@y.example"), pass); next.Outcome != newsletter.NotHanded || c.Usable() {
						t.Errorf("next letter on a dropped line: %+v", next)
					}
				} else if tt.usable {
					if next := c.Send(t.Context(), letterTo("next@y.example"), pass); next.Outcome != newsletter.Accepted {
						t.Errorf("next letter: %+v", next)
					}
				} else if next := c.Send(t.Context(), letterTo("next@y.example"), pass); next.Outcome != newsletter.NotHanded || next.Gated {
					t.Errorf("a broken connection takes a letter: %+v", next)
				}
				for _, cmd := range srv.Commands() { // past 354 nothing but the end of TCP is safe
					if (cmd.Line == "QUIT" || cmd.Line == "RSET") && tt.took+tt.code == 0 {
						t.Errorf("client said %q after a loss", cmd.Line)
					}
				}
				if len(srv.Faults()) > 0 {
					t.Errorf("faults: %v", srv.Faults())
				}
			})
		})
	}
}

func TestAHangEndsInTime(t *testing.T) {
	t.Parallel()
	tests := []struct {
		at      smtptest.Stage
		outcome newsletter.Outcome
		stage   newsletter.Stage
		took    int
	}{
		{smtptest.Mail, newsletter.NotHanded, newsletter.StageMail, 0},
		{smtptest.Rcpt, newsletter.NotHanded, newsletter.StageRcpt, 0},
		{smtptest.Data, newsletter.NotHanded, newsletter.StageData, 0},
		{smtptest.Dot, newsletter.InDoubt, newsletter.StageDot, 0},
		{smtptest.Answer, newsletter.InDoubt, newsletter.StageDot, 1},
	}
	for _, tt := range tests {
		t.Run(string(tt.at), func(t *testing.T) {
			t.Parallel()
			bothWays(t, func(t *testing.T, features []string) {
				srv := smtptest.New(t, smtptest.Config{Features: features, Rules: []smtptest.Rule{{At: tt.at, Do: smtptest.Action{Hang: true}}}})
				tr := transportTo(t, srv)
				tr.Timeouts = mailer.Timeouts{Mail: time.Minute, Rcpt: time.Minute, Data: time.Minute, Block: time.Minute, Dot: time.Minute}
				set := map[smtptest.Stage]*time.Duration{smtptest.Mail: &tr.Timeouts.Mail, smtptest.Rcpt: &tr.Timeouts.Rcpt,
					smtptest.Data: &tr.Timeouts.Data, smtptest.Dot: &tr.Timeouts.Dot, smtptest.Answer: &tr.Timeouts.Dot}
				*set[tt.at] = 50 * time.Millisecond // each stage obeys its own field
				res := dial(t, tr).Send(t.Context(), letterTo("kim@x.example"), pass)
				if res.Outcome != tt.outcome || res.Reply.Stage != tt.stage || srv.Count() != tt.took {
					t.Errorf("got %s at %s (%v), server took %d", res.Outcome, res.Reply.Stage, res.Err, srv.Count())
				}
			})
		})
	}
}

func TestAnAnswerJustInTimeIsAwaited(t *testing.T) {
	t.Parallel()
	srv := smtptest.New(t, smtptest.Config{Rules: []smtptest.Rule{{At: smtptest.Answer, Do: smtptest.Action{Delay: 300 * time.Millisecond}}}})
	tr := transportTo(t, srv)
	tr.Timeouts = short()
	tr.Timeouts.Dot = 30 * time.Second // the other stages' limits do not cut it short
	if res := dial(t, tr).Send(t.Context(), letterTo("kim@x.example"), pass); res.Outcome != newsletter.Accepted {
		t.Errorf("got %+v", res)
	}
}

func TestALetterTheServerStopsReadingIsNotHanded(t *testing.T) {
	t.Parallel()
	srv := smtptest.New(t, smtptest.Config{Rules: []smtptest.Rule{{At: smtptest.Body, Do: smtptest.Action{Hang: true, After: 1000}}}})
	tr := transportTo(t, srv)
	tr.Timeouts.Block = 100 * time.Millisecond
	l := letterTo("kim@x.example")
	l.Data = []byte("X: y\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 300_000)) // more than the kernels hold
	res := dial(t, tr).Send(t.Context(), l, pass)
	if res.Outcome != newsletter.NotHanded || res.Reply.Stage != newsletter.StageBody || !res.Gated {
		t.Errorf("got %s at %s: %v", res.Outcome, res.Reply.Stage, res.Err)
	}
}

func TestAServerThatEndsALongLetterHalfWay(t *testing.T) {
	t.Parallel()
	srv := smtptest.New(t, smtptest.Config{Rules: []smtptest.Rule{{At: smtptest.Body, Do: smtptest.Action{Drop: smtptest.DropBefore, After: 100_000}}}})
	l := letterTo("kim@x.example")
	l.Data = []byte("X: y\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 300_000))
	res := dial(t, transportTo(t, srv)).Send(t.Context(), l, pass)
	if res.Outcome != newsletter.NotHanded || res.Reply.Stage != newsletter.StageBody {
		t.Errorf("got %s at %s: %v", res.Outcome, res.Reply.Stage, res.Err)
	}
}

func TestALoneDotEndsALetterNobodyMayHave(t *testing.T) {
	t.Parallel()
	srv := smtptest.New(t, smtptest.Config{Rules: []smtptest.Rule{
		smtptest.Refuse(smtptest.Rcpt, "gone@x.example", 550, "5.1.1 no such user"),
		{At: smtptest.Data, To: "gone@x.example", Do: smtptest.Action{Code: 354, Text: "go on"}},
		{At: smtptest.Mail, Conn: 2, Times: 1, Do: smtptest.Action{Code: 550, Text: "5.1.8 sender"}},
		{At: smtptest.Data, Conn: 2, Times: 1, Do: smtptest.Action{Code: 354, Text: "go on"}},
	}})
	c := dial(t, transportTo(t, srv))
	for range 2 {
		res := c.Send(t.Context(), letterTo("gone@x.example"), pass)
		if res.Outcome != newsletter.Refused || res.Reply.Stage != newsletter.StageRcpt || res.Reply.Enhanced != "5.1.1" || !c.Usable() {
			t.Fatalf("got %+v, usable %v", res, c.Usable())
		}
	}
	if res := c.Send(t.Context(), letterTo("kim@x.example"), pass); res.Outcome != newsletter.Accepted || srv.Count() != 1 {
		t.Errorf("next letter: %+v, server took %d", res, srv.Count())
	}
	// With the sender refused a lone dot might deliver an empty letter: only closing is safe.
	c = dial(t, transportTo(t, srv))
	if res := c.Send(t.Context(), letterTo("lee@x.example"), pass); res.Outcome != newsletter.Refused || res.Reply.Stage != newsletter.StageMail || c.Usable() {
		t.Errorf("got %+v, usable %v", res, c.Usable())
	}
	if srv.Count() != 1 || len(srv.Faults()) > 0 {
		t.Errorf("server took %d letters, faults %v", srv.Count(), srv.Faults())
	}
}

func TestTheGateStandsBeforeDATA(t *testing.T) {
	t.Parallel()
	no := errors.New("the reader has left")
	bothWays(t, func(t *testing.T, features []string) {
		srv := smtptest.New(t, smtptest.Config{Features: features, Rules: []smtptest.Rule{smtptest.Refuse(smtptest.Rcpt, "gone@x.example", 550, "5.1.1 no")}})
		c := dial(t, transportTo(t, srv))
		said := func(verb string) bool {
			return slices.ContainsFunc(srv.Commands(), func(m smtptest.Command) bool { return strings.HasPrefix(m.Line, verb) })
		}
		pipelining := features[0] == "PIPELINING"
		calls := 0
		res := c.Send(t.Context(), letterTo("kim@x.example"), func(context.Context) error {
			calls++
			if said("DATA") || said("RCPT") == pipelining {
				t.Errorf("at the gate the server had heard %v", srv.Commands())
			}
			return no
		})
		if res.Outcome != newsletter.GateRefused || !errors.Is(res.Err, no) || res.Gated || calls != 1 || !c.Usable() || said("DATA") {
			t.Errorf("gate refused: %+v, %d calls, usable %v", res, calls, c.Usable())
		}
		// A recipient refused in steps never meets the gate; pipelined it has passed it.
		res = c.Send(t.Context(), letterTo("gone@x.example"), pass)
		if res.Outcome != newsletter.Refused || res.Gated != pipelining {
			t.Errorf("recipient refused: %+v", res)
		}
		if res := c.Send(t.Context(), letterTo("lee@x.example"), pass); res.Outcome != newsletter.Accepted {
			t.Errorf("the letter after: %+v", res)
		}
		if got := srv.Accepted(); len(got) != 1 || got[0].Rcpt() != "lee@x.example" || len(srv.Faults()) > 0 {
			t.Errorf("server took %v, faults %v", got, srv.Faults())
		}
	})
}

func TestCancellingLeavesNoLie(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		at      smtptest.Stage
		outcome newsletter.Outcome
	}{{smtptest.Rcpt, newsletter.NotHanded}, {smtptest.Answer, newsletter.InDoubt}} {
		t.Run(string(tt.at), func(t *testing.T) {
			t.Parallel()
			srv := smtptest.New(t, smtptest.Config{Rules: []smtptest.Rule{{At: tt.at, Do: smtptest.Action{Hang: true}}}})
			c := dial(t, transportTo(t, srv))
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				_ = srv.Wait(ctx, func() bool { return srv.Attempts("kim@x.example") == 1 && (tt.at == smtptest.Rcpt || srv.Count() == 1) })
				cancel()
			}()
			if res := c.Send(ctx, letterTo("kim@x.example"), pass); res.Outcome != tt.outcome || c.Usable() {
				t.Errorf("got %+v, usable %v", res, c.Usable())
			}
		})
	}
	t.Run("before", func(t *testing.T) {
		t.Parallel()
		c := dial(t, transportTo(t, smtptest.New(t, smtptest.Config{})))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if res := c.Send(ctx, letterTo("kim@x.example"), pass); res.Outcome != newsletter.NotHanded || res.Gated || !c.Usable() {
			t.Errorf("got %+v", res)
		}
	})
}

func TestUnfitLettersNeverLeave(t *testing.T) {
	t.Parallel()
	srv := smtptest.New(t, smtptest.Config{})
	c := dial(t, transportTo(t, srv))
	ok := "S: x\r\n\r\nbody\r\n"
	tests := []struct{ name, from, to, data string }{
		{"parameters behind the address", "", "a@x.example> ORCPT=rfc822;b@y.example", ok},
		{"a quoted local part", "", `"a> ORCPT=x"@x.example`, ok},
		{"a second command", "", "a@x.example>\r\nRCPT TO:<b@y.example", ok},
		{"a lone LF", "", "a@x.example\nDATA", ok},
		{"a blank", "", "a b@x.example", ok},
		{"a comment", "", "a(b)@x.example", ok},
		{"a group", "", "a:b@x.example;", ok},
		{"two addresses", "", "a@x.example,b@x.example", ok},
		{"two ats", "", "a@b@x.example", ok},
		{"a Korean local part", "", "가@x.example", ok},
		{"a literal", "", "a@[127.0.0.1]", ok},
		{"no domain", "", "a@", ok},
		{"nobody", "", "", ok},
		{"a sender with a blank", "a b@x.example", "a@x.example", ok},
		{"nothing", "", "a@x.example", ""},
		{"a bare LF", "", "a@x.example", "S: x\n\r\nbody\r\n"},
		{"a bare CR", "", "a@x.example", "S: x\r\n\r\nbo\rdy\r\n"},
		{"LF dot LF", "", "a@x.example", "S: x\r\n\r\nbody\n.\nMAIL FROM:<x@y.example>\r\n"},
		{"CR dot CR", "", "a@x.example", "S: x\r\n\r\nbody\r.\r\r\n"},
		{"CR CR LF", "", "a@x.example", "S: x\r\n\r\nbody\r\r\n"},
		{"no end of line", "", "a@x.example", "S: x\r\n\r\nbody"},
		{"a lone CR at the end", "", "a@x.example", "S: x\r\n\r\nbody\r"},
		{"NUL", "", "a@x.example", "S: x\r\n\r\nbo\x00dy\r\n"},
		{"8 bits", "", "a@x.example", "S: x\r\n\r\n한글\r\n"},
		{"a line of 999", "", "a@x.example", "S: x\r\n\r\n" + strings.Repeat("x", 999) + "\r\n"},
	}
	for _, tt := range tests {
		res := c.Send(t.Context(), mailer.Letter{From: tt.from, To: tt.to, Data: []byte(tt.data)}, func(context.Context) error {
			t.Errorf("%s: reached the gate", tt.name)
			return nil
		})
		if res.Outcome != newsletter.NotHanded || !errors.Is(res.Err, mailer.ErrLetter) || !c.Usable() {
			t.Errorf("%s: %+v", tt.name, res)
		}
	}
	fits := mailer.Letter{To: "o'neil+tag@sub-1.x.example", Data: []byte(".\r\n" + strings.Repeat("x", 998) + "\r\n.\r\n.\r\n")}
	if res := c.Send(t.Context(), fits, pass); res.Outcome != newsletter.Accepted || string(srv.Accepted()[0].Data) != string(fits.Data) {
		t.Errorf("a letter that just fits: %+v", res)
	}
	if n := srv.CommandCount(); n != 4 || len(srv.Faults()) > 0 { // EHLO, MAIL, RCPT, DATA
		t.Errorf("server heard %d commands, faults %v", n, srv.Faults())
	}
}

func TestRepliesAreKeptHarmless(t *testing.T) {
	t.Parallel()
	srv := smtptest.New(t, smtptest.Config{Rules: []smtptest.Rule{{At: smtptest.Rcpt, Do: smtptest.Action{
		Raw: "550-5.1.1 \x1b[31m<script>\x00\r\n550-5.1.1 " + strings.Repeat("가", 400) + "\r\n550 5.1.1 \xff\xfe end\r\n"}}}})
	res := dial(t, transportTo(t, srv)).Send(t.Context(), letterTo("kim@x.example"), pass)
	if res.Reply.Enhanced != "5.1.1" || !strings.HasPrefix(res.Reply.Text, "[31m<script> 가가") || len(res.Reply.Text) > newsletter.MaxReplyText ||
		strings.ContainsAny(res.Reply.Text, "\x1b\x00\r\n") {
		t.Errorf("got %+v", res.Reply)
	}
}

func TestDialFailuresSayWhereAndWhy(t *testing.T) {
	t.Parallel()
	rule := func(at smtptest.Stage, a smtptest.Action) []smtptest.Rule { return []smtptest.Rule{{At: at, Do: a}} }
	tests := []struct {
		name  string
		cfg   smtptest.Config
		tweak func(*mailer.Transport)
		stage newsletter.Stage
		code  int
	}{
		{"greeting refused", smtptest.Config{Rules: rule(smtptest.Connect, smtptest.Action{Code: 554, Text: "5.7.1 no"})}, nil, newsletter.StageGreeting, 554},
		{"greeting 421", smtptest.Config{Rules: rule(smtptest.Connect, smtptest.Action{Code: 421, Text: "4.7.0 too many connections"})}, nil, newsletter.StageGreeting, 421},
		{"dropped at once", smtptest.Config{Rules: rule(smtptest.Connect, smtptest.Action{Drop: smtptest.DropBefore})}, nil, newsletter.StageGreeting, 0},
		{"no greeting", smtptest.Config{Rules: rule(smtptest.Connect, smtptest.Action{Hang: true})}, nil, newsletter.StageGreeting, 0},
		{"a web server", smtptest.Config{Rules: rule(smtptest.Connect, smtptest.Action{Raw: "HTTP/1.1 400 Bad Request\r\n\r\n"})}, nil, newsletter.StageGreeting, 0},
		{"a banner of 10 MB", smtptest.Config{Rules: rule(smtptest.Connect, smtptest.Action{Raw: "220 " + strings.Repeat("x", 10<<20)})}, nil, newsletter.StageGreeting, 0},
		{"a banner without end of line", smtptest.Config{Rules: rule(smtptest.Connect, smtptest.Action{Raw: "220 hello"})}, nil, newsletter.StageGreeting, 0},
		{"EHLO and HELO refused", smtptest.Config{Rules: rule(smtptest.EHLO, smtptest.Action{Code: 550, Text: "no"})}, nil, newsletter.StageEHLO, 550},
		{"EHLO dropped", smtptest.Config{Rules: rule(smtptest.EHLO, smtptest.Action{Drop: smtptest.DropBefore})}, nil, newsletter.StageEHLO, 0},
		{"EHLO hangs", smtptest.Config{Rules: rule(smtptest.EHLO, smtptest.Action{Hang: true})}, nil, newsletter.StageEHLO, 0},
		{"EHLO of 100,000 lines", smtptest.Config{Rules: rule(smtptest.EHLO, smtptest.Action{Raw: strings.Repeat("250-X-FEATURE\r\n", 100_000)})}, nil, newsletter.StageEHLO, 0},
		{"EHLO hangs under TLS", smtptest.Config{ImplicitTLS: true, Rules: rule(smtptest.EHLO, smtptest.Action{Hang: true})}, nil, newsletter.StageEHLO, 0},
		{"greeting refused under TLS", smtptest.Config{ImplicitTLS: true, Rules: rule(smtptest.Connect, smtptest.Action{Code: 554, Text: "no"})}, nil, newsletter.StageGreeting, 554},
		{"STARTTLS stripped", smtptest.Config{User: "u", Password: "p"}, func(t *mailer.Transport) { t.TLS = mailer.StartTLS }, newsletter.StageTLS, 0},
		{"STARTTLS refused", smtptest.Config{StartTLS: true, Rules: rule(smtptest.StartTLS, smtptest.Action{Code: 454, Text: "4.7.0 TLS not available"})}, nil, newsletter.StageTLS, 454},
		{"STARTTLS hangs", smtptest.Config{StartTLS: true, Rules: rule(smtptest.StartTLS, smtptest.Action{Hang: true})}, nil, newsletter.StageTLS, 0},
		{"plaintext behind the 220 of STARTTLS", smtptest.Config{StartTLS: true, Rules: rule(smtptest.StartTLS, smtptest.Action{Raw: "220 go\r\n250-x\r\n250 AUTH PLAIN\r\n", Drop: smtptest.DropAfter})}, nil, newsletter.StageTLS, 0},
		{"another's certificate", smtptest.Config{StartTLS: true, CertNames: []string{"other.example"}}, nil, newsletter.StageCertificate, 0},
		{"another's certificate, implicit", smtptest.Config{ImplicitTLS: true, CertNames: []string{"other.example"}}, nil, newsletter.StageCertificate, 0},
		{"a certificate of yesterday", smtptest.Config{StartTLS: true, CertExpired: true}, nil, newsletter.StageCertificate, 0},
		{"an authority nobody knows", smtptest.Config{StartTLS: true}, func(t *mailer.Transport) { t.RootCAs = nil }, newsletter.StageCertificate, 0},
		{"a plain server where TLS is due", smtptest.Config{}, func(t *mailer.Transport) { t.TLS = mailer.ImplicitTLS }, newsletter.StageTLS, 0},
		{"wrong password", smtptest.Config{StartTLS: true, User: "u", Password: "p"}, func(t *mailer.Transport) { t.Password = "q" }, newsletter.StageAuth, 535},
		{"AUTH LOGIN, wrong password", smtptest.Config{StartTLS: true, User: "u", Password: "p", AuthMechanisms: []string{"LOGIN"}}, func(t *mailer.Transport) { t.Password = "q" }, newsletter.StageAuth, 535},
		{"AUTH for the time being not", smtptest.Config{StartTLS: true, User: "u", Password: "p", Rules: rule(smtptest.Auth, smtptest.Action{Code: 454, Text: "4.7.0 later"})}, nil, newsletter.StageAuth, 454},
		{"AUTH hangs", smtptest.Config{StartTLS: true, User: "u", Password: "p", Rules: rule(smtptest.Auth, smtptest.Action{Hang: true})}, nil, newsletter.StageAuth, 0},
		{"AUTH not offered", smtptest.Config{StartTLS: true}, func(t *mailer.Transport) { t.User, t.Password = "u", "p" }, newsletter.StageAuth, 0},
		{"only mechanisms we do not speak", smtptest.Config{StartTLS: true, User: "u", Password: "p", AuthMechanisms: []string{"GSSAPI"}}, nil, newsletter.StageAuth, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := smtptest.New(t, tt.cfg)
			tr := transportTo(t, srv)
			tr.Timeouts = short()
			if !slices.ContainsFunc(tt.cfg.Rules, func(r smtptest.Rule) bool { return r.Do.Hang || r.Do.Raw != "" }) {
				tr.Timeouts = mailer.Timeouts{} // nothing to wait for: let a busy machine take its time
			}
			if tt.name == "a plain server where TLS is due" {
				tr.Timeouts = short()
			}
			if tt.tweak != nil {
				tt.tweak(&tr)
			}
			c, err := mailer.Dial(t.Context(), tr)
			if err == nil {
				c.Close()
				t.Fatal("Dial succeeded")
			}
			var de *mailer.DialError
			if !errors.As(err, &de) || de.Reply.Stage != tt.stage || de.Reply.Code != tt.code {
				t.Fatalf("got %#v: %v, want %s %d", de, err, tt.stage, tt.code)
			}
			if err := srv.Wait(t.Context(), func() bool { return srv.OpenConnections() == 0 }); err != nil {
				t.Error("the connection stays open")
			}
			for _, cmd := range srv.Commands() {
				if !cmd.TLS && (strings.HasPrefix(cmd.Line, "AUTH") || strings.HasPrefix(cmd.Line, "MAIL")) {
					t.Errorf("said in the clear: %q", cmd.Line)
				}
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		tr, _ := mailer.ParseTransport("smtp+insecure://" + l.Addr().String())
		_, err = mailer.Dial(t.Context(), tr)
		var de *mailer.DialError
		if !errors.As(err, &de) || de.Reply.Stage != newsletter.StageConnect {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled while the server hangs", func(t *testing.T) {
		t.Parallel()
		srv := smtptest.New(t, smtptest.Config{StartTLS: true, User: "u", Password: "p", Rules: rule(smtptest.Auth, smtptest.Action{Hang: true})})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_ = srv.Wait(ctx, func() bool {
				return slices.ContainsFunc(srv.Commands(), func(c smtptest.Command) bool { return strings.HasPrefix(c.Line, "AUTH") })
			})
			cancel()
		}()
		_, err := mailer.Dial(ctx, transportTo(t, srv))
		var de *mailer.DialError
		if !errors.As(err, &de) || de.Reply.Stage != newsletter.StageAuth || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAFloodCostsNoMemory(t *testing.T) {
	srv := smtptest.New(t, smtptest.Config{Rules: []smtptest.Rule{{At: smtptest.Connect, Do: smtptest.Action{Raw: "220 " + strings.Repeat("x", 10<<20)}}}})
	tr := transportTo(t, srv)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := mailer.Dial(t.Context(), tr)
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Fatal("Dial succeeded")
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
		t.Errorf("a banner of 10 MB made us allocate %d KB", got>>10)
	}
}

func TestWaysIn(t *testing.T) {
	t.Parallel()
	many := smtptest.DefaultFeatures()
	for i := range 200 {
		many = append(many, fmt.Sprintf("X-FEATURE-%d", i))
	}
	tests := []struct {
		name string
		cfg  smtptest.Config
		tls  bool
	}{
		{"plaintext on this machine", smtptest.Config{}, false},
		{"plaintext with a password on this machine", smtptest.Config{User: "u", Password: "p@ss"}, false},
		{"STARTTLS", smtptest.Config{StartTLS: true}, true},
		{"STARTTLS with AUTH PLAIN", smtptest.Config{StartTLS: true, User: "u", Password: "p"}, true},
		{"implicit TLS with AUTH LOGIN", smtptest.Config{ImplicitTLS: true, User: "u", Password: "p", AuthMechanisms: []string{"LOGIN"}}, true},
		{"an EHLO reply of 200 lines", smtptest.Config{Features: many}, false},
		{"HELO only", smtptest.Config{Rules: []smtptest.Rule{{At: smtptest.EHLO, Times: 1, Do: smtptest.Action{Code: 502, Text: "EHLO?"}}}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := smtptest.New(t, tt.cfg)
			tr := transportTo(t, srv)
			tr.Password = tt.cfg.Password
			c := dial(t, tr)
			res := c.Send(t.Context(), letterTo("kim@x.example"), pass)
			if res.Outcome != newsletter.Accepted || srv.Accepted()[0].TLS != tt.tls || len(srv.Faults()) > 0 {
				t.Errorf("got %+v, faults %v", res, srv.Faults())
			}
		})
	}
}

func TestParseTransport(t *testing.T) {
	t.Parallel()
	tests := []struct{ raw, want string }{
		{"smtp://u:p@mail.example.com:587", "mail.example.com:587 STARTTLS, AUTH"},
		{"smtp://mail.example.com", "mail.example.com:587 STARTTLS"},
		{"smtps://u:p%40ss@mail.example.com", "mail.example.com:465 TLS, AUTH"},
		{"smtp+insecure://127.0.0.1:1025", "127.0.0.1:1025 plaintext"},
		{"smtp+insecure://u:p@127.0.0.1:1025", "127.0.0.1:1025 plaintext, AUTH"},
		{"smtp+insecure://u:p@[::1]:1025/", "[::1]:1025 plaintext, AUTH"},
		{"smtp+insecure://u:p@localhost", "localhost:25 plaintext, AUTH"},
		{"smtp+insecure://relay.internal", "relay.internal:25 plaintext"},

		{"smtp+insecure://u:hunter2@relay.internal", ""},
		{"smtp+insecure://u:hunter2@127.0.0.1.evil.example", ""},
		{"http://mail.example.com", ""},
		{"mail.example.com:587", ""},
		{"smtp://", ""},
		{"smtp://u@mail.example.com", ""},
		{"smtp://:hunter2@mail.example.com", ""},
		{"smtp://u:hunter2@mail.example.com:0", ""},
		{"smtp://u:hunter2@mail.example.com:70000", ""},
		{"smtp://u:hunter2@mail.example.com:abc", ""},
		{"smtp://u:hunter2/x@mail.example.com", ""},
		{"smtp://u:p@mail.example.com/hunter2", ""},
		{"smtp://u:p@mail.example.com?x=hunter2", ""},
		{"", ""},
	}
	for _, tt := range tests {
		got, err := mailer.ParseTransport(tt.raw)
		switch {
		case tt.want == "" && err == nil:
			t.Errorf("%q: accepted as %s", tt.raw, got)
		case tt.want == "" && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%q: the error tells the password: %v", tt.raw, err)
		case tt.want != "" && (err != nil || got.String() != tt.want):
			t.Errorf("%q: got %s, %v; want %s", tt.raw, got, err, tt.want)
		}
	}
	if tr, _ := mailer.ParseTransport("smtps://u:p%40ss@mail.example.com"); tr.Password != "p@ss" {
		t.Errorf("password %q", tr.Password)
	}
}
