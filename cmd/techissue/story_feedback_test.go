package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/smtp"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"techissue/mailer/smtptest"
)

// bouncing is a house whose letters carry signed envelope senders, with an issue of n readers sent.
func bouncing(t *testing.T, n int, env ...string) *house {
	t.Helper()
	h := newHouse(t, smtptest.Config{}, append(env, "TECHISSUE_BOUNCE_DOMAIN=bounce.example.kr")...)
	h.first(n)
	return h
}

// sent waits for the letters of the first issue, by reader.
func (h *house) sent(n int) map[string]smtptest.Message {
	h.t.Helper()
	letters := map[string]smtptest.Message{}
	h.until("the letters are out", func() bool {
		for _, m := range h.smtp.Accepted() {
			if m.Subject() == "첫 호" {
				letters[m.Rcpt()] = m
			}
		}
		return len(letters) == n
	})
	h.until("they are settled", func() bool { return h.counts(1)["state"] == "done" })
	return letters
}

// postfixReport is what a relay's Postfix sends back about a letter that it took.
func postfixReport(m smtptest.Message, to, status, said string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Return-Path: <>\nTo: %s\nFrom: MAILER-DAEMON@relay.example.net (Mail Delivery System)\n", to)
	b.WriteString("Subject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n")
	b.WriteString("Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"4XyQ/relay\"\n\n")
	b.WriteString("--4XyQ/relay\nContent-Type: text/plain; charset=us-ascii\n\nI'm sorry to have to inform you …\n\n")
	fmt.Fprintf(&b, "--4XyQ/relay\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; relay.example.net\nX-Postfix-Queue-ID: %s\n\n", m.QueueID())
	fmt.Fprintf(&b, "Final-Recipient: rfc822; %s\nAction: failed\nStatus: %s\nRemote-MTA: dns; mx.example.com\nDiagnostic-Code: smtp; %s\n\n", m.Rcpt(), status, said)
	head, _, _ := bytes.Cut(m.Data, []byte("\r\n\r\n"))
	fmt.Fprintf(&b, "--4XyQ/relay\nContent-Type: text/rfc822-headers\n\nReturn-Path: <%s>\n%s\n\n--4XyQ/relay--\n", m.From, strings.ReplaceAll(string(head), "\r\n", "\n"))
	return b.String()
}

// pipe gives a message to `techissue bounce`.
func (h *house) pipe(want int, message io.Reader, args ...string) string {
	h.t.Helper()
	cmd := exec.Command(h.bin, append([]string{"bounce"}, args...)...)
	cmd.Env, cmd.Dir, cmd.Stdin = h.env, h.data, message
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, _ := cmd.Output()
	h.said.Write(stderr.Bytes())
	if got := cmd.ProcessState.ExitCode(); got != want {
		h.t.Fatalf("bounce %v: exit %d, want %d\n%s%s", args, got, want, out, &stderr)
	}
	return strings.TrimSpace(string(out)) + stderr.String()
}

// suppressed tells why addresses are suppressed, as the command line says.
func (h *house) suppressed() map[string]string {
	h.t.Helper()
	var rows []struct{ Email, Reason, Evidence string }
	if err := json.Unmarshal([]byte(h.run(0, "suppress", "list", "--json")), &rows); err != nil {
		h.t.Fatal(err)
	}
	all := map[string]string{}
	for _, r := range rows {
		all[r.Email] = r.Reason + ": " + r.Evidence
	}
	return all
}

const gone = "550 5.1.1 <nobody>: user unknown"

// A mail server pipes what comes back into the program, beside a running server.
func TestStoryOfAPipe(t *testing.T) {
	t.Parallel()
	h := bouncing(t, 4)
	server := h.serve()
	h.run(0, "issue", "send", "1")
	letters := h.sent(4)
	r0, r1 := letters["reader0@mail0.example"], letters["reader1@mail1.example"]
	if !strings.HasPrefix(r0.From, "b+") || !strings.HasSuffix(r0.From, "@bounce.example.kr") || r0.From == r1.From {
		t.Fatalf("envelope senders are %s and %s", r0.From, r1.From)
	}
	report := postfixReport(r0, r0.From, "5.1.1", gone)
	for _, c := range []struct {
		name, message, want string
		args                []string
	}{
		{"a bounce", report, "taken hard delivery", nil},
		{"the same once more", report, "known hard delivery", nil},
		{"a forged token", strings.ReplaceAll(postfixReport(r1, r1.From, "5.1.1", gone), r1.From, "b+2.aaaaaaaaaaaaaaaa@bounce.example.kr"), "forged hard", nil},
		{"a full mailbox, with the envelope on the command line", postfixReport(r1, "letter@example.kr", "5.2.2", "552 5.2.2 mailbox full"), "taken soft delivery", []string{"--sender", "<>", "--recipient", r1.From}},
		{"an answer by a program", "From: reader2@mail2.example\nTo: letter@example.kr\nAuto-Submitted: auto-replied\nSubject: 부재중\n\n휴가입니다.\n", "ignored none (auto_reply)", nil},
		{"something", "hello\n", "ignored none (other)", nil},
	} {
		if out := h.pipe(0, strings.NewReader(c.message), c.args...); !strings.HasPrefix(out, c.want) {
			t.Errorf("%s: %q, want %q", c.name, out, c.want)
		}
	}
	got := h.suppressed()
	if len(got) != 1 || !strings.HasPrefix(got["reader0@mail0.example"], "hard: 1호: mx.example.com: ") {
		t.Errorf("suppressed are %v", got)
	}
	if lines := readFile(t, h.data+"/leavers.log"); strings.Count(lines, " suppressed\n") != 1 {
		t.Errorf("leavers.log says %q", lines)
	}
	// 50 MB are read and forgotten; the report stands at the beginning.
	r3 := letters["reader3@mail3.example"]
	big := io.MultiReader(strings.NewReader(postfixReport(r3, r3.From, "5.1.1", gone)), io.LimitReader(zeros{}, 50<<20))
	if out := h.pipe(0, big); !strings.HasPrefix(out, "taken hard delivery") {
		t.Errorf("a bounce of 50 MB: %s", out)
	}
	h.stop(server)
	if out := h.pipe(0, strings.NewReader(report), "--json"); !strings.Contains(out, `"outcome": "known"`) {
		t.Errorf("without a server: %s", out)
	}
}

// A mail server must come again, whatever is wrong here: a report that it returns has nobody to go to.
func TestAPipeThatFails(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.pipe(2, strings.NewReader(""))
	h.env = append(h.env, "TECHISSUE_UNCERTAIN=perhaps")
	h.pipe(3, strings.NewReader("hello\n"))
	h.pipe(75, strings.NewReader("hello\n"), "--mta")
	h.env = append(h.env, "ORIGINAL_RECIPIENT=b+1.aaaaaaaaaaaaaaaa@bounce.example.kr", "SENDER=")
	h.pipe(75, strings.NewReader("hello\n"))
}

// The server listens for what comes back, and ends cleanly.
func TestStoryOfAListener(t *testing.T) {
	t.Parallel()
	at := freePort(t)
	h := bouncing(t, 3, "TECHISSUE_BOUNCE_LISTEN="+at)
	server := h.serve()
	second := &house{t: t, bin: h.bin, data: t.TempDir(), said: &talk{}}
	second.env = append(slices.Clone(h.env), "TECHISSUE_DATA="+second.data, "TECHISSUE_ADDR="+freePort(t))
	if out := second.run(3, "serve"); !strings.Contains(out, "TECHISSUE_BOUNCE_LISTEN: ") {
		t.Errorf("a busy port is told as %s", out)
	}
	h.run(0, "issue", "send", "1")
	m := h.sent(3)["reader1@mail1.example"]
	report := strings.ReplaceAll(postfixReport(m, m.From, "5.1.1", gone), "\n", "\r\n")
	if err := smtp.SendMail(at, nil, "", []string{m.From}, []byte(report)); err != nil {
		t.Fatal(err)
	}
	if got := h.suppressed(); len(got) != 1 || !strings.HasPrefix(got[m.Rcpt()], "hard: ") {
		t.Errorf("suppressed are %v", got)
	}
	if err := smtp.SendMail(at, nil, "", []string{"stranger@example.com"}, []byte(report)); err == nil {
		t.Error("something was relayed")
	}
	h.stop(server)
	h.env = append(h.env, "TECHISSUE_BOUNCE_LISTEN=everywhere")
	h.run(3, "serve")
}

// Whom the queue itself finds gone stands in leavers.log, so that yesterday's backup does not write to them.
func TestStoryOfARefusalInTheQueue(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{Rules: smtptest.HardBounce("reader1@mail1.example")})
	h.first(3)
	h.run(4, "issue", "send", "1", "--wait")
	if got := h.suppressed(); len(got) != 1 || !strings.HasPrefix(got["reader1@mail1.example"], "hard: ") {
		t.Errorf("suppressed are %v", got)
	}
	if lines := readFile(t, h.data+"/leavers.log"); strings.Count(lines, " suppressed\n") != 1 {
		t.Errorf("leavers.log says %q", lines)
	}
}

// A provider posts what came back. Its secret opens, and stands in no log.
func TestStoryOfANotice(t *testing.T) {
	t.Parallel()
	const secret = "f00dfacef00dfacef00dface"
	h := bouncing(t, 3, "TECHISSUE_FEEDBACK_TOKEN="+secret, "TECHISSUE_LOG_LEVEL=debug")
	server := h.serve()
	h.run(0, "issue", "send", "1")
	m := h.sent(3)["reader2@mail2.example"]
	post := func(path string) int {
		notice := fmt.Sprintf(`{"RecordType":"Bounce","ID":1,"Type":"HardBounce","MessageID":%q,"Details":"smtp;550 5.1.1 no such user","Email":%q}`, m.QueueID(), m.Rcpt())
		res, err := http.Post(h.base+path, "application/json", strings.NewReader(notice))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if code := post("/hooks/feedback/postmark/" + secret + "0"); code != 404 {
		t.Errorf("a wrong secret: %d", code)
	}
	for range 2 {
		if code := post("/hooks/feedback/postmark/" + secret); code != 200 {
			t.Errorf("a notice: %d", code)
		}
	}
	if got := h.suppressed(); len(got) != 1 || !strings.HasPrefix(got[m.Rcpt()], "hard: 1호: ") {
		t.Errorf("suppressed are %v", got)
	}
	h.stop(server)
	if strings.Contains(h.said.String(), secret) {
		t.Error("the secret is told")
	}
	h.env = append(h.env, "TECHISSUE_FEEDBACK_TOKEN=short", "TECHISSUE_FEEDBACK_SENDGRID_KEY=none")
	if out := h.run(1, "doctor"); !strings.Contains(out, "FEEDBACK_TOKEN") || !strings.Contains(out, "FEEDBACK_SENDGRID_KEY") {
		t.Errorf("doctor says %s", out)
	}
}

// The server reads the sender's mailbox.
func TestStoryOfAMailbox(t *testing.T) {
	t.Parallel()
	store := imapmemserver.New()
	user := imapmemserver.NewUser("letter@example.kr", "s3cret words")
	if err := user.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	store.AddUser(user)
	post := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return store.NewSession(), nil, nil
		},
		Logger: log.New(io.Discard, "", 0), InsecureAuth: true,
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = post.Serve(l) }()
	defer post.Close()
	h := bouncing(t, 3, "TECHISSUE_FEEDBACK_IMAP_URL=imap+insecure://letter%40example.kr:s3cret%20words@"+l.Addr().String()+"/INBOX?every=10s", "TECHISSUE_LOG_LEVEL=debug")
	server := h.serve()
	h.run(0, "issue", "send", "1")
	m := h.sent(3)["reader2@mail2.example"]
	report := []byte(strings.ReplaceAll(postfixReport(m, "letter@example.kr", "5.1.1", gone), "\n", "\r\n"))
	if _, err := user.Append("INBOX", sized{bytes.NewReader(report)}, &imap.AppendOptions{Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	h.until("the bounce is read", func() bool { return strings.HasPrefix(h.suppressed()[m.Rcpt()], "hard: ") })
	h.stop(server)
	if said := h.said.String(); strings.Contains(said, "s3cret") {
		t.Errorf("the password is told:\n%s", said)
	}
}

type sized struct{ *bytes.Reader }

func (s sized) Size() int64 { return s.Reader.Size() }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
