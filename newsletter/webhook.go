package newsletter

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// WebhookID names a webhook.
type WebhookID int64

// WebhookState says whether a webhook is called.
type WebhookState string

// The states of a webhook. One that answers 410 Gone is disabled by itself.
const (
	WebhookActive   WebhookState = "active"
	WebhookDisabled WebhookState = "disabled"
)

// EventTypes are what a webhook may ask for. Their data holds ids and numbers alone: who may know more asks the API.
var eventTypes = []string{
	"article.published", "delivery.bounced", "delivery.complained", "delivery.failed", "issue.done",
	"subscriber.confirmed", "subscriber.erased", "subscriber.suppressed", "subscriber.unsubscribed",
}

// EventTypes returns them in alphabetical order.
func EventTypes() []string { return slices.Clone(eventTypes) }

// Webhook is an address of somebody's program that wants to know what happens here (Standard Webhooks 1.0).
type Webhook struct {
	ID        WebhookID
	URL       string
	Types     []string // empty: all
	Secret    string   // "whsec_" and 24 bytes in base64; shown once
	OldSecret string   // signs too until OldUntil, so that a receiver can change over
	OldUntil  time.Time
	State     WebhookState
	Reason    string // why it was disabled
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Wants tells whether events of a type go to it.
func (w Webhook) Wants(kind string) bool {
	return w.State == WebhookActive && (len(w.Types) == 0 || slices.Contains(w.Types, kind))
}

// Secrets are those to sign with, the current one first.
func (w Webhook) Secrets(now time.Time) []string {
	if w.OldSecret != "" && now.Before(w.OldUntil) {
		return []string{w.Secret, w.OldSecret}
	}
	return []string{w.Secret}
}

// OutboxEvent is what happened, as it was written down with what it tells of.
type OutboxEvent struct {
	ID   int64
	Type string
	Data string // JSON
	At   time.Time
}

// payload is the body of a message: Standard Webhooks' type, timestamp and data.
func (e OutboxEvent) payload() (string, error) {
	b, err := json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{e.Type, e.At.UTC(), json.RawMessage(e.Data)})
	return string(b), err
}

// WebhookMessageState is where a message stands.
type WebhookMessageState string

// The states of a message.
const (
	MessageQueued WebhookMessageState = "queued"
	MessageSent   WebhookMessageState = "sent"
	MessageFailed WebhookMessageState = "failed"
)

// WebhookMessage is one event on its way to one webhook.
type WebhookMessage struct {
	ID        int64
	Webhook   WebhookID
	Event     int64
	Type      string
	Payload   string
	State     WebhookMessageState
	Attempts  int
	DueAt     time.Time
	Lease     int64
	Code      int    // of the last answer, 0 when there was none
	Error     string // of the last attempt
	CreatedAt time.Time
	DoneAt    time.Time
}

// MessageID is the webhook-id header: the same however often an event is sent, so that a receiver can tell that it knows it.
func (m WebhookMessage) MessageID() string { return fmt.Sprintf("evt_%d", m.Event) }

// hookRetries are the waits before each further attempt (Standard Webhooks, "Retries"): about three days in all.
var hookRetries = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// next is when to try again after so many attempts; false: never. draw is from 0 to 1 and spreads what failed together over a
// fifth of the wait. after is what the receiver asked for.
func hookRetry(attempts int, draw float64, after time.Duration) (time.Duration, bool) {
	if attempts > len(hookRetries) {
		return 0, false
	}
	wait := hookRetries[attempts-1]
	wait += time.Duration(draw * float64(wait) / 5)
	return max(wait, min(after, 24*time.Hour)), true
}

// judge tidies a webhook and names everything wrong with it.
func (w *Webhook) judge() error {
	var faults Faults
	w.URL = strings.TrimSpace(w.URL)
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https":
		faults = append(faults, invalid("url", "웹훅 주소는 https:// 로 시작해야 해요."))
	case u.User != nil:
		faults = append(faults, invalid("url", "주소에 아이디나 비밀번호를 넣지 마세요. 서명으로 확인해 주세요."))
	case len(w.URL) > maxURL:
		faults = append(faults, invalid("url", fmt.Sprintf("주소가 너무 길어요. %d자까지 쓸 수 있어요.", maxURL)))
	}
	var types []string
	for _, kind := range w.Types {
		kind = strings.TrimSpace(kind)
		if !slices.Contains(eventTypes, kind) {
			faults = append(faults, invalid("types", fmt.Sprintf("모르는 알림이에요: %.60q. 쓸 수 있는 것: %s", kind, strings.Join(eventTypes, ", "))))
			continue
		}
		types = append(types, kind)
	}
	slices.Sort(types)
	w.Types = slices.Compact(types)
	return faults.Err()
}

// newHookSecret is 24 random bytes as Standard Webhooks write them.
func newHookSecret() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails: it ends the program instead
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}

// WebhookTx keeps webhooks, their messages and the outbox.
type WebhookTx interface {
	Webhook(ctx context.Context, id WebhookID) (Webhook, error)
	// Webhooks lists the newest first.
	Webhooks(ctx context.Context, cursor int64, limit int) ([]Webhook, error)
	// PutWebhook inserts (ID 0, which it sets) or changes.
	PutWebhook(ctx context.Context, w *Webhook) error
	// DeleteWebhook removes it and its messages.
	DeleteWebhook(ctx context.Context, id WebhookID) error
	// OpenEvents are those of the outbox not passed on yet, the oldest first.
	OpenEvents(ctx context.Context, limit int) ([]OutboxEvent, error)
	// CloseEvent marks one as passed on; Conflict when somebody else has.
	CloseEvent(ctx context.Context, id int64, now time.Time) error
	AddWebhookMessage(ctx context.Context, m *WebhookMessage) error
	WebhookMessage(ctx context.Context, id int64) (WebhookMessage, error)
	// WebhookMessages lists a webhook's, the newest first.
	WebhookMessages(ctx context.Context, id WebhookID, cursor int64, limit int) ([]WebhookMessage, error)
	// ClaimWebhookMessages takes due messages until the given time, under a new lease each, at most one of a webhook's at once
	// when its last attempt failed.
	ClaimWebhookMessages(ctx context.Context, now, until time.Time, limit int) ([]WebhookMessage, error)
	// SettleWebhookMessage writes what became of an attempt; ErrLeaseLost when the lease is not the message's any more.
	SettleWebhookMessage(ctx context.Context, m WebhookMessage) error
	// RequeueWebhookMessage makes one due again.
	RequeueWebhookMessage(ctx context.Context, id int64, now time.Time) error
	// GiveUpWebhookMessages fails all that is still queued for a webhook.
	GiveUpWebhookMessages(ctx context.Context, id WebhookID, why string, now time.Time) error
	// DropOldEvents forgets passed-on events and settled messages older than before, at most limit of each.
	DropOldEvents(ctx context.Context, before time.Time, limit int) error
}
