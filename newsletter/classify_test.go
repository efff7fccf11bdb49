package newsletter_test

import (
	"testing"

	"techissue/newsletter"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	type verdict = newsletter.Verdict
	var (
		sent      = verdict{Action: newsletter.ActSent}
		breaker   = verdict{Blame: newsletter.BlameTransport, Action: newsletter.ActRequeue}
		stop      = verdict{Blame: newsletter.BlameTransport, Action: newsletter.ActRequeue, Stop: true}
		rate      = verdict{Blame: newsletter.BlameTransport, Action: newsletter.ActRequeue, RateWords: true}
		crowded   = verdict{Blame: newsletter.BlameTransport, Action: newsletter.ActRequeue, Crowded: true}
		quota     = verdict{Blame: newsletter.BlameTransport, Action: newsletter.ActRequeue, QuotaWords: true}
		issue     = verdict{Blame: newsletter.BlameIssue, Action: newsletter.ActPause}
		domain    = verdict{Blame: newsletter.BlameDomain, Action: newsletter.ActRequeue}
		later     = verdict{Blame: newsletter.BlameReader, Action: newsletter.ActRetry}
		hard      = verdict{Blame: newsletter.BlameReader, Action: newsletter.ActFail, Suppress: newsletter.SuppressHard}
		unsure    = verdict{Blame: newsletter.BlameReader, Action: newsletter.ActFail, Suppress: newsletter.SuppressUnsure}
		soft      = verdict{Blame: newsletter.BlameReader, Action: newsletter.ActFail, Suppress: newsletter.SuppressSoft}
		again     = verdict{Blame: newsletter.BlameLetter, Action: newsletter.ActRequeue}
		uncertain = verdict{Blame: newsletter.BlameLetter, Action: newsletter.ActUncertain}
		fail      = verdict{Blame: newsletter.BlameLetter, Action: newsletter.ActFail}
		retry     = verdict{Blame: newsletter.BlameLetter, Action: newsletter.ActRetry}
	)
	const (
		connect  = newsletter.StageConnect
		greeting = newsletter.StageGreeting
		ehlo     = newsletter.StageEHLO
		tls      = newsletter.StageTLS
		auth     = newsletter.StageAuth
		mail     = newsletter.StageMail
		rcpt     = newsletter.StageRcpt
		data     = newsletter.StageData
		body     = newsletter.StageBody
		dot      = newsletter.StageDot
	)
	tests := []struct {
		stage newsletter.Stage
		code  int
		text  string
		want  verdict
	}{
		{dot, 250, "2.0.0 Ok: queued as 4XYZ", sent},
		{dot, 251, "will forward", sent},

		// Silence: only behind the final dot is there doubt.
		{connect, 0, "connection refused", breaker},
		{greeting, 0, "time-out", breaker},
		{ehlo, 0, "too long", breaker},
		{tls, 0, "server does not offer STARTTLS", breaker},
		{newsletter.StageCertificate, 0, "certificate is valid for a, not b", stop},
		{auth, 0, "EOF", breaker},
		{mail, 0, "EOF", again},
		{rcpt, 0, "EOF", again},
		{data, 0, "EOF", again},
		{data, 250, "nonsense: 354 was due", again},
		{body, 0, "broken pipe", again},
		{dot, 0, "EOF", uncertain},
		{dot, 354, "nonsense", uncertain},
		{dot, 600, "nonsense", uncertain},
		{dot, 199, "nonsense", uncertain},

		// The account.
		{auth, 535, "5.7.8 bad credentials", stop},
		{auth, 534, "5.7.9 use an app password", stop},
		{auth, 504, "mechanism?", stop},
		{mail, 530, "5.7.0 Must issue a STARTTLS command first", stop},
		{rcpt, 530, "5.7.1 Authentication required", stop},
		{dot, 535, "", stop},
		{auth, 454, "4.7.0 Temporary authentication failure", rate},
		{auth, 451, "try later", breaker},

		// The way there.
		{greeting, 554, "5.7.1 no service for you", breaker},
		{greeting, 421, "4.3.2 shutting down", breaker},
		{greeting, 421, "too many connections", crowded},
		{ehlo, 550, "", breaker},
		{tls, 454, "4.7.1 TLS not available", breaker},
		{mail, 421, "closing", breaker},
		{rcpt, 421, "4.3.0 closing", breaker},
		{rcpt, 454, "4.3.0 temporary", breaker},

		// Limits of our account.
		{dot, 454, "Throttling failure: Maximum sending rate exceeded.", rate},
		{dot, 454, "Throttling failure: Daily message quota exceeded.", quota},
		{dot, 550, "5.4.5 Daily user sending limit exceeded", quota},
		{rcpt, 550, "5.4.5 Daily user sending quota exceeded", quota},
		{mail, 421, "4.7.0 Try again later", rate},
		{rcpt, 450, "4.7.0 slow down", rate},
		{rcpt, 452, "4.3.2 rate limited", rate},
		{dot, 554, "Sending paused for this account", quota},
		{mail, 550, "account suspended", quota},
		{rcpt, 550, "5.7.1 hourly sending limit reached", quota},
		{rcpt, 451, "too many connections from your host", crowded},

		// The reader's mailbox, whatever the words say.
		{rcpt, 452, "4.2.2 The recipient's inbox is over quota", later},
		{rcpt, 450, "4.2.1 The user is receiving mail at a rate that prevents delivery", later},
		{rcpt, 550, "5.1.1 no such user", hard},
		{rcpt, 550, "5.1.2 bad domain", hard},
		{rcpt, 553, "5.1.3 bad syntax", hard},
		{rcpt, 550, "5.1.6 moved", hard},
		{rcpt, 556, "5.1.10 null MX", hard},
		{dot, 550, "5.1.1 no such user", hard},
		{rcpt, 550, "5.2.1 disabled", hard},
		{rcpt, 521, "does not accept mail", hard},
		{rcpt, 556, "domain does not accept mail", hard},
		{rcpt, 552, "5.2.2 mailbox full", soft},
		{dot, 552, "5.2.2 mailbox full", soft},
		{rcpt, 552, "mailbox over quota", soft},
		{rcpt, 550, "5.1.0 address rejected", soft},
		{rcpt, 554, "5.5.0 no", soft},
		{rcpt, 550, "User unknown", unsure},
		{rcpt, 551, "not local", unsure},
		{rcpt, 553, "not allowed", unsure},
		{rcpt, 554, "go away", soft},
		{rcpt, 450, "mailbox busy", later},
		{rcpt, 451, "local error", later},
		{rcpt, 452, "too many recipients", later},
		{rcpt, 450, "4.2.0 Greylisted", later},
		{rcpt, 451, "4.7.1 Greylisting in action", later},
		{dot, 451, "4.3.0 try later", later},
		{dot, 421, "closing", later},
		{rcpt, 452, "4.3.1 insufficient system storage", later},
		{rcpt, 450, "the corporate server will operate later", later},

		// Our letter, or the name it goes out in.
		{mail, 550, "5.1.8 sender unknown", issue},
		{mail, 553, "5.7.1 not owned", issue},
		{mail, 552, "5.3.4 message size exceeds fixed limit", issue},
		{rcpt, 550, "5.1.8 sender domain not found", issue},
		{rcpt, 450, "4.1.8 sender domain not found", retry},
		{data, 554, "Message rejected: Email address is not verified.", issue},
		{dot, 554, "Message rejected", issue},
		{dot, 550, "5.7.1 looks like spam", issue},
		{dot, 554, "5.6.0 malformed", issue},
		{dot, 552, "5.3.4 message size exceeds fixed limit", issue},
		{dot, 552, "message exceeds size limit", issue},
		{dot, 554, "5.3.0 internal", fail},

		// The reader's provider.
		{rcpt, 550, "5.7.1 blocked by policy", domain},
		{rcpt, 451, "4.7.1 reputation", domain},
		{dot, 450, "4.7.26 unauthenticated", domain},
	}
	for _, tt := range tests {
		r := newsletter.NewReply(tt.stage, tt.code, tt.text)
		if got := newsletter.Classify(r); got != tt.want {
			t.Errorf("Classify(%s %d %q) =\n %+v, want\n %+v", tt.stage, tt.code, tt.text, got, tt.want)
		}
	}
}
