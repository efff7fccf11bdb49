package newsletter

import (
	"regexp"
	"strings"
)

// Blame is whose fault a reply is.
type Blame string

const (
	BlameNone      Blame = ""
	BlameTransport Blame = "transport" // the relay, our account there, the way to it
	BlameIssue     Blame = "issue"     // what we wrote, or in whose name
	BlameDomain    Blame = "domain"    // the recipient's provider does not want mail of ours now
	BlameReader    Blame = "reader"    // this mailbox
	BlameLetter    Blame = "letter"    // this one copy
)

// Action is what follows for the letter.
type Action string

const (
	ActSent      Action = "sent"
	ActRetry     Action = "retry"     // back to queued after a while, attempt charged
	ActFail      Action = "fail"      // final
	ActRequeue   Action = "requeue"   // back to queued, attempt not charged; Blame says what has to wait
	ActPause     Action = "pause"     // as requeue, and the issue pauses with an alert
	ActUncertain Action = "uncertain" // may have been accepted: policy decides
)

// SuppressLater is what a reply means for later letters to the same address.
type SuppressLater string

const (
	SuppressNone   SuppressLater = ""
	SuppressHard   SuppressLater = "hard"   // at once
	SuppressUnsure SuppressLater = "unsure" // when the next issue fails alike
	SuppressSoft   SuppressLater = "soft"   // after 3 issues in a row over at least 7 days
)

// Verdict is what one reply means. When the transport is to blame, Stop halts all sending (one
// alert, one probe per 15 min), RateWords halve the rate, QuotaWords wait for the window;
// Crowded says that fewer connections would do. With none
// of the four the breaker opens.
type Verdict struct {
	Blame      Blame
	Action     Action
	Suppress   SuppressLater
	Stop       bool
	RateWords  bool
	QuotaWords bool
	Crowded    bool // too many connections at once: fewer, at the same rate
}

// Classify judges one reply by itself: whose fault, and what follows. The rule that
// outranks it (the same reply for five readers of three domains is ours) needs the
// replies before and lives with the queue.
//
// The first digit says temporary or permanent; the enhanced code says whose fault. The
// order of the questions matters: Gmail's "452 4.2.2 … over quota" is the reader's box,
// its "550 5.4.5 Daily user sending limit exceeded" is our account.
func Classify(r Reply) Verdict {
	switch {
	case r.Code >= 200 && r.Code < 300 && r.Stage == StageDot:
		return Verdict{Blame: BlameNone, Action: ActSent}
	case r.Code < 400 || r.Code > 599:
		return classifySilence(r.Stage)
	case isAuth(r):
		return Verdict{Blame: BlameTransport, Action: ActRequeue, Stop: true}
	case r.Stage == StageConnect || r.Stage == StageGreeting || r.Stage == StageEHLO ||
		r.Stage == StageTLS || r.Stage == StageAuth:
		return busy(r)
	}
	if v, ok := classifyMailbox(r); ok {
		return v
	}
	if v := busy(r); v.RateWords || v.QuotaWords || v.Crowded {
		return v
	}
	if r.Code >= 500 {
		return classifyPermanent(r)
	}
	return classifyTemporary(r)
}

// classifySilence is for a loss, a time-out or nonsense. Only after the final dot can the
// server have taken the letter.
func classifySilence(s Stage) Verdict {
	switch s {
	case StageDot:
		return Verdict{Blame: BlameLetter, Action: ActUncertain}
	case StageMail, StageRcpt, StageData, StageBody:
		return Verdict{Blame: BlameLetter, Action: ActRequeue}
	case StageCertificate:
		return Verdict{Blame: BlameTransport, Action: ActRequeue, Stop: true}
	default:
		return Verdict{Blame: BlameTransport, Action: ActRequeue}
	}
}

// isAuth: the account is not believed, at whichever command the server says so.
func isAuth(r Reply) bool {
	switch r.Code {
	case 530, 534, 535, 538:
		return true
	}
	return r.Stage == StageAuth && r.Code >= 500 || r.Stage == StageCertificate
}

// classifyMailbox takes the codes that name the reader's mailbox whatever the words say:
// enhanced x.1.x and x.2.x, 521 and 556. At MAIL they can only be about the sender, as
// x.1.7 and x.1.8 are anywhere (RFC 3463 §3.2; Postfix says 5.1.8 at RCPT).
func classifyMailbox(r Reply) (Verdict, bool) {
	subject := enhancedSubject(r.Enhanced)
	address := subject == "1" || subject == "2"
	if r.Stage == StageMail || !address && r.Code != 521 && r.Code != 556 {
		return Verdict{}, false
	}
	if strings.HasSuffix(r.Enhanced, ".1.7") || strings.HasSuffix(r.Enhanced, ".1.8") {
		if r.Code < 500 {
			return Verdict{Blame: BlameLetter, Action: ActRetry}, true
		}
		return Verdict{Blame: BlameIssue, Action: ActPause}, true
	}
	if r.Code < 500 {
		return Verdict{Blame: BlameReader, Action: ActRetry}, true
	}
	v := Verdict{Blame: BlameReader, Action: ActFail, Suppress: SuppressSoft}
	switch r.Enhanced {
	case "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1":
		v.Suppress = SuppressHard
	}
	if r.Code == 521 || r.Code == 556 {
		v.Suppress = SuppressHard
	}
	return v, true
}

func classifyPermanent(r Reply) Verdict {
	subject := enhancedSubject(r.Enhanced)
	switch r.Stage {
	case StageMail:
		return Verdict{Blame: BlameIssue, Action: ActPause}
	case StageRcpt:
		switch {
		case subject == "7":
			return Verdict{Blame: BlameDomain, Action: ActRequeue}
		case r.Enhanced == "" && (r.Code == 550 || r.Code == 551 || r.Code == 553):
			return Verdict{Blame: BlameReader, Action: ActFail, Suppress: SuppressUnsure}
		}
		return Verdict{Blame: BlameReader, Action: ActFail, Suppress: SuppressSoft}
	}
	// After RCPT was accepted a refusal is about what we wrote (SES: "554 Message
	// rejected: …"), and 5.3.4, too big, is the same for every reader of the issue.
	if subject == "7" || subject == "6" || r.Enhanced == "" || r.Enhanced == "5.3.4" {
		return Verdict{Blame: BlameIssue, Action: ActPause}
	}
	return Verdict{Blame: BlameLetter, Action: ActFail}
}

func classifyTemporary(r Reply) Verdict {
	switch {
	case r.Code == 454, r.Code == 421 && (r.Stage == StageMail || r.Stage == StageRcpt):
		return Verdict{Blame: BlameTransport, Action: ActRequeue}
	case enhancedSubject(r.Enhanced) == "7" && !greylisting.MatchString(r.Text):
		return Verdict{Blame: BlameDomain, Action: ActRequeue}
	}
	return Verdict{Blame: BlameReader, Action: ActRetry}
}

var (
	greylisting = regexp.MustCompile(`(?i)gr[ea]y-?list`) // one sender-reader pair waits, not the domain

	// Whole words: "rate" is also in "corporate" and "separate".
	rateWords  = regexp.MustCompile(`(?i)\b(throttl\w*|rate|rates|rate[- ]?limit\w*|limit|limits|limited|limiting|too many (concurrent )?(connections|sessions))\b`)
	crowdWords = regexp.MustCompile(`(?i)\b(too many|concurrent|simultaneous)\b.*\b(connections?|sessions?)\b`)
	quotaWords = regexp.MustCompile(`(?i)\b(quotas?|(daily|hourly|monthly)\b.*\blimit\w*|limit\w*\b.*\b(daily|per day)|sending (is )?paused|suspended)\b`)

	// Limits that are not our account's: how big a letter may be, how full a mailbox.
	otherLimits = regexp.MustCompile(`(?i)\b(size|too (large|big|long)|mailbox|inbox|storage|disk|over ?quota|line length|too many (hops|recipients))\b`)
)

// busy is for a relay that does not want more of us now.
func busy(r Reply) Verdict {
	rate, quota := throttling(r)
	crowded := rate && crowdWords.MatchString(r.Text)
	return Verdict{Blame: BlameTransport, Action: ActRequeue, RateWords: rate && !crowded, QuotaWords: quota, Crowded: crowded}
}

// throttling reports whether the relay asks us to go slower (rate) or to come back
// another day (quota). One of the two at most.
func throttling(r Reply) (rate, quota bool) {
	quota = r.Enhanced == "5.4.5"
	rate = r.Enhanced == "4.7.0"
	switch enhancedSubject(r.Enhanced) {
	case "", "3", "4", "5", "7":
		if !otherLimits.MatchString(r.Text) {
			quota = quota || quotaWords.MatchString(r.Text)
			rate = rate || rateWords.MatchString(r.Text)
		}
	}
	return rate && !quota, quota
}

// enhancedSubject gives the 7 of 5.7.1, "" when there is none.
func enhancedSubject(enhanced string) string {
	_, rest, _ := strings.Cut(enhanced, ".")
	subject, _, _ := strings.Cut(rest, ".")
	return subject
}
