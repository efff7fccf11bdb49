package db

import (
	"context"
	"strings"
	"time"

	"techissue/newsletter"
)

const webhookColumns = `
SELECT id, url, types, secret, old_secret, old_until, state, reason, created_at, updated_at
FROM webhooks WHERE TRUE`

func scanWebhook(r scanner) (w newsletter.Webhook, err error) {
	var types string
	err = r.Scan(&w.ID, &w.URL, &types, &w.Secret, &w.OldSecret, asTime(&w.OldUntil), &w.State, &w.Reason, asTime(&w.CreatedAt), asTime(&w.UpdatedAt))
	if types != "" {
		w.Types = strings.Split(types, ",")
	}
	return w, err
}

// Webhook returns one.
func (t *Tx) Webhook(ctx context.Context, id newsletter.WebhookID) (newsletter.Webhook, error) {
	w, err := scanWebhook(t.queryRow(ctx, webhookColumns+` AND id = ?`, id))
	return w, missing(err, "없는 웹훅이에요.")
}

// Webhooks lists the newest first.
func (t *Tx) Webhooks(ctx context.Context, cursor int64, limit int) ([]newsletter.Webhook, error) {
	var w where
	if cursor > 0 {
		w.and(`id < ?`, cursor)
	}
	return list(ctx, t, scanWebhook, webhookColumns+w.text+` ORDER BY id DESC LIMIT ?`, append(w.args, limit+1)...)
}

// PutWebhook inserts or changes one.
func (t *Tx) PutWebhook(ctx context.Context, w *newsletter.Webhook) (err error) {
	types := strings.Join(w.Types, ",")
	if w.ID == 0 {
		var id int64
		id, err = t.insert(ctx, `
			INSERT INTO webhooks (url, types, secret, old_secret, old_until, state, reason, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			w.URL, types, w.Secret, w.OldSecret, orNull(w.OldUntil), w.State, w.Reason, ms(w.CreatedAt), ms(w.UpdatedAt))
		w.ID = newsletter.WebhookID(id)
		return err
	}
	return t.swap(ctx, missingWebhook(), `
		UPDATE webhooks SET url = ?, types = ?, secret = ?, old_secret = ?, old_until = ?, state = ?, reason = ?, updated_at = ? WHERE id = ?`,
		w.URL, types, w.Secret, w.OldSecret, orNull(w.OldUntil), w.State, w.Reason, ms(w.UpdatedAt), w.ID)
}

func missingWebhook() error {
	return &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 웹훅이에요."}
}

// DeleteWebhook removes one and its messages.
func (t *Tx) DeleteWebhook(ctx context.Context, id newsletter.WebhookID) error {
	if _, err := t.exec(ctx, `DELETE FROM webhook_messages WHERE webhook_id = ?`, id); err != nil {
		return err
	}
	return t.swap(ctx, missingWebhook(), `DELETE FROM webhooks WHERE id = ?`, id)
}

// OpenEvents are those of the outbox that nobody was told yet.
func (t *Tx) OpenEvents(ctx context.Context, limit int) ([]newsletter.OutboxEvent, error) {
	return list(ctx, t, func(r scanner) (e newsletter.OutboxEvent, err error) {
		return e, r.Scan(&e.ID, &e.Type, &e.Data, asTime(&e.At))
	}, `SELECT id, kind, payload, at FROM outbox WHERE done_at IS NULL ORDER BY id LIMIT ?`, limit)
}

// CloseEvent marks one as passed on.
func (t *Tx) CloseEvent(ctx context.Context, id int64, now time.Time) error {
	return t.swap(ctx, &newsletter.Error{Kind: newsletter.Conflict, Msg: "이미 전한 알림이에요."},
		`UPDATE outbox SET done_at = ? WHERE id = ? AND done_at IS NULL`, ms(now), id)
}

const messageColumns = `
SELECT m.id, m.webhook_id, m.event_id, m.type, m.payload, m.state, m.attempts, m.due_at, m.lease, m.code, m.error, m.created_at, m.done_at
FROM webhook_messages m WHERE TRUE`

func scanMessage(r scanner) (m newsletter.WebhookMessage, err error) {
	return m, r.Scan(&m.ID, &m.Webhook, &m.Event, &m.Type, &m.Payload, &m.State, &m.Attempts, asTime(&m.DueAt), &m.Lease, &m.Code, &m.Error,
		asTime(&m.CreatedAt), asTime(&m.DoneAt))
}

// AddWebhookMessage queues one.
func (t *Tx) AddWebhookMessage(ctx context.Context, m *newsletter.WebhookMessage) (err error) {
	m.ID, err = t.insert(ctx, `
		INSERT INTO webhook_messages (webhook_id, event_id, type, payload, state, due_at, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		m.Webhook, m.Event, m.Type, m.Payload, m.State, ms(m.DueAt), ms(m.CreatedAt))
	return err
}

// WebhookMessage returns one.
func (t *Tx) WebhookMessage(ctx context.Context, id int64) (newsletter.WebhookMessage, error) {
	m, err := scanMessage(t.queryRow(ctx, messageColumns+` AND m.id = ?`, id))
	return m, missing(err, "없는 전송 기록이에요.")
}

// WebhookMessages lists a webhook's, the newest first.
func (t *Tx) WebhookMessages(ctx context.Context, id newsletter.WebhookID, cursor int64, limit int) ([]newsletter.WebhookMessage, error) {
	var w where
	w.and(`m.webhook_id = ?`, id)
	if cursor > 0 {
		w.and(`m.id < ?`, cursor)
	}
	return list(ctx, t, scanMessage, messageColumns+w.text+` ORDER BY m.id DESC LIMIT ?`, append(w.args, limit+1)...)
}

// Behind a receiver that fails only its oldest due message is tried: a dead one must not hold every connection for its whole backlog.
const dueMessages = messageColumns + `
AND m.state = 'queued' AND m.due_at <= ?
AND EXISTS (SELECT 1 FROM webhooks w WHERE w.id = m.webhook_id AND w.state = 'active')
AND NOT EXISTS (SELECT 1 FROM webhook_messages o WHERE o.webhook_id = m.webhook_id AND o.state = 'queued' AND o.attempts > 0 AND o.id < m.id)
ORDER BY m.due_at, m.id LIMIT ?`

// ClaimWebhookMessages takes due messages until a time.
func (t *Tx) ClaimWebhookMessages(ctx context.Context, now, until time.Time, limit int) ([]newsletter.WebhookMessage, error) {
	due, err := list(ctx, t, scanMessage, dueMessages, ms(now), limit)
	if err != nil {
		return nil, err
	}
	var taken []newsletter.WebhookMessage
	for _, m := range due {
		n, err := t.exec(ctx, `UPDATE webhook_messages SET due_at = ?, lease = lease + 1 WHERE id = ? AND lease = ? AND state = 'queued'`, ms(until), m.ID, m.Lease)
		if err != nil {
			return nil, err
		}
		if n == 1 {
			m.Lease++
			taken = append(taken, m)
		}
	}
	return taken, nil
}

// SettleWebhookMessage writes what became of an attempt.
func (t *Tx) SettleWebhookMessage(ctx context.Context, m newsletter.WebhookMessage) error {
	return t.swap(ctx, newsletter.ErrLeaseLost, `
		UPDATE webhook_messages SET state = ?, attempts = ?, due_at = ?, code = ?, error = ?, done_at = ?
		WHERE id = ? AND lease = ? AND state = 'queued'`,
		m.State, m.Attempts, ms(m.DueAt), m.Code, m.Error, orNull(m.DoneAt), m.ID, m.Lease)
}

// RequeueWebhookMessage makes one due again, with all its attempts before it.
func (t *Tx) RequeueWebhookMessage(ctx context.Context, id int64, now time.Time) error {
	return t.swap(ctx, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 전송 기록이에요."}, `
		UPDATE webhook_messages SET state = 'queued', attempts = 0, due_at = ?, lease = lease + 1, done_at = NULL WHERE id = ?`, ms(now), id)
}

// GiveUpWebhookMessages fails all that is still queued for a webhook.
func (t *Tx) GiveUpWebhookMessages(ctx context.Context, id newsletter.WebhookID, why string, now time.Time) error {
	_, err := t.exec(ctx, `
		UPDATE webhook_messages SET state = 'failed', error = ?, done_at = ?, lease = lease + 1 WHERE webhook_id = ? AND state = 'queued'`, why, ms(now), id)
	return err
}

// DropOldEvents forgets passed-on events and settled messages.
func (t *Tx) DropOldEvents(ctx context.Context, before time.Time, limit int) error {
	for _, query := range []string{
		`DELETE FROM webhook_messages WHERE id IN (SELECT id FROM webhook_messages WHERE done_at < ? LIMIT ?)`,
		`DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE done_at < ? LIMIT ?)`,
	} {
		if _, err := t.exec(ctx, query, ms(before), limit); err != nil {
			return err
		}
	}
	return nil
}
