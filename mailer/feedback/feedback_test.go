package feedback_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"techissue/mailer/feedback"
	"techissue/newsletter"
)

var house = feedback.House{Addresses: []string{"letter@example.kr"}, ListID: "letter.example.kr"}

// letter is what a corpus file is about.
type letter struct {
	id                             newsletter.DeliveryID
	verp, mid, relay, optOut, rcpt string
}

var sample = letter{
	verp: "b+7.aaaaaaaaaaaaaaaa@bounce.example.kr", mid: "<3.abcdefghij2345672345@letter.example.kr>", relay: "4XyQ1j5Zk2z9qP",
	optOut: "abcdef-7-0-aaaaaaaaaaaaaaaaaaaaaaaaaa", rcpt: "a@example.com",
}

// corpus reads a message as it would come: with CRLF.
func corpus(t testing.TB, name string, l letter) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("{{verp}}", l.verp, "{{mid}}", l.mid, "{{relay}}", l.relay, "{{optout}}", l.optOut, "{{rcpt}}", l.rcpt, "\n", "\r\n").Replace(string(raw))
	return []byte(text)
}

func TestCorpus(t *testing.T) {
	t.Parallel()
	const token, header, relay, optOut = "token", "header", "relay", "optout" // ways to the letter that must be found
	seen := map[string]bool{}
	for _, c := range []struct {
		file     string
		kind     newsletter.FeedbackKind
		why      string
		evidence string
		reporter string
		ways     string
	}{
		{"gmail-no-such-user", newsletter.BounceHard, "", "550-5.1.1 unnecessary spaces. For more information, go to 550 5.1.1 https", "gmail-smtp-in.l.google.example. (203.0.113.27, the server for the domain.)", "token header optout"},
		{"gmail-delayed", newsletter.FeedbackNone, "delayed", "", "googlemail.example", ""},
		{"gmail-relay-limit", newsletter.BounceBlocked, "", "5.4.5 Daily user sending limit", "googlemail.example", "header"},
		{"naver-works", newsletter.BounceHard, "", "smtp;550 5.1.1 No such user - nsmtp", "cvsmtp.worksmobile.example", "header optout"},
		{"naver-text", newsletter.BounceHard, "", "존재하지 않는 사용자입니다. (550 5.1.1 No such user)", "naver.example", "token header"},
		{"naver-full", newsletter.BounceSoft, "", "메일함 용량이 초과", "naver.example", "token"},
		{"daum-no-such-user", newsletter.BounceHard, "", "550 5.1.1 RUSR 203.0.113.5: No such user", "mx1.hanmail.example", "token header optout"},
		{"kakao-blocked", newsletter.BounceBlocked, "", "554 5.7.1 DAS51", "mx.kakao.example", "token header"},
		{"outlook-mailbox-unavailable", newsletter.BounceSoft, "", "550 5.5.0 Requested action", "DB5EUR01FT012.mail.protection.outlook.example", "token header"},
		{"exchange-online", newsletter.BounceHard, "", "5.1.10 RESOLVER.ADR.RecipientNotFound", "SL2P216MB0001.KORP216.PROD.OUTLOOK.example", "token header"},
		{"exchange-on-premises", newsletter.BounceSoft, "", "QuotaExceededException", "EXCH01.corp.example", "token header"},
		{"postfix-unknown", newsletter.BounceHard, "", "User unknown in virtual mailbox table", "mx.example.com", "token header relay"},
		{"postfix-delayed", newsletter.FeedbackNone, "delayed", "", "relay.example.net", ""},
		{"postfix-expired", newsletter.BounceSoft, "", "Connection timed out", "relay.example.net", "token header relay"},
		{"postfix-delivered", newsletter.FeedbackNone, "delivered", "", "relay.example.net", ""},
		{"ses-bounce", newsletter.BounceHard, "", "smtp; 550 5.1.1 user unknown", "a34-9.smtp-out.ap-northeast-2.amazonses.com", "token relay"},
		{"ses-complaint", newsletter.Complaint, "", "Feedback-Type: abuse, Amazon SES", "ap-northeast-2.email-abuse.amazonses.com", "token relay"},
		{"mailgun-bounce", newsletter.BounceUnsure, "", "605 Not delivering to previously bounced", "mg.example.net", "token header"},
		{"ncp-outbound-mailer", newsletter.BounceUnsure, "", "550 User unknown", "outbound.ncloud.example", "token header"},
		{"qmail", newsletter.BounceHard, "", "no mailbox here by that name. (#5.1.1)", "mx.example.com", "token header optout"},
		{"qmail-remote", newsletter.BounceUnsure, "", "550 unknown user", "relay.example.net", "token header optout"},
		{"exim", newsletter.BounceHard, "", "550 5.1.1 No such user here", "relay.example.net", "token header"},
		{"arf-redacted", newsletter.Complaint, "", "ExampleMail-Feedback/2.0", "mta.mail.example", "token header optout"},
		{"arf-not-spam", newsletter.FeedbackNone, "other", "", "", ""},
		{"outlook-jmrp", newsletter.Complaint, "", "complaint about message from 203.0.113.5", "hotmail.example", "token header"},
		{"auto-outlook", newsletter.FeedbackNone, "auto_reply", "", "", ""},
		{"auto-naver", newsletter.FeedbackNone, "auto_reply", "", "", ""},
		{"auto-vacation", newsletter.FeedbackNone, "auto_reply", "", "", ""},
		{"loop-own-letter", newsletter.FeedbackNone, "loop", "", "", ""},
		{"loop-own-notice", newsletter.FeedbackNone, "loop", "", "", ""},
		{"leave-mailto", newsletter.FeedbackLeave, "", "", "", "optout"},
		{"leave-subject", newsletter.FeedbackLeave, "", "", "", "optout"},
		{"ask-plain", newsletter.FeedbackAsk, "", "", "", ""},
		{"ask-subject", newsletter.FeedbackAsk, "", "", "", ""},
		{"ask-html", newsletter.FeedbackAsk, "", "", "", ""},
		{"ordinary-reply", newsletter.FeedbackNone, "other", "", "", ""},
		{"quoted-footer", newsletter.FeedbackNone, "other", "", "", ""},
	} {
		seen[c.file+".eml"] = true
		news := house.Judge(corpus(t, c.file, sample), feedback.Envelope{}, "pipe")
		if len(news) != 1 {
			t.Errorf("%s: %d pieces of news", c.file, len(news))
			continue
		}
		f := news[0]
		if f.Kind != c.kind || f.Why != c.why || !strings.Contains(f.Reply.Text, c.evidence) || f.Reporter != c.reporter || f.Via != "pipe" {
			t.Errorf("%s: %+v\n want %s %s %q by %q", c.file, f, c.kind, c.why, c.evidence, c.reporter)
		}
		found := map[string]bool{
			token:  slices.Contains(f.Envelope, sample.verp),
			header: slices.Contains(f.MessageIDs, sample.mid),
			relay:  slices.Contains(f.RelayIDs, sample.relay),
			optOut: f.OptOut == sample.optOut,
		}
		for way := range strings.FieldsSeq(c.ways) {
			if !found[way] {
				t.Errorf("%s does not lead to its letter by %s: %+v", c.file, way, f)
			}
		}
		if f.Kind.Bounce() && !slices.Contains(f.Emails, sample.rcpt) {
			t.Errorf("%s does not name the reader: %v", c.file, f.Emails)
		}
	}
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".eml") && !seen[f.Name()] {
			t.Errorf("nothing is expected of %s", f.Name())
		}
	}
}

func TestAskKeepsItsWords(t *testing.T) {
	t.Parallel()
	f := house.Judge(corpus(t, "ask-plain", sample), feedback.Envelope{To: []string{"letter@example.kr"}}, "imap")[0]
	if f.Sender != sample.rcpt || f.Text != "수신 거부 부탁드립니다." || f.Mark != "<ask1@mail.example>" {
		t.Errorf("asks with %+v", f)
	}
	f = house.Judge(corpus(t, "ask-plain", sample), feedback.Envelope{To: []string{sample.verp}}, "listener")[0]
	if f.Kind != newsletter.FeedbackNone {
		t.Errorf("an answer to the envelope sender is %+v", f)
	}
}

// The envelope that the listener saw outranks whatever the headers say.
func TestEnvelopeOutranksHeaders(t *testing.T) {
	t.Parallel()
	f := house.Judge(corpus(t, "postfix-unknown", sample), feedback.Envelope{FromKnown: true, To: []string{"b+8.bbbbbbbbbbbbbbbb@bounce.example.kr"}}, "listener")[0]
	if f.Envelope[0] != "b+8.bbbbbbbbbbbbbbbb@bounce.example.kr" {
		t.Errorf("the first candidate is %v", f.Envelope)
	}
}

func TestEachRecipientOfAReport(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n")
	for n := range 50 {
		fmt.Fprintf(&b, "\r\nFinal-Recipient: rfc822; r%d@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n", n)
	}
	b.WriteString("--x--\r\n")
	news := house.Judge([]byte(b.String()), feedback.Envelope{}, "pipe")
	if len(news) != 10 || news[1].Emails[0] != "r1@example.com" || news[1].Kind != newsletter.BounceHard {
		t.Errorf("%d pieces of news, the second %+v", len(news), news[1])
	}
}

// What is malformed, hostile or cut off is read as far as it goes.
func TestHostileShapes(t *testing.T) {
	t.Parallel()
	whole := corpus(t, "gmail-no-such-user", sample)
	cut := whole[:bytes.Index(whole, []byte("Last-Attempt-Date"))]
	if f := house.Judge(cut, feedback.Envelope{}, "pipe")[0]; f.Kind != newsletter.BounceHard {
		t.Errorf("a report that was cut off is %+v", f)
	}
	deep := func(levels int, wrap func(int, string) string, inner string) []byte {
		s := inner
		for n := range levels {
			s = wrap(n, s)
		}
		return []byte(s)
	}
	multipart := func(n int, s string) string {
		return fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n%s\r\n--b%d--\r\n", n, n, s, n)
	}
	status := "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n\r\nFinal-Recipient: rfc822; a@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n"
	for _, c := range []struct {
		name    string
		message []byte
		want    newsletter.FeedbackKind
	}{
		{"nothing at all", nil, newsletter.FeedbackNone},
		{"no head", []byte("\r\n\r\n"), newsletter.FeedbackNone},
		{"binary", bytes.Repeat([]byte{0, 255, '\n', ':'}, 5000), newsletter.FeedbackNone},
		{"nine levels", deep(9, multipart, status), newsletter.BounceHard},
		{"two thousand levels", deep(2_000, multipart, status), newsletter.FeedbackNone},
		{"messages in messages", deep(2_000, func(_ int, s string) string { return "Content-Type: message/rfc822\r\n\r\n" + s }, status), newsletter.FeedbackNone},
		{"a million parts", append([]byte("Content-Type: multipart/report; boundary=x\r\n\r\n"), bytes.Repeat([]byte("--x\r\n\r\n"), 140_000)...), newsletter.FeedbackNone},
		{"a hundred thousand fields", append(bytes.Repeat([]byte("A: b\r\n"), 100_000), status...), newsletter.FeedbackNone},
		{"a field of a megabyte", append(append([]byte("Subject: "), bytes.Repeat([]byte("x "), 500_000)...), "\r\n\r\n"...), newsletter.FeedbackNone},
		{"a boundary of nothing", []byte("Content-Type: multipart/report; boundary=\"\"\r\n\r\n--\r\n" + status + "\r\n----\r\n"), newsletter.FeedbackNone},
		{"a status with no fields", []byte("Content-Type: message/delivery-status\r\n\r\n\r\n\r\n\r\n"), newsletter.FeedbackNone},
		{"a status without an action", []byte(strings.Replace(status, "Action: failed\r\n", "", 1)), newsletter.BounceHard},
		{"broken base64", []byte("From: mailer-daemon@a.example\r\nSubject: failure notice\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!"), newsletter.BounceUnsure},
	} {
		if f := house.Judge(c.message, feedback.Envelope{}, "pipe")[0]; f.Kind != c.want {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

func TestReadMessageIsBounded(t *testing.T) {
	t.Parallel()
	src := &endless{left: 50 << 20}
	head, err := feedback.ReadMessage(src)
	if err != nil || len(head) != feedback.MaxRead || src.left != 0 {
		t.Errorf("read %d bytes, %d left, %v", len(head), src.left, err)
	}
}

type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	for i := range p[:n] {
		p[i] = 'x'
	}
	e.left -= n
	return n, nil
}

func FuzzJudge(f *testing.F) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		f.Add(corpus(f, strings.TrimSuffix(filepath.Base(name), ".eml"), sample), true)
	}
	f.Fuzz(func(t *testing.T, message []byte, null bool) {
		news := house.Judge(message, feedback.Envelope{FromKnown: null}, "pipe")
		if len(news) == 0 || len(news) > 10 {
			t.Fatalf("%d pieces of news", len(news))
		}
		for _, n := range news {
			switch {
			case n.Kind == "" || n.Kind == newsletter.FeedbackNone && n.Why == "":
				t.Fatalf("says nothing: %+v", n)
			case len(n.Reply.Text) > newsletter.MaxReplyText || strings.ContainsAny(n.Reply.Text, "\r\n\x00"):
				t.Fatalf("evidence is not harmless: %q", n.Reply.Text)
			case len(n.Emails) > 8 || len(n.MessageIDs) > 5 || len(n.RelayIDs) > 5 || len(n.Envelope) > 40:
				t.Fatalf("too much to look up: %+v", n)
			case n.Kind == newsletter.FeedbackAsk && n.Sender == "":
				t.Fatalf("asks without a sender: %+v", n)
			}
		}
	})
}
