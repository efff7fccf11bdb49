package newsletter

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	hooksMost    = 20                  // webhooks of a house
	hookOverlap  = 24 * time.Hour      // how long a replaced secret signs too
	hookLease    = 2 * time.Minute     // longer than an attempt takes; whoever dies in it leaves the message due again
	eventsKept   = 30 * 24 * time.Hour // history
	eventsAtOnce = 100
)

// CreateWebhook begins to tell an address what happens. The secret is in the answer and nowhere else. Faults: url, types.
func (s *Service) CreateWebhook(ctx context.Context, actor, address string, types []string) (Webhook, error) {
	now := s.opt.Now()
	w := Webhook{URL: address, Types: types, Secret: newHookSecret(), State: WebhookActive, CreatedAt: now, UpdatedAt: now}
	if err := w.judge(); err != nil {
		return Webhook{}, err
	}
	err := s.update(ctx, func(tx Tx) error {
		w.ID = 0
		all, err := tx.Webhooks(ctx, 0, hooksMost)
		if err != nil {
			return err
		}
		if len(all) >= hooksMost {
			return &Error{Kind: Conflict, Code: "too_many_webhooks", Msg: fmt.Sprintf("웹훅은 %d개까지 만들 수 있어요.", hooksMost)}
		}
		if err := tx.PutWebhook(ctx, &w); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "webhook_create", hookName(w.ID), harmless(w.URL, 200))
	})
	if err != nil {
		return Webhook{}, fmt.Errorf("create webhook: %w", err)
	}
	return w, nil
}

func hookName(id WebhookID) string { return fmt.Sprintf("webhook:%d", id) }

// Webhook returns one.
func (s *Service) Webhook(ctx context.Context, id WebhookID) (Webhook, error) {
	return get(ctx, s, func(tx Tx) (Webhook, error) { return tx.Webhook(ctx, id) })
}

// Webhooks lists the newest first, at most 200, and tells whether there are more.
func (s *Service) Webhooks(ctx context.Context, cursor int64, limit int) ([]Webhook, bool, error) {
	limit = pageLimit(limit)
	rows, err := get(ctx, s, func(tx Tx) ([]Webhook, error) { return tx.Webhooks(ctx, cursor, limit) })
	rows, more := page(rows, limit)
	return rows, more, err
}

// UpdateWebhook changes address, types or state. One made active again goes on with what happens from now on.
func (s *Service) UpdateWebhook(ctx context.Context, actor string, id WebhookID, change func(*Webhook)) (w Webhook, err error) {
	err = s.update(ctx, func(tx Tx) error {
		if w, err = tx.Webhook(ctx, id); err != nil {
			return err
		}
		was := w
		change(&w)
		if w.State != WebhookActive && w.State != WebhookDisabled {
			return invalid("state", "active나 disabled여야 해요.")
		}
		if err := w.judge(); err != nil {
			return err
		}
		if w.State != was.State {
			w.Reason = ""
		}
		w.UpdatedAt = s.opt.Now()
		if err := tx.PutWebhook(ctx, &w); err != nil {
			return err
		}
		if w.State == WebhookDisabled {
			if err := tx.GiveUpWebhookMessages(ctx, id, "꺼졌어요.", w.UpdatedAt); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, actor, "webhook_update", hookName(id), harmless(w.URL, 150)+" "+strings.Join(w.Types, ",")+" "+string(w.State))
	})
	return w, err
}

// RotateWebhook gives a webhook a new secret; for a day messages carry the signatures of both.
func (s *Service) RotateWebhook(ctx context.Context, actor string, id WebhookID) (w Webhook, err error) {
	err = s.update(ctx, func(tx Tx) error {
		if w, err = tx.Webhook(ctx, id); err != nil {
			return err
		}
		now := s.opt.Now()
		w.OldSecret, w.OldUntil = w.Secret, now.Add(hookOverlap)
		w.Secret, w.UpdatedAt = newHookSecret(), now
		if err := tx.PutWebhook(ctx, &w); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "webhook_rotate", hookName(id), "")
	})
	return w, err
}

// DeleteWebhook ends it; what was still to be sent is dropped.
func (s *Service) DeleteWebhook(ctx context.Context, actor string, id WebhookID) error {
	return s.update(ctx, func(tx Tx) error {
		w, err := tx.Webhook(ctx, id)
		if err != nil {
			return err
		}
		if err := tx.DeleteWebhook(ctx, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "webhook_delete", hookName(id), harmless(w.URL, 200))
	})
}

// WebhookMessages lists what a webhook was sent in the last 30 days, the newest first.
func (s *Service) WebhookMessages(ctx context.Context, id WebhookID, cursor int64, limit int) ([]WebhookMessage, bool, error) {
	limit = pageLimit(limit)
	rows, err := get(ctx, s, func(tx Tx) ([]WebhookMessage, error) {
		if _, err := tx.Webhook(ctx, id); err != nil {
			return nil, err
		}
		return tx.WebhookMessages(ctx, id, cursor, limit)
	})
	rows, more := page(rows, limit)
	return rows, more, err
}

// ResendWebhookMessage sends one again, with the same webhook-id and all attempts before it.
func (s *Service) ResendWebhookMessage(ctx context.Context, actor string, id WebhookID, message int64) (m WebhookMessage, err error) {
	err = s.update(ctx, func(tx Tx) error {
		w, err := tx.Webhook(ctx, id)
		if err != nil {
			return err
		}
		if w.State != WebhookActive {
			return &Error{Kind: Conflict, Code: "webhook_disabled", Msg: "꺼진 웹훅이에요. 먼저 켜 주세요."}
		}
		if m, err = tx.WebhookMessage(ctx, message); err != nil {
			return err
		}
		if m.Webhook != id {
			return &Error{Kind: NotFound, Msg: "이 웹훅의 전송 기록이 아니에요."}
		}
		if err := tx.RequeueWebhookMessage(ctx, message, s.opt.Now()); err != nil {
			return err
		}
		if m, err = tx.WebhookMessage(ctx, message); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "webhook_resend", hookName(id), m.MessageID())
	})
	return m, err
}

// SpreadEvents makes a message of each waiting event for each webhook that wants it, and tells how many events it passed on. Several
// nodes may call it: an event is closed once.
func (s *Service) SpreadEvents(ctx context.Context) (n int, err error) {
	waiting, err := get(ctx, s, func(tx Tx) ([]OutboxEvent, error) { return tx.OpenEvents(ctx, 1) })
	if err != nil || len(waiting) == 0 {
		return 0, err // most often: nothing is written for it
	}
	err = s.update(ctx, func(tx Tx) error {
		n = 0
		events, err := tx.OpenEvents(ctx, eventsAtOnce)
		if err != nil || len(events) == 0 {
			return err
		}
		hooks, err := tx.Webhooks(ctx, 0, hooksMost)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := s.spread(ctx, tx, e, hooks); err != nil {
				return err
			}
		}
		n = len(events)
		return nil
	})
	return n, err
}

func (s *Service) spread(ctx context.Context, tx Tx, e OutboxEvent, hooks []Webhook) error {
	now := s.opt.Now()
	if err := tx.CloseEvent(ctx, e.ID, now); err != nil {
		return err
	}
	body, err := e.payload()
	if err != nil {
		return fmt.Errorf("event %d: %w", e.ID, err)
	}
	for _, w := range hooks {
		if !w.Wants(e.Type) || e.At.Before(w.CreatedAt) {
			continue
		}
		m := WebhookMessage{Webhook: w.ID, Event: e.ID, Type: e.Type, Payload: body, State: MessageQueued, DueAt: now, CreatedAt: now}
		if err := tx.AddWebhookMessage(ctx, &m); err != nil {
			return err
		}
	}
	return nil
}

// HookCall is a message to be sent now, with all that sending it takes.
type HookCall struct {
	Message WebhookMessage
	URL     string
	Secrets []string
}

// ClaimWebhookMessages takes due messages; each must be settled, or is due again after two minutes.
func (s *Service) ClaimWebhookMessages(ctx context.Context, limit int) (calls []HookCall, err error) {
	err = s.update(ctx, func(tx Tx) error {
		calls = nil
		now := s.opt.Now()
		messages, err := tx.ClaimWebhookMessages(ctx, now, now.Add(hookLease), limit)
		if err != nil {
			return err
		}
		for _, m := range messages {
			w, err := tx.Webhook(ctx, m.Webhook)
			if err != nil {
				return err
			}
			calls = append(calls, HookCall{Message: m, URL: w.URL, Secrets: w.Secrets(now)})
		}
		return nil
	})
	return calls, err
}

// HookAnswer is what came of one attempt.
type HookAnswer struct {
	Code  int           // 0: no answer
	Err   string        // one line, without secrets
	After time.Duration // Retry-After
}

// SettleWebhookMessage writes what came of an attempt: done after a 2xx; after 410 Gone the webhook is disabled; everything else is
// tried again for about three days, and then given up with an alert to the editor.
func (s *Service) SettleWebhookMessage(ctx context.Context, m WebhookMessage, a HookAnswer) error {
	now := s.opt.Now()
	draw := rand.Float64()
	return s.update(ctx, func(tx Tx) error {
		m := m
		m.Attempts++
		m.Code, m.Error = a.Code, harmless(a.Err, 300)
		wait, again := hookRetry(m.Attempts, draw, a.After)
		switch {
		case a.Code/100 == 2:
			m.State, m.DoneAt = MessageSent, now
		case a.Code == 410:
			m.State, m.DoneAt = MessageFailed, now
			if err := tx.SettleWebhookMessage(ctx, m); err != nil { // before the others are given up
				return err
			}
			return s.disableWebhook(ctx, tx, m.Webhook, "받는 쪽이 410 Gone으로 답했어요.")
		case !again:
			m.State, m.DoneAt = MessageFailed, now
			text := fmt.Sprintf("웹훅 %d번이 사흘 동안 받지 못했어요: %s", m.Webhook, hookTrouble(a))
			if err := tx.PutAlert(ctx, &Alert{Kind: fmt.Sprintf("webhook_%d", m.Webhook), Text: text, At: now}); err != nil {
				return err
			}
		default:
			m.DueAt = now.Add(wait)
		}
		return tx.SettleWebhookMessage(ctx, m)
	})
}

func hookTrouble(a HookAnswer) string {
	if a.Code != 0 {
		return fmt.Sprintf("HTTP %d", a.Code)
	}
	return harmless(a.Err, 120)
}

func (s *Service) disableWebhook(ctx context.Context, tx Tx, id WebhookID, why string) error {
	w, err := tx.Webhook(ctx, id)
	if err != nil {
		return err
	}
	now := s.opt.Now()
	w.State, w.Reason, w.UpdatedAt = WebhookDisabled, why, now
	if err := tx.PutWebhook(ctx, &w); err != nil {
		return err
	}
	if err := tx.GiveUpWebhookMessages(ctx, id, why, now); err != nil {
		return err
	}
	return tx.PutAlert(ctx, &Alert{Kind: fmt.Sprintf("webhook_%d", id), Text: fmt.Sprintf("웹훅 %d번을 껐어요: %s", id, why), At: now})
}

// DropOldEvents forgets what was passed on more than 30 days ago.
func (s *Service) DropOldEvents(ctx context.Context) error {
	before := s.opt.Now().Add(-eventsKept)
	return s.update(ctx, func(tx Tx) error { return tx.DropOldEvents(ctx, before, 5000) })
}
