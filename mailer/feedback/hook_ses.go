package feedback

import (
	"encoding/json"
	"time"

	"techissue/newsletter"
)

// sesNotice is what Amazon SES says inside an SNS message: as an identity's notification (notificationType) or as a
// configuration set's event (eventType).
type sesNotice struct {
	NotificationType string
	EventType        string
	Mail             struct {
		MessageID     string `json:"messageId"`
		Source        string
		Headers       []struct{ Name, Value string }
		CommonHeaders struct {
			MessageID string `json:"messageId"`
		}
	}
	Bounce struct {
		BounceType, BounceSubType string
		BouncedRecipients         []struct{ EmailAddress, Action, Status, DiagnosticCode string }
		Timestamp                 time.Time
		ReportingMTA              string
		FeedbackID                string
	}
	Complaint struct {
		ComplainedRecipients                               []struct{ EmailAddress string }
		Timestamp                                          time.Time
		UserAgent, ComplaintFeedbackType, ComplaintSubType string
	}
}

// readSES reads the notice; deliveries, openings and what is no JSON (the greeting of a new event destination) are no news.
func readSES(message, once string) ([]newsletter.Feedback, error) {
	var n sesNotice
	if json.Unmarshal([]byte(message), &n) != nil {
		return nil, nil
	}
	kind := n.NotificationType
	if kind == "" {
		kind = n.EventType
	}
	var news []newsletter.Feedback
	switch kind {
	case "Bounce":
		for _, r := range n.Bounce.BouncedRecipients {
			f := sesBounce(n.Bounce.BounceType, n.Bounce.BounceSubType, r.DiagnosticCode, r.Status)
			f.Emails, f.At, f.Reporter = []string{r.EmailAddress}, n.Bounce.Timestamp, value(n.Bounce.ReportingMTA)
			news = append(news, f)
		}
	case "Complaint":
		if n.Complaint.ComplaintFeedbackType == "not-spam" {
			return nil, nil
		}
		for _, r := range n.Complaint.ComplainedRecipients {
			f := complaint("Feedback-Type: " + n.Complaint.ComplaintFeedbackType + " " + n.Complaint.ComplaintSubType + " " + n.Complaint.UserAgent)
			f.Emails, f.At = []string{r.EmailAddress}, n.Complaint.Timestamp
			news = append(news, f)
		}
	}
	for i := range news {
		f := &news[i]
		f.Once = once + " " + f.Emails[0]
		f.Envelope = addresses(n.Mail.Source)
		f.RelayIDs = []string{n.Mail.MessageID}
		f.MessageIDs = []string{bracketed(n.Mail.CommonHeaders.MessageID)}
		for _, h := range n.Mail.Headers {
			if h.Name == "Message-ID" || h.Name == "Message-Id" {
				f.MessageIDs = append(f.MessageIDs, h.Value)
			}
		}
	}
	return news, nil
}

// sesBounce: SES's type outranks the words where it knows more. An address on our own account's suppression list is never delivered to
// again; one on everybody's list bounced for somebody, which is no proof.
func sesBounce(kind, sub, diagnostic, status string) newsletter.Feedback {
	f := report("", diagnostic, status)
	if f.Reply.Text == "" {
		f.Reply.Text = newsletter.CleanReply("Amazon SES: " + kind + " " + sub)
	}
	switch {
	case sub == "NoEmail" || sub == "OnAccountSuppressionList":
		f.Kind = newsletter.BounceHard
	case sub == "Suppressed":
		f.Kind = newsletter.BounceUnsure
	case sub == "ContentRejected" || sub == "AttachmentRejected" || sub == "MessageTooLarge":
		f.Kind = newsletter.BounceBlocked
	case kind == "Transient" && f.Kind != newsletter.BounceBlocked:
		f.Kind = newsletter.BounceSoft
	case !told(f):
		f.Kind = newsletter.BounceUnsure
	}
	return f
}
