package db

import (
	"context"
	"encoding/json"
	"fmt"

	"techissue/newsletter"
)

const noticeColumns = `
SELECT id, kind, subscriber_id, email, payload, state, reason, lease, due_at, attempts, resent, reply, created_at, done_at
FROM notices WHERE TRUE`

func scanNotice(r scanner) (newsletter.Notice, error) {
	var n newsletter.Notice
	var payload string
	err := r.Scan(&n.ID, &n.Kind, &n.Subscriber, &n.Email, &payload, &n.State, &n.Reason, &n.Lease, asTime(&n.DueAt), &n.Attempts,
		asFlag(&n.Resent), &n.Reply, asTime(&n.CreatedAt), asTime(&n.DoneAt))
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal([]byte(payload), &n.Payload); err != nil {
		return n, fmt.Errorf("read notice %d: %w", n.ID, err)
	}
	return n, nil
}

// QueueNotice makes a single letter owed, or with state skipped keeps why there was none.
func (t *Tx) QueueNotice(ctx context.Context, n *newsletter.Notice) error {
	done := any(nil)
	switch n.State {
	case newsletter.Skipped:
		done = ms(n.CreatedAt)
	default:
		n.State, n.Reason = newsletter.Queued, ""
	}
	id, err := t.insert(ctx, `
		INSERT INTO notices (kind, subscriber_id, email, payload, state, reason, due_at, created_at, done_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		n.Kind, n.Subscriber, n.Email, jsonText(n.Payload), n.State, n.Reason, ms(n.DueAt), ms(n.CreatedAt), done)
	n.ID = newsletter.NoticeID(id)
	return err
}

// Notice returns one single letter.
func (t *Tx) Notice(ctx context.Context, id newsletter.NoticeID) (newsletter.Notice, error) {
	n, err := scanNotice(t.queryRow(ctx, noticeColumns+` AND id = ?`, id))
	return n, missing(err, "없는 편지예요.")
}

// Notices lists single letters, newest first.
func (t *Tx) Notices(ctx context.Context, kind newsletter.NoticeKind, limit int) ([]newsletter.Notice, error) {
	var w where
	if kind != "" {
		w.and(`kind = ?`, kind)
	}
	return list(ctx, t, scanNotice, noticeColumns+w.text+` ORDER BY id DESC LIMIT ?`, append(w.args, limit+1)...)
}
