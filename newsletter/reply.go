package newsletter

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Stage is how far a conversation with a mail server had come.
type Stage string

const (
	StageConnect     Stage = "connect"
	StageGreeting    Stage = "greeting"
	StageEHLO        Stage = "ehlo"
	StageTLS         Stage = "tls"
	StageCertificate Stage = "certificate" // the server could not prove its name: a person's business, not a breaker's
	StageAuth        Stage = "auth"
	StageMail        Stage = "mail"
	StageRcpt        Stage = "rcpt"
	StageData        Stage = "data"
	StageBody        Stage = "body" // 354 was read, the final dot has not left
	StageDot         Stage = "dot"  // the final dot has left: from here silence means doubt
)

// Reply is what a server said, and when. Code is 0 when nothing usable came: a loss, a
// time-out or nonsense, which Text then describes. Text is harmless: see CleanReply.
type Reply struct {
	Stage    Stage
	Code     int
	Enhanced string // RFC 3463, "5.1.1"; "" when the server gave none
	Text     string
}

// Outcome is all that one attempt to hand over a letter can have led to.
type Outcome string

const (
	NotHanded   Outcome = "not_handed"   // nothing of it can have been accepted, and no reply condemns it
	Accepted    Outcome = "accepted"     // 2xx after the final dot
	Refused     Outcome = "refused"      // 4xx or 5xx: the server will not deliver this copy
	InDoubt     Outcome = "in_doubt"     // the final dot may have arrived, its answer did not
	GateRefused Outcome = "gate_refused" // the gate said no before DATA
)

// MaxReplyText bounds, in bytes, what we keep of a server's words.
const MaxReplyText = 512

// NewReply makes a Reply of a code and the text behind it, which may be hostile.
func NewReply(stage Stage, code int, text string) Reply {
	enhanced, rest := ParseEnhanced(code, text)
	return Reply{Stage: stage, Code: code, Enhanced: enhanced, Text: CleanReply(rest)}
}

// ParseEnhanced splits "5.1.1 no such user" into "5.1.1" and the words. A status whose
// class contradicts the code's first digit is no status (RFC 2034 §4) and stays in the text.
func ParseEnhanced(code int, text string) (enhanced, rest string) {
	word, tail, _ := strings.Cut(text, " ")
	if line, more, ok := strings.Cut(word, "\n"); ok { // "5.1.1\nmore" has no words on its first line
		word, tail = line, more+" "+tail
	}
	parts := strings.Split(word, ".")
	if len(parts) != 3 || len(parts[0]) != 1 || int(parts[0][0]-'0') != code/100 {
		return "", text
	}
	for _, p := range parts[1:] {
		if len(p) == 0 || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return "", text
		}
	}
	return word, strings.TrimSpace(tail)
}

// CleanReply makes a server's words safe to store, log and print: valid UTF-8, one line,
// no control or direction-changing characters, at most MaxReplyText bytes. Escaping for
// HTML stays the page's business.
func CleanReply(text string) string {
	var b strings.Builder
	space := true // drops leading blanks and folds runs of them
	for _, r := range text {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == ' ' || r == '\u2028' || r == '\u2029':
			if space {
				continue
			}
			space, r = true, ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0, // C0, DEL, C1: terminals obey them
			r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff:
			continue
		default:
			space = false
		}
		if b.Len()+utf8.RuneLen(r) > MaxReplyText {
			break
		}
		b.WriteRune(r) // a broken byte arrives here as U+FFFD
	}
	return strings.TrimRight(b.String(), " ")
}

// RelayID finds the id a relay gave a letter in the words of its 2xx: "Ok: queued as
// 4XyZ" (Postfix), "OK id=1a-b" (Exim), "Ok 0106…-000000" (Amazon SES), "OK 17… d944… - gsmtp"
// (Gmail). It returns "" rather than a common word.
func RelayID(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if id, ok := strings.CutPrefix(strings.ToLower(w), "id="); ok && id != "" {
			return trimID(w[len("id="):])
		}
		if strings.EqualFold(w, "as") && i > 0 && strings.EqualFold(words[i-1], "queued") && i+1 < len(words) {
			return trimID(words[i+1])
		}
	}
	if len(words) >= 2 && strings.EqualFold(strings.TrimRight(words[0], ":,"), "ok") {
		if words[len(words)-1] == "gsmtp" && len(words) > 2 { // a Unix time comes first, shared by many
			return trimID(words[2])
		}
		if id := trimID(words[1]); len(id) >= 8 && strings.ContainsAny(id, "0123456789") {
			return id
		}
	}
	return ""
}

func trimID(s string) string {
	s = strings.Trim(s, "<>()[],;:\"'")
	return strings.ToValidUTF8(s[:min(len(s), 200)], "") // a cut rune cannot be stored by PostgreSQL
}

var (
	anAddress = regexp.MustCompile(`<[^>]*>|[^\s<>]+@[^\s<>]+`)
	anID      = regexp.MustCompile(`[^\s]*[0-9][^\s]*`)
)

// SameWords is a reply without what differs from letter to letter: addresses and words with digits in them, which are ids,
// times and host names. Replies with equal SameWords say the same.
func SameWords(r Reply) string {
	text := anAddress.ReplaceAllString(r.Text, "")
	text = anID.ReplaceAllString(text, "")
	return strings.ToLower(fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, strings.Join(strings.Fields(text), " ")))
}
