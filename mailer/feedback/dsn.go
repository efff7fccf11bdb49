package feedback

import (
	"bytes"
	"regexp"
	"strings"

	"techissue/newsletter"
)

// dsn reads a delivery status notification (RFC 3464): a block about the message, then one about each recipient.
func dsn(m *part) []newsletter.Feedback {
	status := m.find("message/delivery-status", "message/global-delivery-status")
	if status == nil || m == status && !strings.HasPrefix(m.kind, "message/") {
		return nil
	}
	blocks := fieldBlocks(status.decoded(maxDecoded))
	if len(blocks) == 0 {
		return nothing("other")
	}
	about := blocks[0]
	perRecipient := blocks[1:]
	if !about.has("reporting-mta") && (about.has("final-recipient") || about.has("action")) {
		perRecipient = blocks // some leave the first block out
	}
	if len(perRecipient) == 0 && about.has("final-recipient") {
		perRecipient = blocks[:1] // or the empty line between
	}
	var news []newsletter.Feedback
	for _, b := range perRecipient[:min(len(perRecipient), maxReports)] {
		f := judgeRecipient(b)
		f.Reporter = value(b.get("remote-mta"))
		if f.Reporter == "" {
			f.Reporter = value(about.get("reporting-mta"))
		}
		f.RelayIDs = append(f.RelayIDs, value(about.get("x-postfix-queue-id")))
		f.MessageIDs = append(f.MessageIDs, about.get("x-original-message-id"), about.get("original-message-id"))
		f.MessageIDs = append(f.MessageIDs, m.header.get("in-reply-to"))
		returned(&f, m.returnedHead())
		news = append(news, f)
	}
	return news
}

// fieldBlocks are the groups of fields of a status part, parted by empty lines.
func fieldBlocks(data []byte) (blocks []header) {
	data = bytes.TrimLeft(data, "\r\n")
	for len(data) > 0 && len(blocks) <= maxReports {
		var h header
		if h, data = splitHead(data); len(h) > 0 {
			blocks = append(blocks, h)
		}
	}
	return blocks
}

// value is what stands behind the type of an address or a name: "rfc822; a@b", "dns; mx.example.com".
func value(s string) string {
	if _, v, ok := strings.Cut(s, ";"); ok {
		s = v
	}
	return strings.Trim(strings.TrimSpace(s), "<>")
}

func judgeRecipient(b header) newsletter.Feedback {
	var f newsletter.Feedback
	for _, name := range []string{"original-recipient", "final-recipient", "x-actual-recipient"} {
		f.Emails = append(f.Emails, addresses(b.get(name))...)
	}
	status, _, _ := strings.Cut(strings.TrimSpace(b.get("status")), " ")
	action := strings.ToLower(strings.TrimSpace(b.get("action")))
	if action == "" {
		action = map[bool]string{true: "failed", false: "delayed"}[strings.HasPrefix(status, "5")]
	}
	switch {
	case strings.HasPrefix(action, "failed"):
		f.Reply = newsletter.ReportReply(b.get("diagnostic-code"), status)
		f.Kind = newsletter.BounceKind(f.Reply)
	case strings.HasPrefix(action, "delayed"):
		f.Kind, f.Why = newsletter.FeedbackNone, "delayed"
	default: // delivered, relayed, expanded
		f.Kind, f.Why = newsletter.FeedbackNone, "delivered"
	}
	return f
}

var (
	daemonFrom   = regexp.MustCompile(`(?i)(^|[<"\s])(mailer[-_ ]?daemon|postmaster|mail-?admin|mdaemon)@|mail delivery (sub)?system`)
	failSubject  = regexp.MustCompile(`(?i)undeliver|returned mail|failure notice|delivery (status )?(notification|failure|has failed|failed)|mail delivery failed|could not be delivered|반송|(발송|전송|전달|배달)(에|을|이)?\s*(실패|불가)|보내지 못했|전송되지 못`)
	failText     = regexp.MustCompile(`(?i)this is the qmail-send program|permanent (fatal )?error|could not be delivered|wasn't able to deliver|undeliverable|delivery to the following recipients? failed|(발송|전송|전달)(하지|되지) 못|(발송|전송)에 실패|반송`)
	delaySubject = regexp.MustCompile(`(?i)\(delay\)|delayed|warning: could not send|지연`)
	fullWords    = regexp.MustCompile(`(?i)mailbox (is )?full|over quota|quota exceeded|용량.{0,12}(초과|부족)|메일함.{0,6}가득`)
)

// textBounce tells a report without a machine-readable part: Exim and old Gmail name the recipient in a header, qmail and
// Korean web mail say it in words. A person writes neither from the null sender nor as a daemon.
func textBounce(m *part, env Envelope) bool {
	if m.header.has("x-failed-recipients") {
		return true
	}
	null := env.FromKnown && env.From == "" || strings.TrimSpace(m.header.get("return-path")) == "<>"
	daemon := daemonFrom.MatchString(word(m.header.get("from"))) || null && !autoReply(m) // holiday notes use the null sender, too
	if !daemon || autoSubjects.MatchString(word(m.header.get("subject"))) {
		return false
	}
	return failSubject.MatchString(word(m.header.get("subject"))) || failText.MatchString(m.words())
}

// paragraphFor is qmail's form (QSBMF): "<a@example.com>:" and the reason under it, up to an empty line.
var paragraphFor = regexp.MustCompile(`(?m)^\s*<([^<>\s]+@[^<>\s]+)>:?[ \t]*\r?\n?((?:[^\r\n]+\r?\n?)*)`)

var codeLine = regexp.MustCompile(`(?:^|[^\d.])[45]\d\d[ -]|#?[45]\.\d{1,3}\.\d{1,3}`)

func readTextBounce(m *part) []newsletter.Feedback {
	if delaySubject.MatchString(word(m.header.get("subject"))) {
		return nothing("delayed")
	}
	text, copied := cutCopy(m.words())
	f := newsletter.Feedback{Emails: addresses(m.header.get("x-failed-recipients"))}
	diagnostic := ""
	if found := paragraphFor.FindStringSubmatch(text); found != nil {
		f.Emails = append(f.Emails, found[1])
		diagnostic = found[2]
	}
	if !codeLine.MatchString(diagnostic) {
		for line := range strings.SplitSeq(text, "\n") {
			if codeLine.MatchString(line) {
				diagnostic = line
				break
			}
		}
	}
	if len(f.Emails) == 0 {
		f.Emails = addresses(text)
	}
	status := ""
	if !codeLine.MatchString(diagnostic) && fullWords.MatchString(text) {
		status = "5.2.2"
	}
	if strings.TrimSpace(diagnostic) == "" {
		diagnostic = firstLine(m)
	}
	f.Reply = newsletter.ReportReply(diagnostic, status)
	f.Kind = newsletter.BounceKind(f.Reply)
	f.Reporter = domainOf(m.header.get("from"))
	f.MessageIDs = append(f.MessageIDs, m.header.get("in-reply-to"))
	head := m.returnedHead()
	if head == nil {
		head, _ = splitHead([]byte(strings.TrimLeft(copied, "\r\n ")))
	}
	returned(&f, head)
	return []newsletter.Feedback{f}
}

// copyMark is the line above the copy of the letter: qmail's, Exim's, sendmail's, Gmail's.
var copyMark = regexp.MustCompile(`(?mi)^[ \t]*-{2,}.*(copy of the message|original message|message headers|returned message|원본|original-message).*$`)

func cutCopy(text string) (before, copied string) {
	if at := copyMark.FindStringIndex(text); at != nil {
		return text[:at[0]], text[at[1]:]
	}
	return text, ""
}

func domainOf(from string) string {
	if found := addresses(from); len(found) > 0 {
		_, domain, _ := strings.Cut(found[0], "@")
		return domain
	}
	return ""
}
