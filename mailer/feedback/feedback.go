// Package feedback reads what comes back about letters: non-delivery reports (RFC 3464), abuse reports (RFC 5965), the
// plain-text bounces of old servers, messages to the mailto of List-Unsubscribe and answers that ask to leave. Judge turns one
// message into news for newsletter.Service.TakeFeedback, which decides which letter is meant. Messages come by a listener
// (listen.go), a pipe, or a mailbox that is polled (imap.go).
//
// Everything here is from strangers. Nothing ever answers a message, so no loop can start; sizes, depth and counts are limited
// (mime.go), and whatever cannot be understood is ignored and counted.
package feedback

import (
	"context"
	"io"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"techissue/newsletter"
)

// Taker acts on news. An error means that it could not be stored, and the message has to come again.
type Taker interface {
	TakeFeedback(ctx context.Context, f newsletter.Feedback) (newsletter.FeedbackResult, error)
}

// House is what has to be known to tell our own mail from others'.
type House struct {
	Addresses []string // From and Reply-To
	ListID    string
}

// Envelope is how a message came. To is empty when nobody knows, as in a mailbox: then the headers are believed, which costs
// nothing, since tokens are signed.
type Envelope struct {
	From      string
	FromKnown bool // an empty From is the null sender
	To        []string
}

// MaxRead is how much of a message is looked at. Reports begin with what matters; the rest is read and thrown away.
const MaxRead = 1 << 20

// maxReports bounds the news in one message: a letter of ours has one recipient.
const maxReports = 10

// ReadMessage reads the beginning of a message and drains the rest, with bounded memory.
func ReadMessage(r io.Reader) ([]byte, error) {
	head, err := io.ReadAll(io.LimitReader(r, MaxRead))
	if err != nil {
		return nil, err
	}
	if len(head) == MaxRead {
		_, err = io.Copy(io.Discard, r)
	}
	return head, err
}

// Judge says what a message means: one or more pieces of news, one of FeedbackNone when it means nothing.
func (h House) Judge(message []byte, env Envelope, via string) []newsletter.Feedback {
	m := parse(message)
	news := h.judge(m, env)
	to := recipients(m, env)
	for i := range news {
		news[i].Via = via
		news[i].Envelope = append(slices.Clone(to), news[i].Envelope...)
	}
	return news
}

func (h House) judge(m *part, env Envelope) []newsletter.Feedback {
	if news := dsn(m); len(news) > 0 {
		return news
	}
	if news := arf(m); len(news) > 0 {
		return news
	}
	for _, a := range recipients(m, env) {
		if newsletter.TokenKind(a) == "u" {
			token, _, _ := strings.Cut(strings.Trim(a, "<> "), "@")
			return leave(m, token[len("u+"):])
		}
	}
	if token, ok := newsletter.LeaveToken(word(m.header.get("subject"))); ok && slices.ContainsFunc(recipients(m, env), h.isHouse) {
		return leave(m, token)
	}
	switch {
	case h.ours(m):
		return nothing("loop")
	case textBounce(m, env):
		return readTextBounce(m)
	case autoReply(m):
		return nothing("auto_reply")
	}
	if f, ok := h.asks(m, env); ok {
		return []newsletter.Feedback{f}
	}
	return nothing("other")
}

// leave is a request that carries its own authority. It names itself: read once more after its writer has come back, it must not
// end their new subscription.
func leave(m *part, token string) []newsletter.Feedback {
	f := newsletter.Feedback{Kind: newsletter.FeedbackLeave, OptOut: strings.ToLower(token)}
	if id := m.header.get("message-id"); id != "" {
		f.Once = id + " " + f.OptOut
	}
	return []newsletter.Feedback{f}
}

func nothing(why string) []newsletter.Feedback {
	return []newsletter.Feedback{{Kind: newsletter.FeedbackNone, Why: why}}
}

// recipients are the addresses the message came to: the envelope's, or what the last server noted in the headers.
func recipients(m *part, env Envelope) []string {
	if len(env.To) > 0 {
		return env.To
	}
	var out []string
	for _, name := range []string{"x-original-to", "delivered-to", "envelope-to", "x-envelope-to", "x-delivered-to", "x-forwarded-to", "to", "cc"} {
		for _, v := range m.header.all(name) {
			out = append(out, addresses(v)...)
		}
	}
	return out[:min(len(out), 20)]
}

// addresses finds addresses in a header or a text without minding its grammar: what is found is judged later. By hand, since
// a pattern with counted repetitions takes seconds on a hostile megabyte.
func addresses(s string) (out []string) {
	for at := strings.IndexByte(s, '@'); at >= 0 && len(out) < 20; {
		begin, end := at, at+1
		for begin > 0 && at-begin <= 64 && localChar(s[begin-1]) {
			begin--
		}
		for end < len(s) && end-at <= 253 && (letterOrDigit(s[end]) || s[end] == '.' || s[end] == '-') {
			end++
		}
		if at-begin >= 1 && at-begin <= 64 && end-at > 1 {
			out = append(out, s[begin:end])
		}
		next := strings.IndexByte(s[end:], '@')
		if next < 0 {
			break
		}
		at = end + next
	}
	return out
}

func letterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func localChar(c byte) bool {
	return letterOrDigit(c) || strings.IndexByte(".!#$%&'*+/=?^_{|}~-", c) >= 0
}

// ours tells that a letter of the house came back whole, or goes round and round (RFC 5321 §6.3).
func (h House) ours(m *part) bool {
	if len(m.header.all("received")) > 60 {
		return true
	}
	if h.ListID != "" && strings.Contains(strings.ToLower(m.header.get("list-id")), "<"+strings.ToLower(h.ListID)+">") {
		return true
	}
	return m.header.get("auto-submitted") != "" && slices.ContainsFunc(addresses(m.header.get("from")), h.isHouse)
}

func (h House) isHouse(address string) bool {
	return slices.ContainsFunc(h.Addresses, func(a string) bool { return a != "" && strings.EqualFold(a, address) })
}

// Subjects of programs that answer by themselves, where they set no header.
var autoSubjects = regexp.MustCompile(`(?i)^\W*(부재\s*중|자동\s*(응답|회신|답장)|휴가\s*중|out of (the )?office|auto(matic)?[ -]?(reply|response)|vacation|away from my mail)`)

// autoReply tells a program's answer (RFC 3834, and what was used before it).
func autoReply(m *part) bool {
	h := m.header
	if a := strings.ToLower(h.get("auto-submitted")); a != "" && !strings.HasPrefix(a, "no") {
		return true
	}
	switch strings.ToLower(h.get("precedence")) {
	case "auto_reply", "bulk", "junk", "list":
		return true
	}
	for _, name := range []string{"x-autoreply", "x-autorespond", "x-autogenerated", "x-auto-reply-from", "x-mail-autoreply"} {
		if h.has(name) && !strings.EqualFold(h.get(name), "no") {
			return true
		}
	}
	return autoSubjects.MatchString(word(h.get("subject")))
}

// asksToLeave are the first words of an answer that asks for it, without blanks.
var asksToLeave = regexp.MustCompile(`(?i)^\W*(수신거부|수신을거부|구독취소|구독해지|구독을취소|구독을해지|unsubscribe)`)

var blanks = regexp.MustCompile(`[\s\x{00a0}\x{200b}]+`)

// asks finds an answer to the house's address whose subject or first line begins with 수신거부.
func (h House) asks(m *part, env Envelope) (newsletter.Feedback, bool) {
	if !slices.ContainsFunc(recipients(m, env), h.isHouse) {
		return newsletter.Feedback{}, false
	}
	from, err := mail.ParseAddress(m.header.get("from"))
	if err != nil {
		if found := addresses(m.header.get("from")); len(found) == 1 {
			from = &mail.Address{Address: found[0]}
		} else {
			return newsletter.Feedback{}, false
		}
	}
	for _, text := range []string{word(m.header.get("subject")), firstLine(m)} {
		if !asksToLeave.MatchString(blanks.ReplaceAllString(text, "")) {
			continue
		}
		mark := m.header.get("message-id")
		if mark == "" {
			mark = from.Address + m.header.get("date") + text
		}
		return newsletter.Feedback{Kind: newsletter.FeedbackAsk, Sender: from.Address, Mark: mark, Text: text}, true
	}
	return newsletter.Feedback{}, false
}

// firstLine is the first line that the writer wrote: quoted ones and the line above them do not count.
func firstLine(m *part) string {
	for line := range strings.SplitSeq(m.words(), "\n") {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, ">") {
			return line
		}
	}
	return ""
}

// optOutLink finds the unsubscribe token in the link or the mailto of a returned List-Unsubscribe.
var optOutLink = regexp.MustCompile(`(?i)(?:/u/|mailto:u\+)([a-z0-9-]{30,64})`)

// returned takes what a returned letter's head tells about which letter it was.
func returned(f *newsletter.Feedback, h header) {
	f.MessageIDs = append(f.MessageIDs, h.all("message-id")...)
	if found := optOutLink.FindStringSubmatch(h.get("list-unsubscribe")); found != nil && f.OptOut == "" {
		f.OptOut = strings.ToLower(found[1])
	}
	for _, name := range []string{"to", "x-hmxmroriginalrecipient", "original-rcpt-to"} {
		f.Emails = append(f.Emails, addresses(h.get(name))...)
	}
	f.Envelope = append(f.Envelope, addresses(h.get("return-path"))...)
	f.RelayIDs = append(f.RelayIDs, strings.Trim(h.get("x-pm-message-id"), "<> "))
	trim(f)
}

// trim bounds what one message may make the store look up. Amazon SES replaces the Message-ID by its own, whose local part
// is the id in its reply.
func trim(f *newsletter.Feedback) {
	for _, id := range f.MessageIDs {
		local, domain, _ := strings.Cut(strings.Trim(id, "<> "), "@")
		if strings.HasSuffix(strings.ToLower(domain), "amazonses.com") {
			f.RelayIDs = append(f.RelayIDs, local)
		}
	}
	f.RelayIDs = slices.DeleteFunc(f.RelayIDs, func(s string) bool { return s == "" || len(s) > 200 })
	f.RelayIDs = f.RelayIDs[:min(len(f.RelayIDs), 5)]
	f.MessageIDs = slices.DeleteFunc(f.MessageIDs, func(s string) bool { return s == "" || len(s) > 300 })
	f.MessageIDs = f.MessageIDs[:min(len(f.MessageIDs), 5)]
	f.Emails = f.Emails[:min(len(f.Emails), 8)]
	f.Envelope = f.Envelope[:min(len(f.Envelope), 8)]
}
