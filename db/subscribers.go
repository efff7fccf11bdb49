package db

import (
	"context"
	"slices"
	"time"

	"techissue/newsletter"
)

const subscriberColumns = `
SELECT s.id, s.email, s.addr_key, s.name, s.status, s.source, s.ad_consent, s.ad_consent_at, s.consent_at, s.confirmed_at,
	s.unsubscribed_at, s.unsubscribe_reason, s.paused_until, s.no_tracking, p.reason, s.created_at, s.updated_at
FROM subscribers s
LEFT JOIN suppressions p ON p.addr_key = s.addr_key
WHERE TRUE`

func scanSubscriber(r scanner) (newsletter.Subscriber, error) {
	var s newsletter.Subscriber
	var email string
	err := r.Scan(&s.ID, &email, &s.AddrKey, &s.Name, &s.Status, &s.Source, asFlag(&s.AdConsent), asTime(&s.AdConsentAt), asTime(&s.ConsentAt),
		asTime(&s.ConfirmedAt), asTime(&s.UnsubscribedAt), &s.UnsubscribeReason, asTime(&s.PausedUntil), asFlag(&s.NoTracking),
		asText(&s.Suppression), asTime(&s.CreatedAt), asTime(&s.UpdatedAt))
	s.Email = newsletter.StoredAddress(email)
	return s, err
}

func (t *Tx) oneSubscriber(ctx context.Context, condition string, arg any) (newsletter.Subscriber, error) {
	s, err := scanSubscriber(t.queryRow(ctx, subscriberColumns+condition, arg))
	if err != nil {
		return s, missing(err, "없는 구독자예요.")
	}
	s.Tags, err = t.tagsOf(ctx, s.ID)
	return s, err
}

func (t *Tx) tagsOf(ctx context.Context, id newsletter.SubscriberID) ([]string, error) {
	return list(ctx, t, scanText, `SELECT tag FROM subscriber_tags WHERE subscriber_id = ? ORDER BY tag`, id)
}

func scanText(r scanner) (s string, err error) { return s, r.Scan(&s) }

// Subscriber returns a reader by id.
func (t *Tx) Subscriber(ctx context.Context, id newsletter.SubscriberID) (newsletter.Subscriber, error) {
	return t.oneSubscriber(ctx, ` AND s.id = ?`, id)
}

// SubscriberByKey returns a reader by the hash of the address.
func (t *Tx) SubscriberByKey(ctx context.Context, key newsletter.AddressKey) (newsletter.Subscriber, error) {
	return t.oneSubscriber(ctx, ` AND s.addr_key = ?`, key)
}

const insertSubscriber = `
INSERT INTO subscribers (email, addr_key, name, status, source, ad_consent, ad_consent_at, consent_at, confirmed_at,
	unsubscribed_at, unsubscribe_reason, paused_until, no_tracking, updated_at, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`

const updateSubscriber = `
UPDATE subscribers SET email = ?, addr_key = ?, name = ?, status = ?, source = ?, ad_consent = ?, ad_consent_at = ?, consent_at = ?,
	confirmed_at = ?, unsubscribed_at = ?, unsubscribe_reason = ?, paused_until = ?, no_tracking = ?, updated_at = ?
WHERE id = ?`

// PutSubscriber inserts or changes a reader with the tags.
func (t *Tx) PutSubscriber(ctx context.Context, s *newsletter.Subscriber) (err error) {
	args := []any{s.Email.String(), s.AddrKey, s.Name, s.Status, s.Source, flag(s.AdConsent), orNull(s.AdConsentAt), orNull(s.ConsentAt),
		orNull(s.ConfirmedAt), orNull(s.UnsubscribedAt), s.UnsubscribeReason, orNull(s.PausedUntil), flag(s.NoTracking), ms(s.UpdatedAt)}
	if s.ID == 0 {
		var id int64
		if id, err = t.insert(ctx, insertSubscriber, append(args, ms(s.CreatedAt))...); err == nil {
			s.ID = newsletter.SubscriberID(id)
		}
	} else {
		err = t.swap(ctx, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 구독자예요."}, updateSubscriber, append(args, s.ID)...)
	}
	if err != nil {
		return taken(err, "email", "이미 있는 주소예요.")
	}
	return t.putTags(ctx, s)
}

func (t *Tx) putTags(ctx context.Context, s *newsletter.Subscriber) error {
	s.Tags = slices.Compact(slices.Sorted(slices.Values(s.Tags)))
	was, err := t.tagsOf(ctx, s.ID)
	if err != nil || slices.Equal(was, s.Tags) {
		return err
	}
	if _, err := t.exec(ctx, `DELETE FROM subscriber_tags WHERE subscriber_id = ?`, s.ID); err != nil {
		return err
	}
	for _, tag := range s.Tags {
		if _, err := t.exec(ctx, `INSERT INTO subscriber_tags (subscriber_id, tag) VALUES (?, ?)`, s.ID, tag); err != nil {
			return err
		}
	}
	return nil
}

// subscribersWhere are the conditions of a filter on subscribers s and their suppressions p.
func subscribersWhere(f newsletter.SubscriberFilter) where {
	var w where
	switch f.Status {
	case "":
	case newsletter.Suppressed:
		w.and(`p.reason IS NOT NULL AND s.status <> 'unsubscribed'`)
	case newsletter.Unsubscribed:
		w.and(`s.status = 'unsubscribed'`)
	default:
		w.and(`s.status = ? AND p.reason IS NULL`, f.Status)
	}
	if f.Query != "" {
		w.and(`(s.email {{like}} ? ESCAPE '\' OR s.name {{like}} ? ESCAPE '\')`, contains(f.Query), contains(f.Query))
	}
	if f.Tag != "" {
		w.and(`EXISTS (SELECT 1 FROM subscriber_tags g WHERE g.subscriber_id = s.id AND g.tag = ?)`, f.Tag)
	}
	if f.Cursor > 0 {
		w.and(`s.id < ?`, f.Cursor)
	}
	return w
}

// Subscribers lists readers, newest first.
func (t *Tx) Subscribers(ctx context.Context, f newsletter.SubscriberFilter) ([]newsletter.Subscriber, error) {
	w := subscribersWhere(f)
	rows, err := list(ctx, t, scanSubscriber, subscriberColumns+w.text+` ORDER BY s.id DESC LIMIT ?`, append(w.args, f.Limit+1)...)
	if err != nil {
		return nil, err
	}
	return rows, t.fillTags(ctx, rows)
}

// fillTags reads the tags of a page of readers in one go.
func (t *Tx) fillTags(ctx context.Context, rows []newsletter.Subscriber) error {
	if len(rows) == 0 {
		return nil
	}
	at := make(map[newsletter.SubscriberID]int, len(rows))
	ids := make([]any, len(rows))
	for n, s := range rows {
		at[s.ID], ids[n] = n, s.ID
	}
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var id newsletter.SubscriberID
		var tag string
		err := r.Scan(&id, &tag)
		if err == nil {
			rows[at[id]].Tags = append(rows[at[id]].Tags, tag)
		}
		return struct{}{}, err
	}, `SELECT subscriber_id, tag FROM subscriber_tags WHERE subscriber_id IN (`+marks(len(ids))+`) ORDER BY tag`, ids...)
	return err
}

// CountSubscribers counts by shown status.
func (t *Tx) CountSubscribers(ctx context.Context) (map[newsletter.Status]int64, error) {
	counts := map[newsletter.Status]int64{}
	err := t.countInto(ctx, func(status newsletter.Status, n int64) { counts[status] += n },
		`SELECT status, COUNT(*) FROM subscribers GROUP BY status`)
	if err != nil {
		return nil, err
	}
	return counts, t.countInto(ctx, func(status newsletter.Status, n int64) {
		counts[status] -= n
		counts[newsletter.Suppressed] += n
	}, `SELECT s.status, COUNT(*) FROM suppressions p JOIN subscribers s ON s.addr_key = p.addr_key WHERE s.status <> 'unsubscribed' GROUP BY s.status`)
}

func (t *Tx) countInto(ctx context.Context, add func(newsletter.Status, int64), query string) error {
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var status newsletter.Status
		var n int64
		err := r.Scan(&status, &n)
		add(status, n)
		return struct{}{}, err
	}, query)
	return err
}

// PendingBefore lists unconfirmed readers who were last asked before at.
func (t *Tx) PendingBefore(ctx context.Context, at time.Time, limit int) ([]newsletter.Subscriber, error) {
	return list(ctx, t, scanSubscriber, subscriberColumns+` AND s.status = 'pending' AND s.created_at < ?
		AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.subscriber_id = s.id AND g.kind = 'confirm' AND g.created_at >= ?)
		ORDER BY s.created_at, s.id LIMIT ?`, ms(at), ms(at), limit+1)
}
