package smtptest_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"techissue/mailer/smtptest"
)

// client talks to the server by hand: what it says may be wrong on purpose.
type client struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func connect(t *testing.T, s *smtptest.Server) *client {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// say writes text as it is and expects the codes of the replies in turn; 0 is the end.
func (c *client) say(text string, codes ...int) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(text)); err != nil && codes[0] != 0 {
		c.t.Fatalf("write %q: %v", text, err)
	}
	for _, want := range codes {
		got := 0
		for {
			line, err := c.r.ReadString('\n')
			if err != nil {
				break
			}
			if fmt.Sscanf(line, "%3d", &got); line[3] != '-' {
				break
			}
		}
		if got != want {
			c.t.Fatalf("after %q: got %d, want %d", text, got, want)
		}
	}
}

func (c *client) letter(to, body string, code int) {
	c.t.Helper()
	c.say("MAIL FROM:<a@news.example>\r\n", 250)
	c.say("RCPT TO:<"+to+">\r\n", 250)
	c.say("DATA\r\n", 354)
	c.say(body+".\r\n", code)
}

func TestStrictness(t *testing.T) {
	t.Parallel()
	start := "MAIL FROM:<a@news.example>\r\nRCPT TO:<kim@x.example>\r\nDATA\r\n"
	tests := []struct {
		name     string
		features []string
		say      string
		codes    []int
		fault    string
	}{
		{"a good letter", nil, start, []int{250, 250, 354}, ""},
		{"a command that ends in LF", nil, "NOOP\n", []int{500, 0}, "bare line end"},
		{"a blank before the address", nil, "MAIL FROM: <a@news.example>\r\n", []int{501}, "malformed"},
		{"no brackets", nil, "MAIL FROM:a@news.example\r\n", []int{501}, "malformed"},
		{"an address with a bracket", nil, "MAIL FROM:<a@news.example>\r\nRCPT TO:<a> X=<b@x.example>\r\n", []int{250, 501}, "malformed"},
		{"commands ahead without PIPELINING", []string{"8BITMIME"}, start, []int{554, 0}, "PIPELINING was not offered"},
		{"a body before 354", nil, start + "S: x\r\n", []int{250, 250, 554, 0}, "DATA with more behind it"},
		{"SMTPUTF8 that was not offered", []string{"8BITMIME"}, "MAIL FROM:<a@news.example> SMTPUTF8\r\n", []int{555}, ""},
		{"MAIL in a transaction", nil, "MAIL FROM:<a@news.example>\r\nMAIL FROM:<a@news.example>\r\n", []int{250, 503}, ""},
		{"RCPT first", nil, "RCPT TO:<kim@x.example>\r\n", []int{503}, ""},
		{"DATA for nobody", nil, "MAIL FROM:<a@news.example>\r\nDATA\r\n", []int{250, 554}, ""},
		{"AUTH that was not offered", nil, "AUTH PLAIN AAAA\r\n", []int{503}, ""},
		{"an unknown command", nil, "HELP\r\n", []int{500}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := smtptest.New(t, smtptest.Config{Features: tt.features})
			c := connect(t, s)
			c.say("", 220)
			c.say("EHLO test\r\n", 250)
			c.say(tt.say, tt.codes...)
			checkFault(t, s, tt.fault)
		})
	}
}

func checkFault(t *testing.T, s *smtptest.Server, want string) {
	t.Helper()
	faults := s.Faults()
	if want == "" && len(faults) > 0 || want != "" && (len(faults) != 1 || !strings.Contains(faults[0].Text, want)) {
		t.Errorf("faults %v, want %q", faults, want)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, kept, fault string }{
		{"plain", "S: x\r\n\r\nhello\r\n", "S: x\r\n\r\nhello\r\n", ""},
		{"doubled dots", "..\r\n...x\r\n", ".\r\n..x\r\n", ""},
		{"nothing", "", "", ""},
		{"a dot that was not doubled", ".x\r\n", "", "dot that was not doubled"},
		{"LF alone", "a\nb\r\n", "", "bare LF"},
		{"CR alone", "a\rb\r\n", "", "bare CR"},
		{"CR CR LF", "a\r\r\n", "", "bare CR"},
		{"LF dot CRLF ends nothing", "a\n.\r\nMAIL FROM:<x@y>\r\n", "", "bare LF"},
		{"LF dot LF ends nothing", "a\r\n.\nb\r\n", "", "bare LF"},
		{"a long line", strings.Repeat("x", 999) + "\r\n", "", "longer than 1000"},
		{"a very long line", strings.Repeat("x", 200_000) + "\r\n", "", "longer than 1000"},
		{"8 bits", "한글\r\n", "", "8-bit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := smtptest.New(t, smtptest.Config{})
			c := connect(t, s)
			c.say("", 220)
			c.say("EHLO test\r\n", 250)
			code, took := 250, 1
			if tt.fault != "" {
				code, took = 554, 0
			}
			c.letter("kim@x.example", tt.body, code)
			c.say("NOOP\r\n", 250) // the conversation is still in step
			checkFault(t, s, tt.fault)
			if got := s.Accepted(); len(got) != took || took == 1 && string(got[0].Data) != tt.kept {
				t.Errorf("kept %+v", got)
			}
		})
	}
}

func TestRulesChooseByRecipientDomainAndAttempt(t *testing.T) {
	t.Parallel()
	rules := append(smtptest.HardBounce("gone@x.example"), smtptest.Defer(2, "slow@x.example")...)
	rules = append(rules,
		smtptest.Rule{At: smtptest.Rcpt, Domain: "Blocked.example", Do: smtptest.Action{Code: 550, Text: "5.7.1 no"}},
		smtptest.Rule{At: smtptest.Dot, To: "kim@x.example", FirstAttempt: 2, LastAttempt: 2, Do: smtptest.Action{Code: 451, Text: "4.3.0 no"}},
		smtptest.Rule{At: smtptest.Mail, When: func(e smtptest.Event) bool { return e.Accepted >= 3 }, Do: smtptest.Action{Code: 454, Text: "Throttling failure"}})
	s := smtptest.New(t, smtptest.Config{Rules: rules})
	c := connect(t, s)
	c.say("", 220)
	c.say("EHLO test\r\n", 250)
	rcpt := func(to string, code int) {
		t.Helper()
		c.say("RSET\r\nMAIL FROM:<a@news.example>\r\nRCPT TO:<"+to+">\r\n", 250, 250, code)
	}
	rcpt("Gone@x.example", 550)
	rcpt("gone@y.example", 250)
	rcpt("slow@x.example", 451)
	rcpt("slow@x.example", 451)
	rcpt("slow@x.example", 250)
	rcpt("anyone@blocked.example", 550)
	rcpt("anyone@notblocked.example", 250)
	c.say("RSET\r\n", 250)
	c.letter("kim@x.example", "x\r\n", 250)
	c.letter("kim@x.example", "x\r\n", 451)
	c.letter("kim@x.example", "x\r\n", 250)
	c.letter("lee@x.example", "x\r\n", 250)
	c.say("MAIL FROM:<a@news.example>\r\n", 454)
	s.SetRules()
	c.letter("gone@x.example", "x\r\n", 250)
	if got := s.Attempts("SLOW@x.example"); got != 3 {
		t.Errorf("slow was tried %d times", got)
	}
	if got := s.AcceptedTo("kim@x.example"); len(got) != 2 || s.Count() != 4 {
		t.Errorf("kim got %d of %d letters", len(got), s.Count())
	}
}

func TestLimitsOfConnections(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Config{MaxConns: 1, MaxLetters: 2})
	c := connect(t, s)
	c.say("", 220)
	connect(t, s).say("", 421, 0)
	c.say("EHLO test\r\n", 250)
	c.letter("kim@x.example", "x\r\n", 250)
	c.letter("kim@x.example", "x\r\n", 250)
	c.say("MAIL FROM:<a@news.example>\r\n", 421, 0)
	if err := s.Wait(t.Context(), func() bool { return s.OpenConnections() == 0 }); err != nil {
		t.Fatal(err)
	}
	if s.PeakConnections() != 2 || s.Connections() != 2 {
		t.Errorf("%d connections, %d at once", s.Connections(), s.PeakConnections())
	}

	s = smtptest.New(t, smtptest.Config{CloseAfter: 1})
	c = connect(t, s)
	c.say("", 220)
	c.say("EHLO test\r\n", 250)
	c.letter("kim@x.example", "x\r\n", 250)
	c.say("NOOP\r\n", 0)
}

func TestWhatAnotherProcessCanRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logFile, eml := filepath.Join(dir, "accepted.jsonl"), filepath.Join(dir, "eml")
	s := smtptest.New(t, smtptest.Config{LogFile: logFile, EmlDir: eml,
		Rules: []smtptest.Rule{{At: smtptest.Answer, To: "lost@x.example", Do: smtptest.Action{Drop: smtptest.DropBefore}}}})
	c := connect(t, s)
	c.say("", 220)
	c.say("EHLO test\r\n", 250)
	c.letter("kim@x.example", "Message-ID: <1@x>\r\n\r\nhello\r\n", 250)
	c.letter("lost@x.example", "message-id:<2@x>\r\n\r\nhello\r\n", 0)
	if err := s.WaitAccepted(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	s.Close()
	recs, err := smtptest.ReadLog(logFile)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range recs {
		got = append(got, fmt.Sprint(r.Event, " ", r.Seq, " ", r.From, " ", r.Rcpt, " ", r.MessageID, " ", r.Size))
	}
	want := []string{
		"accepted 1 a@news.example [kim@x.example] <1@x> 28",
		"accepted 2 a@news.example [lost@x.example] <2@x> 27",
		"unanswered 2 a@news.example [lost@x.example] <2@x> 27",
	}
	if !slices.Equal(got, want) {
		t.Errorf("log:\n%s", strings.Join(got, "\n"))
	}
	if b, err := os.ReadFile(filepath.Join(eml, "00000001.eml")); err != nil || !strings.HasSuffix(string(b), "hello\r\n") {
		t.Errorf("letter on disk: %q, %v", b, err)
	}
	if a := s.Accepted(); !a[0].Answered || a[1].Answered {
		t.Errorf("answered: %v %v", a[0].Answered, a[1].Answered)
	}
}

// Who has read a 250 finds the letter answered, however quick they are.
func TestAnsweredIsKnownWithItsReply(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Config{LogLimit: -1, Rules: []smtptest.Rule{{At: smtptest.Answer, To: "last@x.example", Do: smtptest.Action{Drop: smtptest.DropAfter}}}})
	c := connect(t, s)
	c.say("", 220)
	c.say("EHLO x\r\n", 250)
	for n := range 300 {
		to := "kim@x.example"
		if n == 299 {
			to = "last@x.example"
		}
		c.letter(to, "Subject: x\r\n\r\nhello\r\n", 250)
		if a := s.Accepted(); !a[n].Answered {
			t.Fatalf("letter %d counts as unanswered", n)
		}
	}
}

func TestDiscardKeepsTheEnvelope(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Config{Discard: true, LogLimit: -1})
	c := connect(t, s)
	c.say("", 220)
	c.say("EHLO test\r\n", 250)
	c.letter("kim@x.example", "Subject: x\r\nMessage-Id: <1@x>\r\n\r\nMessage-ID: <no@x>\r\n", 250)
	m := s.Accepted()[0]
	if m.Data != nil || m.MessageID != "<1@x>" || m.Rcpt() != "kim@x.example" || len(s.Commands()) != 0 || s.CommandCount() != 4 {
		t.Errorf("kept %+v, %d of %d commands", m, len(s.Commands()), s.CommandCount())
	}
}

func TestALetterCanBeRead(t *testing.T) {
	t.Parallel()
	m := smtptest.Message{Data: []byte(strings.ReplaceAll(`Subject: =?UTF-8?B?7YWM7YGs?=
To: kim@x.example
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

7JWI64WV
--b
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>=EC=95=88=EB=85=95</p>
--b--
`, "\n", "\r\n"))}
	if m.Subject() != "테크" || m.Header().Get("To") != "kim@x.example" || m.Text() != "안녕" || !strings.Contains(m.HTML(), "<p>안녕</p>") {
		t.Errorf("subject %q, text %q, html %q", m.Subject(), m.Text(), m.HTML())
	}
	if parts, err := m.Parts(); err != nil || len(parts) != 2 {
		t.Errorf("%d parts, %v", len(parts), err)
	}
}
