package feedback

import (
	"strings"

	"techissue/newsletter"
)

// arf reads an abuse report (RFC 5965). The letter that was reported comes along, perhaps without its reader's address.
func arf(m *part) []newsletter.Feedback {
	report := m.find("message/feedback-report")
	if report == nil {
		return forwardedComplaint(m)
	}
	blocks := fieldBlocks(report.decoded(maxDecoded))
	if len(blocks) == 0 {
		return nothing("other")
	}
	b := blocks[0]
	kind := strings.ToLower(strings.TrimSpace(b.get("feedback-type")))
	switch kind {
	case "abuse", "fraud", "virus", "other", "opt-out", "opt-out-list", "":
	default: // not-spam takes a report back; dkim and auth-failure are about us
		return nothing("other")
	}
	f := newsletter.Feedback{Kind: newsletter.Complaint, Reporter: value(b.get("reporting-mta"))}
	if f.Reporter == "" {
		f.Reporter = domainOf(m.header.get("from"))
	}
	f.Reply = newsletter.Reply{Stage: newsletter.StageReport, Text: newsletter.CleanReply("Feedback-Type: " + kind + ", " + b.get("user-agent"))}
	f.Envelope = addresses(b.get("original-mail-from"))
	for _, name := range []string{"original-rcpt-to", "removal-recipient"} {
		for _, v := range b.all(name) {
			f.Emails = append(f.Emails, addresses(v)...)
		}
	}
	returned(&f, m.returnedHead())
	return []newsletter.Feedback{f}
}

// forwardedComplaint is Microsoft's older form (JMRP): the letter itself, attached, with the recipient in a header of its own.
func forwardedComplaint(m *part) []newsletter.Feedback {
	head := m.returnedHead()
	if !head.has("x-hmxmroriginalrecipient") {
		return nil
	}
	f := newsletter.Feedback{
		Kind: newsletter.Complaint, Reporter: domainOf(m.header.get("from")),
		Reply: newsletter.Reply{Stage: newsletter.StageReport, Text: newsletter.CleanReply(word(m.header.get("subject")))},
	}
	returned(&f, head)
	return []newsletter.Feedback{f}
}
