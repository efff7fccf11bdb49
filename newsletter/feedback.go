package newsletter

import (
	"regexp"
	"strings"
	"time"
)

// FeedbackKind is what a message or a provider's notice says about a letter that has left the house.
type FeedbackKind string

const (
	BounceHard    FeedbackKind = "hard"      // there is no such reader
	BounceUnsure  FeedbackKind = "unsure"    // refused without a word about whose fault it is
	BounceSoft    FeedbackKind = "soft"      // this letter will not arrive; another one may
	BounceBlocked FeedbackKind = "blocked"   // refused for what we are or wrote: never the reader's fault
	Complaint     FeedbackKind = "complaint" // reported as spam
	FeedbackLeave FeedbackKind = "leave"     // a message to the mailto of List-Unsubscribe
	FeedbackAsk   FeedbackKind = "ask"       // an answer that begins with 수신거부
	FeedbackNone  FeedbackKind = "none"      // nothing to do: Why says what it was
)

// Bounce tells whether the letter did not arrive.
func (k FeedbackKind) Bounce() bool {
	return k == BounceHard || k == BounceUnsure || k == BounceSoft || k == BounceBlocked
}

// StageReport is the stage of what was said after a letter had been accepted: a report, not a reply.
const StageReport Stage = "report"

// Feedback is one piece of news about one letter. Whoever read it fills in what it found; TakeFeedback decides which
// letter is meant, by the envelope's token, else by the relay's id, else by the headers that came back.
type Feedback struct {
	Kind     FeedbackKind
	Why      string // of FeedbackNone: auto_reply, delayed, loop, other
	Via      string // listener, pipe, imap, ses, mailgun, postmark, sendgrid
	Once     string // a name of the notice that must not be taken twice, "" for none
	Reporter string // the server that reports
	Reply    Reply  // what the refusing server said
	At       time.Time

	Envelope   []string // addresses that may carry a token: where the report came to, whom the letter was from
	RelayIDs   []string
	MessageIDs []string // of the returned letter
	OptOut     string   // the unsubscribe token in the returned letter, or of the message itself
	Emails     []string // whom the report names
	// Proven: the provider proved itself, so what it says about an address needs no letter of ours as evidence.
	Proven bool

	Sender string // of FeedbackAsk
	Mark   string // of FeedbackAsk: names the message
	Text   string // of FeedbackAsk
}

// Outcomes of taking feedback, counted by way.
const (
	FeedbackTaken    = "taken"
	FeedbackKnown    = "known"    // told before
	FeedbackForged   = "forged"   // a token that we did not make
	FeedbackStranger = "stranger" // no letter of ours
	FeedbackGone     = "gone"     // its reader was erased
	FeedbackIgnored  = "ignored"
)

// FeedbackResult is what became of it.
type FeedbackResult struct {
	Kind     FeedbackKind `json:"kind"`
	Outcome  string       `json:"outcome"`
	Why      string       `json:"why,omitempty"`
	Delivery DeliveryID   `json:"delivery,omitempty"`
	Notice   NoticeID     `json:"notice,omitempty"`
	// Subscriber is whom the letter went to, 0 when nobody was found.
	Subscriber SubscriberID `json:"subscriber,omitempty"`
}

// BounceKind judges a final refusal that was reported later, by the table that also judges replies at RCPT. A reply
// without a code is read by its enhanced code; a status of x.0.0 says nothing (RFC 3463 §3.1).
func BounceKind(r Reply) FeedbackKind {
	if strings.HasSuffix(r.Enhanced, ".0.0") {
		r.Enhanced = ""
	}
	if r.Code < 400 || r.Code > 599 {
		r.Code = 550
		if strings.HasPrefix(r.Enhanced, "4.") {
			r.Code = 450
		}
	}
	r.Stage = StageRcpt
	v := Classify(r)
	switch {
	case v.Blame == BlameDomain || v.Blame == BlameTransport || v.Blame == BlameIssue:
		return BounceBlocked
	case r.Code < 500:
		return BounceSoft // the relay gave up trying
	case v.Suppress == SuppressHard:
		return BounceHard
	case v.Suppress == SuppressUnsure:
		return BounceUnsure
	}
	return BounceSoft
}

// RefusalKind says what a refusal on the way out meant for its reader; one of ours is BounceBlocked.
func RefusalKind(r Reply) FeedbackKind {
	switch Classify(r).Suppress {
	case SuppressHard:
		return BounceHard
	case SuppressUnsure:
		return BounceUnsure
	case SuppressSoft:
		return BounceSoft
	}
	return BounceBlocked
}

// codeAhead finds "550 5.1.1", "550-5.1.1", "#5.1.1 smtp;550 5.1.1" in a diagnostic line.
var codeAhead = regexp.MustCompile(`(?:^|[^\d.])([45]\d\d)(?:[ -]+#?([245]\.\d{1,3}\.\d{1,3}))?(?:[^\d.]|$)`)

var enhancedAhead = regexp.MustCompile(`(?:^|[^\d.])([245]\.\d{1,3}\.\d{1,3})(?:[^\d.]|$)`)

// ReportReply makes a reply of a report's diagnostic line and status. The line stays whole in Text, as the evidence.
func ReportReply(diagnostic, status string) Reply {
	r := Reply{Stage: StageReport, Text: CleanReply(diagnostic)}
	if m := codeAhead.FindStringSubmatch(r.Text); m != nil {
		r.Code = int(m[1][0]-'0')*100 + int(m[1][1]-'0')*10 + int(m[1][2]-'0')
		r.Enhanced = m[2]
	}
	if r.Enhanced == "" {
		if m := enhancedAhead.FindStringSubmatch(r.Text); m != nil && (r.Code == 0 || int(m[1][0]-'0') == r.Code/100) {
			r.Enhanced = m[1]
		}
	}
	if r.Enhanced == "" {
		if m := enhancedAhead.FindStringSubmatch(status); m != nil && !strings.HasSuffix(m[1], ".0.0") && (r.Code == 0 || int(m[1][0]-'0') == r.Code/100) {
			r.Enhanced = m[1]
		}
	}
	if r.Code == 0 && r.Enhanced == "" && strings.HasPrefix(status, "4.") {
		r.Code = 450
	}
	return r
}

// Fared is how one letter to a reader ended: Failed is "" when nothing is known against it.
type Fared struct {
	Delivery DeliveryID
	At       time.Time
	Failed   FeedbackKind
}

const (
	softInARow = 3
	softOver   = 7 * 24 * time.Hour
)

// SuppressionAfter says what a failed letter means for its address, given the letters to it, newest or oldest first,
// the failed one among them. Hard is at once; unsure when the letter beside it failed alike; soft after three issues in
// a row over at least seven days. Letters that were blocked say nothing of the reader and do not break a row.
func SuppressionAfter(failed DeliveryID, history []Fared) SuppressionReason {
	var row []Fared // the failures in a row around the letter
	var kind FeedbackKind
	for _, f := range history {
		switch {
		case f.Delivery == failed:
			kind = f.Failed
			row = append(row, f)
		case f.Failed == BounceBlocked:
		case f.Failed == "":
			if kind != "" {
				return suppressionOfRow(failed, kind, row)
			}
			row = row[:0]
		default:
			row = append(row, f)
		}
	}
	return suppressionOfRow(failed, kind, row)
}

func suppressionOfRow(failed DeliveryID, kind FeedbackKind, row []Fared) SuppressionReason {
	switch kind {
	case BounceHard:
		return SuppressedHard
	case BounceUnsure:
		for i, f := range row {
			beside := i+1 < len(row) && row[i+1].Delivery == failed || i > 0 && row[i-1].Delivery == failed
			if beside && (f.Failed == BounceUnsure || f.Failed == BounceHard) {
				return SuppressedHard
			}
		}
	case BounceSoft:
	default:
		return ""
	}
	if len(row) < softInARow {
		return ""
	}
	if row[0].At.Sub(row[len(row)-1].At).Abs() < softOver {
		return ""
	}
	return SuppressedSoft
}

// Rates at which an issue pauses by itself, of at least rateOf letters.
const (
	rateOf       = 100
	hardPerMille = 50 // 5 %
	complainPer  = 1  // 0.1 %
)

// RateSample says how many letters have to be counted to judge n bounces or complaints; 0: this one need not be judged.
// Beyond fifty only each fiftieth part more is looked at, since counting costs.
func RateSample(k FeedbackKind, n int64) int64 {
	per := int64(complainPer)
	switch k {
	case BounceHard:
		per = hardPerMille
	case Complaint:
	default:
		return 0
	}
	if step := n / 50; step > 1 && n%step != 0 {
		return 0
	}
	return max(rateOf, n*1000/per)
}

// RateExceeded tells whether n bounces or complaints of so many letters (counted up to RateSample) must pause the issue. After an
// editor went on all the same, twice as many have to come.
func RateExceeded(k FeedbackKind, n, told, letters int64) bool {
	sample := RateSample(k, n)
	return sample > 0 && letters >= rateOf && letters < sample && (told == 0 || n >= 2*told)
}
