package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"techissue/newsletter"
)

const (
	hooksAtOnce = 4 // connections to receivers
	hookPause   = time.Second
	hookAnswer  = 4 << 10 // read of an answer, and thrown away
	dropEvery   = time.Hour
)

// HookStore is what Hooks ask of newsletter.Service.
type HookStore interface {
	SpreadEvents(ctx context.Context) (int, error)
	ClaimWebhookMessages(ctx context.Context, limit int) ([]newsletter.HookCall, error)
	SettleWebhookMessage(ctx context.Context, m newsletter.WebhookMessage, a newsletter.HookAnswer) error
	DropOldEvents(ctx context.Context) error
}

// Hooks tell other programs what happens here: events of the outbox go out as Standard Webhooks, at least once each. A receiver that
// is slow or dead costs its own messages' time, and mail nothing: they share no connection, no worker and no lock but the store's.
type Hooks struct {
	Client *Client
	Store  HookStore
	Now    func() time.Time
	Log    *slog.Logger
}

// Run sends until ctx is done, and returns when the calls under way have ended.
func (h *Hooks) Run(ctx context.Context) error {
	tick := time.NewTicker(hookPause)
	defer tick.Stop()
	var dropped time.Time
	for {
		for busy := true; busy && ctx.Err() == nil; {
			n, err := h.Round(ctx)
			if err != nil && ctx.Err() == nil {
				h.Log.Error("webhooks", "err", err)
			}
			busy = n > 0 && err == nil
		}
		if now := h.Now(); now.Sub(dropped) >= dropEvery {
			dropped = now
			if err := h.Store.DropOldEvents(ctx); err != nil && ctx.Err() == nil {
				h.Log.Error("old events", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Round passes on what waits in the outbox and sends what is due, and tells how many of both there were.
func (h *Hooks) Round(ctx context.Context) (int, error) {
	spread, err := h.Store.SpreadEvents(ctx)
	if err != nil {
		return 0, fmt.Errorf("pass events on: %w", err)
	}
	calls, err := h.Store.ClaimWebhookMessages(ctx, hooksAtOnce)
	if err != nil {
		return spread, fmt.Errorf("claim webhook messages: %w", err)
	}
	var wg sync.WaitGroup
	errs := make([]error, len(calls))
	for n, c := range calls {
		wg.Go(func() {
			a := h.call(ctx, c)
			if ctx.Err() != nil && a.Code == 0 {
				return // we stopped, they did nothing wrong: it is due again when its lease ends
			}
			errs[n] = h.Store.SettleWebhookMessage(context.WithoutCancel(ctx), c.Message, a)
		})
	}
	wg.Wait()
	for n, err := range errs {
		if errors.Is(err, newsletter.ErrLeaseLost) {
			h.Log.Warn("a webhook message was settled by somebody else", "message", calls[n].Message.ID)
			errs[n] = nil
		}
	}
	return spread + len(calls), errors.Join(errs...)
}

// call makes one attempt.
func (h *Hooks) call(ctx context.Context, c newsletter.HookCall) newsletter.HookAnswer {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, strings.NewReader(c.Message.Payload))
	if err != nil {
		return newsletter.HookAnswer{Err: err.Error()}
	}
	now := h.Now()
	var signatures []string
	for _, secret := range c.Secrets {
		w, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return newsletter.HookAnswer{Err: "the secret is damaged"}
		}
		s, err := w.Sign(c.Message.MessageID(), now, []byte(c.Message.Payload))
		if err != nil {
			return newsletter.HookAnswer{Err: "signing failed"}
		}
		signatures = append(signatures, s)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(standardwebhooks.HeaderWebhookID, c.Message.MessageID())
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	res, err := h.Client.post(r)
	if err != nil {
		return newsletter.HookAnswer{Err: err.Error()}
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, hookAnswer))
	return newsletter.HookAnswer{Code: res.StatusCode, After: retryAfter(res.Header.Get("Retry-After"), now)}
}

// retryAfter reads the header (RFC 9110 §10.2.3), 0 when it says nothing usable.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(value); err == nil && n > 0 {
		return time.Duration(min(n, 24*60*60)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
