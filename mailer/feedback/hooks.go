package feedback

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"techissue/newsletter"
)

// Providers whose notices are understood, as they stand in the address.
var Providers = []string{"ses", "mailgun", "postmark", "sendgrid"}

// HookStore is what notices need beyond a Taker.
type HookStore interface {
	FeedbackMark(ctx context.Context, name string) (string, error)
	PutFeedbackMark(ctx context.Context, name, mark string) error
	// FreshSignature remembers that a signature came with a notice; false: it came with another one before.
	FreshSignature(ctx context.Context, via, signature, notice string) (bool, error)
}

// Hooks takes providers' notices at /hooks/feedback/{provider}/{token}. The token in the address is a secret; whoever knows it must
// still sign, where the provider can. It may be used from several goroutines.
type Hooks struct {
	Intake   Intake
	Store    HookStore
	Now      func() time.Time
	Log      *slog.Logger
	Tokens   []string         // any of them opens
	Mailgun  string           // the key that signs webhooks; "" refuses Mailgun's notices
	SendGrid *ecdsa.PublicKey // nil refuses SendGrid's
	// Fetch gets a public address, at most 64 KB; it must not reach inside.
	Fetch func(ctx context.Context, url string) ([]byte, error)

	certs certCache
}

const (
	skew    = 5 * time.Minute // of a signed timestamp (S47)
	maxNews = 2000            // in one notice: SendGrid gathers up to 768 KB
)

// Take acts on one notice. Errors: NotFound for a wrong token or an unknown provider, alike; Unauthorized for a bad signature;
// Invalid for what is no notice; Unavailable when the provider has to come again.
func (h *Hooks) Take(ctx context.Context, provider, token string, header http.Header, body []byte) error {
	take := map[string]func(context.Context, http.Header, []byte) ([]newsletter.Feedback, error){
		"ses": h.ses, "mailgun": h.mailgun, "postmark": h.postmark, "sendgrid": h.sendgrid,
	}[provider]
	if take == nil || !h.opens(token) {
		return &newsletter.Error{Kind: newsletter.NotFound}
	}
	news, err := take(ctx, header, body)
	if err != nil {
		h.Log.Warn("feedback notice refused", "via", provider, "err", err)
		return err
	}
	for n := range news[:min(len(news), maxNews)] {
		news[n].Via, news[n].Proven = provider, true
		trim(&news[n])
	}
	_, err = h.Intake.take(ctx, news[:min(len(news), maxNews)])
	return err
}

// opens compares with every token, in a time that tells nothing.
func (h *Hooks) opens(token string) bool {
	given, open := sha256.Sum256([]byte(token)), 0
	for _, t := range h.Tokens {
		want := sha256.Sum256([]byte(t))
		open |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	return open == 1
}

// missingKey tells the operator which setting a provider's notices need; the provider comes again meanwhile.
func missingKey(setting string) error {
	return &newsletter.Error{Kind: newsletter.Unavailable, Code: "no_key", Msg: "서명을 확인할 열쇠가 아직 없어요.", Err: errors.New(setting + " is not set")}
}

func badSignature(why string) error {
	return &newsletter.Error{Kind: newsletter.Unauthorized, Code: "bad_signature", Msg: "서명이 올바르지 않아요.", Err: errors.New(why)}
}

func badNotice(why string) error {
	return &newsletter.Error{Kind: newsletter.Invalid, Code: "bad_notice", Msg: "알림을 읽을 수 없어요.", Err: errors.New(why)}
}

// read decodes JSON as far as it is known.
func read(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return badNotice(err.Error())
	}
	return nil
}

// timely tells whether a signed timestamp is of now.
func (h *Hooks) timely(at time.Time) bool { return h.Now().Sub(at).Abs() <= skew }

// report makes the news of a bounce out of what a server said; kind overrides the judgement of its words, "" leaves it.
func report(kind newsletter.FeedbackKind, diagnostic, status string) newsletter.Feedback {
	f := newsletter.Feedback{Reply: newsletter.ReportReply(diagnostic, status), Kind: kind}
	if kind == "" {
		f.Kind = newsletter.BounceKind(f.Reply)
	}
	return f
}

// told tells whether a server's words name a fault: a code, or an enhanced one.
func told(f newsletter.Feedback) bool { return f.Reply.Code != 0 || f.Reply.Enhanced != "" }

func complaint(text string) newsletter.Feedback {
	return newsletter.Feedback{Kind: newsletter.Complaint, Reply: newsletter.Reply{Stage: newsletter.StageReport, Text: newsletter.CleanReply(text)}}
}

// bracketed gives a Message-ID the brackets it has in a letter.
func bracketed(id string) string {
	if id == "" || strings.HasPrefix(id, "<") {
		return id
	}
	return "<" + id + ">"
}

// certCache keeps the few certificates that a provider signs with.
type certCache struct {
	mu sync.Mutex
	by map[string]*cachedCert
}
