package feedback

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"techissue/newsletter"
)

// postmarkNotice is a webhook of Postmark's: a bounce, a spam complaint or a change of its suppression list.
type postmarkNotice struct {
	RecordType  string
	ID          int64
	Type        string
	MessageID   string
	Description string
	Details     string
	Email       string
	Recipient   string // of SubscriptionChange
	BouncedAt   time.Time
	ChangedAt   time.Time

	SuppressSending   bool
	SuppressionReason string
	Origin            string
}

// postmark believes the secret in the address: Postmark signs nothing.
func (h *Hooks) postmark(_ context.Context, _ http.Header, body []byte) ([]newsletter.Feedback, error) {
	var n postmarkNotice
	if err := read(body, &n); err != nil {
		return nil, err
	}
	f, ok := n.news()
	if !ok {
		if n.RecordType == "" {
			return nil, badNotice("no RecordType")
		}
		return nil, nil
	}
	f.At, f.RelayIDs = n.BouncedAt, []string{n.MessageID}
	f.Once = fmt.Sprintf("%s %d", n.RecordType, n.ID)
	f.Emails = []string{n.Email}
	if n.RecordType == "SubscriptionChange" {
		f.Emails, f.At = []string{n.Recipient}, n.ChangedAt
		f.Once = fmt.Sprintf("%s %s %s %s", n.RecordType, n.Recipient, n.SuppressionReason, n.ChangedAt.Format(time.RFC3339Nano))
	}
	return []newsletter.Feedback{f}, nil
}

func (n *postmarkNotice) news() (newsletter.Feedback, bool) {
	switch n.RecordType {
	case "SpamComplaint":
		return complaint("Postmark: SpamComplaint " + n.Details), true
	case "SubscriptionChange":
		if n.SuppressSending && n.SuppressionReason == "ManualSuppression" && n.Origin == "Recipient" {
			return newsletter.Feedback{Kind: newsletter.FeedbackLeave}, true
		}
		return newsletter.Feedback{}, false // bounces and complaints have notices of their own
	case "Bounce":
	default:
		return newsletter.Feedback{}, false
	}
	text := n.Details
	if text == "" {
		text = n.Description
	}
	switch n.Type {
	case "SpamComplaint":
		return complaint("Postmark: SpamComplaint " + n.Details), true
	case "Unsubscribe":
		return newsletter.Feedback{Kind: newsletter.FeedbackLeave}, true
	case "HardBounce", "BadEmailAddress":
		f := report("", text, "")
		if !told(f) {
			f.Kind = newsletter.BounceHard // Postmark judged
		}
		return f, true
	case "SoftBounce", "DnsError":
		f := report("", text, "")
		if f.Kind != newsletter.BounceBlocked {
			f.Kind = newsletter.BounceSoft
		}
		return f, true
	case "SpamNotification", "Blocked", "DMARCPolicy", "VirusNotification", "ChallengeVerification":
		return report(newsletter.BounceBlocked, text, ""), true
	}
	return newsletter.Feedback{}, false // Transient is tried again; AutoResponder, AddressChange and the like are no bounces
}
