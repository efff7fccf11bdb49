package feedback

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"techissue/newsletter"
)

// mailgunNotice is a webhook of Mailgun's (its documentation, "Webhooks" and "Event structure").
type mailgunNotice struct {
	Signature struct{ Timestamp, Token, Signature string }
	Event     struct {
		ID, Event, Severity, Reason, Recipient string
		Timestamp                              float64
		Status                                 struct {
			Code                 int
			Message, Description string
			Enhanced             string `json:"enhanced-code"`
			Host                 string `json:"mx-host"`
		} `json:"delivery-status"`
		Message struct {
			Headers struct {
				MessageID string `json:"message-id"`
			}
		}
		Envelope struct{ Sender string }
	} `json:"event-data"`
}

// mailgun checks HMAC, time and replay. The signature covers its own timestamp and token only, so one that was seen with another
// notice vouches for nothing.
func (h *Hooks) mailgun(ctx context.Context, _ http.Header, body []byte) ([]newsletter.Feedback, error) {
	if h.Mailgun == "" {
		return nil, missingKey("TECHISSUE_FEEDBACK_MAILGUN_KEY")
	}
	var n mailgunNotice
	if err := read(body, &n); err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, []byte(h.Mailgun))
	mac.Write([]byte(n.Signature.Timestamp + n.Signature.Token))
	given, err := hex.DecodeString(n.Signature.Signature)
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		return nil, badSignature("not by Mailgun's key")
	}
	seconds, err := strconv.ParseInt(n.Signature.Timestamp, 10, 64)
	if err != nil || !h.timely(time.Unix(seconds, 0)) {
		return nil, badSignature("a timestamp of " + newsletter.CleanReply(n.Signature.Timestamp))
	}
	if n.Event.ID == "" {
		return nil, badNotice("no event id")
	}
	fresh, err := h.Store.FreshSignature(ctx, "mailgun", n.Signature.Token, n.Event.ID)
	if err != nil {
		return nil, err
	}
	if !fresh {
		return nil, badSignature("a signature that came with another notice")
	}
	f, ok := n.news()
	if !ok {
		return nil, nil
	}
	f.Once, f.Emails, f.Reporter = n.Event.ID, []string{n.Event.Recipient}, n.Event.Status.Host
	f.MessageIDs = []string{bracketed(n.Event.Message.Headers.MessageID)}
	f.Envelope = addresses(n.Event.Envelope.Sender)
	if whole, part := math.Modf(n.Event.Timestamp); whole > 0 && whole < 1e11 {
		f.At = time.Unix(int64(whole), int64(part*1e9)).UTC()
	}
	return []newsletter.Feedback{f}, nil
}

// news: temporary failures are tried again by Mailgun; its own lists tell what an address did before.
func (n *mailgunNotice) news() (newsletter.Feedback, bool) {
	e := &n.Event
	switch {
	case e.Event == "complained" || e.Event == "failed" && e.Reason == "suppress-complaint":
		return complaint("Mailgun: complained " + e.Reason), true
	case e.Event == "unsubscribed" || e.Event == "failed" && e.Reason == "suppress-unsubscribe":
		return newsletter.Feedback{Kind: newsletter.FeedbackLeave}, true
	case e.Event != "failed" || e.Severity != "permanent":
		return newsletter.Feedback{}, false
	}
	text := e.Status.Message
	if text == "" {
		text = e.Status.Description
	}
	f := report("", fmt.Sprintf("smtp; %d %s %s", e.Status.Code, e.Status.Enhanced, text), e.Status.Enhanced)
	if e.Status.Code < 400 || e.Status.Code > 599 { // 605: on Mailgun's list of earlier bounces; 498, 499 and 6xx are its own
		f.Kind = newsletter.BounceUnsure
	}
	return f, true
}
