package db

import (
	"context"
	"fmt"
	"strings"
	"time"

	"techissue/newsletter"
)

// EraseSubscriber forgets a reader. A letter in doubt has nowhere to be tried again, so its second try counts as used.
// An answer remembered for an API call keeps all but its body, or the call would make the reader anew when it is repeated.
func (t *Tx) EraseSubscriber(ctx context.Context, id newsletter.SubscriberID, now time.Time) error {
	s, err := t.Subscriber(ctx, id)
	if err != nil {
		return err
	}
	email := s.Email.String()
	for _, q := range []struct {
		text string
		args []any
	}{
		{`UPDATE deliveries SET state = 'skipped', reason = 'erased', done_at = ? WHERE subscriber_id = ? AND state IN ('queued', 'leased')`, []any{ms(now), id}},
		{`UPDATE attempts SET reply = '' WHERE delivery_id IN (SELECT id FROM deliveries WHERE subscriber_id = ?)`, []any{id}},
		{`UPDATE deliveries SET email = '', reply = '', resent = 1 WHERE subscriber_id = ?`, []any{id}},
		{`DELETE FROM attempts WHERE notice_id IN (SELECT id FROM notices WHERE subscriber_id = ?)`, []any{id}},
		{`DELETE FROM notices WHERE subscriber_id = ?`, []any{id}},
		{`DELETE FROM attempts WHERE notice_id IN (SELECT id FROM notices WHERE email = ?)`, []any{email}},
		{`DELETE FROM notices WHERE email = ?`, []any{email}},
		{`DELETE FROM grants WHERE subscriber_id = ?`, []any{id}},
		{`DELETE FROM grants WHERE detail = ?`, []any{email}}, // somebody else's wish to move there
		{`DELETE FROM events WHERE subscriber_id = ?`, []any{id}},
		{`DELETE FROM leave_offers WHERE subscriber_id = ?`, []any{id}},
		{`UPDATE suppressions SET email = '', evidence = '' WHERE addr_key = ?`, []any{s.AddrKey}},
		{`UPDATE import_rejects SET value = '' WHERE LOWER(value) {{like}} ? ESCAPE '\'`, []any{contains(email)}},
		{`UPDATE alerts SET text = REPLACE(text, ?, '(지운 주소)') WHERE text {{like}} ? ESCAPE '\'`, []any{email, contains(email)}}, // a server's words quoted
		{`UPDATE alerts SET text = '' WHERE text {{like}} ? ESCAPE '\'`, []any{contains(email)}},                                 // in other letters
		{`UPDATE replays SET body = ? WHERE {{found}}(body, ?) > 0`, []any{[]byte{}, []byte(strings.Trim(jsonText(email), `"`))}},
		// What they wrote goes, the place under which others answered stays.
		{`DELETE FROM comments WHERE writer_id IN (SELECT id FROM comment_writers WHERE addr_key = ?)
			AND NOT EXISTS (SELECT 1 FROM comments r WHERE r.parent_id = comments.id)`, []any{s.AddrKey}},
		{`UPDATE comments SET status = 'deleted', name = '', body = '', ip = '', writer_id = 0, notify = 0
			WHERE writer_id IN (SELECT id FROM comment_writers WHERE addr_key = ?)`, []any{s.AddrKey}},
		{`DELETE FROM comment_writers WHERE addr_key = ?`, []any{s.AddrKey}},
		{`DELETE FROM subscriber_tags WHERE subscriber_id = ?`, []any{id}},
		{`DELETE FROM subscribers WHERE id = ?`, []any{id}},
	} {
		if _, err := t.exec(ctx, q.text, q.args...); err != nil {
			return fmt.Errorf("erase: %w", err)
		}
	}
	return nil
}
