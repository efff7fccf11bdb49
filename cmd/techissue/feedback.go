package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"techissue/handlers"
	"techissue/mailer/feedback"
	"techissue/newsletter"
	"techissue/outbound"
)

// intake takes messages in for this house.
func (a *app) intake() feedback.Intake {
	return feedback.Intake{Taker: a.svc, House: func(ctx context.Context) (feedback.House, error) {
		h, err := a.svc.House(ctx)
		return feedback.House{Addresses: []string{h.From, h.ReplyTo}, ListID: h.ListID}, err
	}}
}

// judgeFeedback checks the ways by which bounces come.
func (c *Config) judgeFeedback() (faults settingFaults) {
	if c.BounceListen != "" {
		a, err := feedback.ParseAddress(c.BounceListen)
		if err != nil {
			faults = append(faults, settingFault{prefix + "BOUNCE_LISTEN", err.Error(), "0.0.0.0:25, or /run/techissue/bounce.sock"})
		} else {
			c.bounce = &a
		}
	}
	if c.FeedbackIMAPURL != "" {
		m, err := feedback.ParseMailbox(c.FeedbackIMAPURL)
		if err != nil {
			faults = append(faults, settingFault{prefix + "FEEDBACK_IMAP_URL", err.Error(), "imaps://letter%40example.kr:password@imap.example.kr/INBOX"})
		} else {
			c.inbox = &m
		}
	}
	for t := range strings.SplitSeq(c.FeedbackToken, ",") {
		if t = strings.TrimSpace(t); t == "" {
			continue
		}
		if len(t) < 16 || strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/?#%\\", r) }) {
			faults = append(faults, settingFault{prefix + "FEEDBACK_TOKEN", "is shorter than 16 characters, or does not fit into an address", "$(openssl rand -hex 24)"})
			break
		}
		c.tokens = append(c.tokens, t)
	}
	if c.SendGridKey != "" {
		key, err := feedback.ParseSendGridKey(c.SendGridKey)
		if err != nil {
			faults = append(faults, settingFault{prefix + "FEEDBACK_SENDGRID_KEY", err.Error(), "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE…"})
		}
		c.events = key
	}
	return faults
}

// relays are the hosts of the providers that tell by notices.
var relays = map[string]string{"ses": "amazonaws.com", "mailgun": "mailgun.org", "postmark": "postmarkapp.com", "sendgrid": "sendgrid.net"}

// feedbackWays are the ways of feedback that the settings name. A token alone is none: it counts with the provider through which
// letters leave, or when something came by it (feedbackDoors).
func (c *Config) feedbackWays() (ways []string) {
	if c.bounce != nil {
		ways = append(ways, "listener")
	}
	if c.inbox != nil {
		ways = append(ways, "imap")
	}
	for _, name := range feedback.Providers {
		if c.relay != nil && c.opensTo(name) && strings.HasSuffix(c.relay.Host, "."+relays[name]) {
			ways = append(ways, name)
		}
	}
	return ways
}

// opensTo tells whether a provider's notices can be taken.
func (c *Config) opensTo(provider string) bool {
	return len(c.tokens) > 0 && (provider != "mailgun" || c.MailgunKey != "") && (provider != "sendgrid" || c.events != nil)
}

// mailLeave is where a mailto in the letters would be read, "" when nowhere: a pipe shows only by what it brings.
func (c *Config) mailLeave() string {
	switch {
	case c.bounce != nil && c.BounceDomain != "":
		return c.BounceDomain
	case c.inbox == nil:
		return ""
	case strings.EqualFold(c.inbox.User, c.ReplyTo):
		return c.ReplyTo
	}
	return c.from.Address // the polled mailbox is the sender's
}

// feedbackDoors are the ways that count when something came by them lately.
func (c *Config) feedbackDoors() []string {
	doors := []string{"pipe"}
	for _, name := range feedback.Providers {
		if c.opensTo(name) {
			doors = append(doors, name)
		}
	}
	return doors
}

// hook takes providers' notices, nil without a token.
func (a *app) hook() handlers.FeedbackHook {
	if len(a.cfg.tokens) == 0 {
		return nil
	}
	out := outbound.New(outbound.Options{Agent: "techissue"})
	h := &feedback.Hooks{
		Intake: a.intake(), Store: a.svc, Now: now, Log: a.log, Tokens: a.cfg.tokens, Mailgun: a.cfg.MailgunKey, SendGrid: a.cfg.events,
		Fetch: func(ctx context.Context, url string) ([]byte, error) { return out.Get(ctx, url, 64<<10) },
	}
	return h.Take
}

// receive starts the ways of feedback that this process keeps.
func (a *app) receive(parts *parts) error {
	if a.cfg.bounce != nil {
		at, err := a.cfg.bounce.Listen()
		if err != nil {
			return &exitError{code: exitConfig, err: fmt.Errorf("TECHISSUE_BOUNCE_LISTEN: %w", err)}
		}
		l := feedback.Listener{Intake: a.intake(), Domain: a.cfg.BounceDomain, LMTP: a.cfg.bounce.LMTP, Log: a.log}
		parts.run("bounce listener", func(ctx context.Context) error { return l.Serve(ctx, at) })
	}
	if a.cfg.inbox != nil {
		p := feedback.Poller{Mailbox: *a.cfg.inbox, Intake: a.intake(), Bookmark: a.svc, Now: now, Log: a.log}
		parts.run("feedback mailbox", p.Run)
	}
	return nil
}

// exTempFail is EX_TEMPFAIL of sysexits.h: a mail server keeps the message and comes again. By any other code but 0 it would
// return the message, and a report that is returned has nobody to go to.
const exTempFail = 75

func (c *cli) bounce() *cobra.Command {
	var mta bool
	var sender string
	var rcpt []string
	cmd := &cobra.Command{
		Use: "bounce < message", Short: "Take one bounce, complaint or reply from standard input", Args: cobra.NoArgs,
		Long: "Reads one message and learns from it who is gone. Made for a mail server's pipe; works beside a running serve.\n" +
			"What cannot be understood or is not ours is counted and is no failure. With --mta (or when Postfix or Exim calls it)\n" +
			"every failure is exit 75, so that the mail server comes again; otherwise 1, or 3 when the settings are invalid.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			env := pipeEnvelope(os.LookupEnv)
			mta = mta || env.FromKnown || len(env.To) > 0
			if cmd.Flags().Changed("sender") {
				env.From, env.FromKnown = strings.Trim(sender, "<>"), true
			}
			if len(rcpt) > 0 {
				env.To = rcpt
			}
			err := c.takeBounce(cmd, env)
			if err != nil && mta {
				return &exitError{code: exTempFail, err: err}
			}
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&mta, "mta", false, "a mail server calls: every failure is exit 75 (come again)")
	f.StringVar(&sender, "sender", "", "envelope sender; empty is the null sender")
	f.StringArrayVar(&rcpt, "recipient", nil, "envelope recipient, may be repeated")
	return cmd
}

// pipeEnvelope is what Postfix's local(8) and Exim's pipe transport put into the environment.
func pipeEnvelope(lookup func(string) (string, bool)) (env feedback.Envelope) {
	for _, name := range []string{"ORIGINAL_RECIPIENT", "RECIPIENT"} {
		if v, _ := lookup(name); strings.Contains(v, "@") {
			env.To = []string{v}
			env.From, env.FromKnown = lookup("SENDER")
			break
		}
	}
	return env
}

func (c *cli) takeBounce(cmd *cobra.Command, env feedback.Envelope) error {
	if terminalIn() {
		return usage("bounce reads a message: techissue bounce < message")
	}
	message, err := feedback.ReadMessage(os.Stdin)
	if err != nil {
		return fmt.Errorf("read the message: %w", err)
	}
	if len(message) == 0 {
		return usage("nothing on standard input: techissue bounce < message")
	}
	a, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer a.close()
	results, err := a.intake().Message(cmd.Context(), message, env, "pipe")
	if err != nil {
		return err
	}
	return c.print(results, func() { tellResults(os.Stdout, results) })
}

func tellResults(w io.Writer, results []newsletter.FeedbackResult) {
	for _, r := range results {
		line := r.Outcome + " " + string(r.Kind)
		if r.Why != "" {
			line += " (" + r.Why + ")"
		}
		if r.Delivery != 0 {
			line += fmt.Sprintf(" delivery %d", r.Delivery)
		}
		if r.Notice != 0 {
			line += fmt.Sprintf(" single letter %d", r.Notice)
		}
		fmt.Fprintln(w, line)
	}
}
