package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"techissue/mailer"
	"techissue/newsletter"
)

// examineSMTP connects, secures the line and logs in, as the mailer does, and with --send-test sends one letter.
func (d *doctor) examineSMTP(ctx context.Context) {
	if d.cfg.relay == nil {
		return
	}
	t := *d.cfg.relay
	if t.TLS == mailer.Plaintext && !loopbackHost(t.Host) {
		d.warn(groupMail, "smtp_plain", "smtp://user:password@"+t.Host+":587 (STARTTLS) or smtps://…:465", "letters go to %s in plain text", t.Addr())
	}
	t.Timeouts.Connect, t.Timeouts.Greeting, t.Timeouts.EHLO = 10*time.Second, 10*time.Second, 10*time.Second
	t.Timeouts.TLS, t.Timeouts.Auth = 10*time.Second, 10*time.Second
	conn, err := mailer.Dial(ctx, t)
	if err != nil {
		d.fail(groupMail, "smtp", smtpFix(t, err), "%s: %v", t.String(), err)
		return
	}
	defer conn.Quit()
	login := ""
	if t.User != "" {
		login = ", logged in"
	}
	d.ok(groupMail, "smtp", "%s answers%s", t.String(), login)
	if d.sendTest != "" {
		d.probe(ctx, conn)
	}
}

// smtpFix names what to change, by the step at which it went wrong.
func smtpFix(t mailer.Transport, err error) string {
	var dial *mailer.DialError
	if !errors.As(err, &dial) {
		return "check TECHISSUE_SMTP_URL"
	}
	switch dial.Reply.Stage {
	case newsletter.StageConnect:
		return fmt.Sprintf("check host and port of TECHISSUE_SMTP_URL; many networks close port 25: try 587. By hand: nc -vz %s %d", t.Host, t.Port)
	case newsletter.StageCertificate:
		return "TECHISSUE_SMTP_URL must name the host that stands in the server's certificate"
	case newsletter.StageTLS, newsletter.StageGreeting:
		return "smtp:// is for STARTTLS (587), smtps:// for TLS from the first byte (465)"
	case newsletter.StageAuth:
		return "check user and password in TECHISSUE_SMTP_URL: special characters are written %40 for @, %3A for :, %2F for /; Gmail and Naver want an app password"
	}
	return "what the server said tells more: its administrator or the provider's console"
}

// probe sends the test letter.
func (d *doctor) probe(ctx context.Context, conn *mailer.Conn) {
	fix := "techissue doctor --send-test you@example.kr"
	to, err := newsletter.ParseAddress(d.sendTest)
	if err != nil {
		d.fail(groupMail, "send_test", fix, "%s: %v", d.sendTest, err)
		return
	}
	if d.cfg.From == "" || d.cfg.from.Address == "" {
		d.fail(groupMail, "send_test", "set TECHISSUE_FROM", "there is no sender")
		return
	}
	letter, err := mailer.Probe(d.cfg.from, to, d.cfg.ListID, d.cfg.from.Address, d.cfg.dkim, d.now().In(d.cfg.loc))
	if err != nil {
		d.fail(groupMail, "send_test", "", "%v", err)
		return
	}
	res := conn.Send(ctx, letter, func(context.Context) error { return nil })
	said := strings.TrimSpace(fmt.Sprintf("%d %s %s", res.Reply.Code, res.Reply.Enhanced, res.Reply.Text))
	if res.Outcome == newsletter.Accepted {
		d.ok(groupMail, "send_test", "the server took the letter to %s: %s. Look into the mailbox, and into its spam folder", to, said)
		return
	}
	if res.Err != nil && res.Reply.Code == 0 {
		said = res.Err.Error()
	}
	d.fail(groupMail, "send_test", "the server's words name the reason; a sender that is not verified at the provider is the most common one", "the letter to %s was not taken at %s: %s", to, res.Reply.Stage, said)
}
