package feedback

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"techissue/newsletter"
)

// sendgridEvent is one of a batch (SendGrid's documentation, "Event Webhook").
type sendgridEvent struct {
	Email     string `json:"email"`
	Timestamp int64  `json:"timestamp"`
	Event     string `json:"event"`
	Type      string `json:"type"` // of a bounce: bounce or blocked
	Status    string `json:"status"`
	Reason    string `json:"reason"`
	SMTPID    string `json:"smtp-id"`
	EventID   string `json:"sg_event_id"`
	MessageID string `json:"sg_message_id"`
}

// ParseSendGridKey reads the verification key as SendGrid's page shows it: base64 of a public key, with or without PEM around it.
func ParseSendGridKey(s string) (*ecdsa.PublicKey, error) {
	der := []byte(nil)
	if block, _ := pem.Decode([]byte(s)); block != nil {
		der = block.Bytes
	} else if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s)); err == nil {
		der = raw
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if k, ok := key.(*ecdsa.PublicKey); err == nil && ok {
		return k, nil
	}
	return nil, errors.New("is no public key of the signed event webhook")
}

const (
	sendgridSignature = "X-Twilio-Email-Event-Webhook-Signature"
	sendgridTime      = "X-Twilio-Email-Event-Webhook-Timestamp"
)

// sendgrid checks the ECDSA signature over timestamp and body. Each event has a name, so a replay changes nothing.
func (h *Hooks) sendgrid(_ context.Context, header http.Header, body []byte) ([]newsletter.Feedback, error) {
	if h.SendGrid == nil {
		return nil, missingKey("TECHISSUE_FEEDBACK_SENDGRID_KEY")
	}
	signature, err := base64.StdEncoding.DecodeString(header.Get(sendgridSignature))
	at := header.Get(sendgridTime)
	sum := sha256.Sum256(append([]byte(at), body...))
	if err != nil || !ecdsa.VerifyASN1(h.SendGrid, sum[:], signature) {
		return nil, badSignature("not by SendGrid's key")
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !h.timely(time.Unix(seconds, 0)) {
		return nil, badSignature("a timestamp of " + newsletter.CleanReply(at))
	}
	var events []sendgridEvent
	if err := read(body, &events); err != nil {
		return nil, err
	}
	var news []newsletter.Feedback
	for _, e := range events {
		f, ok := e.news()
		if !ok {
			continue
		}
		f.Once, f.Emails = e.EventID, []string{e.Email}
		f.MessageIDs = []string{bracketed(e.SMTPID)}
		id, _, _ := strings.Cut(e.MessageID, ".") // behind it stands which machine handled it
		f.RelayIDs = []string{id}
		if e.Timestamp > 0 {
			f.At = time.Unix(e.Timestamp, 0).UTC()
		}
		news = append(news, f)
	}
	return news, nil
}

func (e *sendgridEvent) news() (newsletter.Feedback, bool) {
	switch e.Event {
	case "spamreport":
		return complaint("SendGrid: spamreport"), true
	case "unsubscribe", "group_unsubscribe":
		return newsletter.Feedback{Kind: newsletter.FeedbackLeave}, true
	case "dropped": // SendGrid did not even try, by what it remembers
		switch e.Reason {
		case "Spam Reporting Address":
			return complaint("SendGrid: " + e.Reason), true
		case "Unsubscribed Address":
			return newsletter.Feedback{Kind: newsletter.FeedbackLeave}, true
		case "Bounced Address":
			return report(newsletter.BounceHard, "SendGrid: "+e.Reason, ""), true
		case "Invalid":
			return report(newsletter.BounceHard, "SendGrid: "+e.Reason, ""), true
		}
		return report(newsletter.BounceBlocked, "SendGrid: "+e.Reason, e.Status), true
	case "bounce":
		if e.Type == "blocked" {
			return report(newsletter.BounceBlocked, e.Reason, e.Status), true
		}
		f := report("", e.Reason, e.Status)
		if !told(f) {
			f.Kind = newsletter.BounceUnsure
		}
		return f, true
	}
	return newsletter.Feedback{}, false
}
