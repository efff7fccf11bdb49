package db

import (
	"context"
	"errors"
	"strings"

	"techissue/newsletter"
)

// Known looks up many addresses in four statements.
func (t *Tx) Known(ctx context.Context, keys []newsletter.AddressKey) (map[newsletter.AddressKey]newsletter.Known, error) {
	known := make(map[newsletter.AddressKey]newsletter.Known)
	if len(keys) == 0 {
		return known, nil
	}
	if err := t.roomy(ctx); err != nil {
		return nil, err
	}
	in, args := ` IN (`+marks(len(keys))+`)`, anyOf(keys)
	readers, err := list(ctx, t, scanSubscriber, subscriberColumns+` AND s.addr_key`+in, args...)
	if err != nil {
		return nil, err
	}
	if err := t.fillTags(ctx, readers); err != nil {
		return nil, err
	}
	for _, s := range readers {
		known[s.AddrKey] = newsletter.Known{Subscriber: s}
	}
	suppressions, err := list(ctx, t, scanSuppression, suppressionColumns+` AND addr_key`+in, args...)
	if err != nil {
		return nil, err
	}
	for _, s := range suppressions {
		k := known[s.AddrKey]
		k.Suppression = s
		known[s.AddrKey] = k
	}
	leavers, err := list(ctx, t, scanLeaver, `
		SELECT addr_key, at, kind FROM leavers
		WHERE id IN (SELECT MAX(id) FROM leavers WHERE addr_key`+in+` GROUP BY addr_key)`, args...)
	if err != nil {
		return nil, err
	}
	for _, l := range leavers {
		k := known[l.Key]
		k.Left = l
		known[l.Key] = k
	}
	return known, nil
}

func scanLeaver(r scanner) (l newsletter.Leaver, err error) {
	return l, r.Scan(&l.Key, asTime(&l.At), &l.Kind)
}

// inBlocks runs a statement for n rows: in blocks of 100, 10 and 1, so that the engines see only three texts of it. before
// ends with VALUES, row is one row's marks, args appends one row's values.
func (t *Tx) inBlocks(ctx context.Context, before, row, after string, n int, args func(i int, to []any) []any, run func(ctx context.Context, query string, args []any) error) error {
	for i, size := 0, 100; i < n; i += size {
		for size > n-i {
			size /= 10
		}
		values := make([]any, 0, size*(strings.Count(row, "?")))
		for j := i; j < i+size; j++ {
			values = args(j, values)
		}
		if err := run(ctx, before+strings.Repeat(row+", ", size-1)+row+after, values); err != nil {
			return err
		}
	}
	return nil
}

// addBlocks is inBlocks for statements that return nothing.
func (t *Tx) addBlocks(ctx context.Context, before, row string, n int, args func(i int, to []any) []any) error {
	return t.inBlocks(ctx, before, row, "", n, args, func(ctx context.Context, query string, values []any) error {
		_, err := t.exec(ctx, query, values...)
		return err
	})
}

// InsertSubscribers inserts new readers. The order of rows that RETURNING gives is not promised, so each names its address.
func (t *Tx) InsertSubscribers(ctx context.Context, readers []newsletter.Subscriber) error {
	ids := make(map[string]newsletter.SubscriberID, len(readers))
	type row struct {
		id  newsletter.SubscriberID
		key string
	}
	err := t.inBlocks(ctx, `
INSERT INTO subscribers (email, addr_key, name, status, source, ad_consent, ad_consent_at, consent_at, confirmed_at,
	unsubscribed_at, unsubscribe_reason, paused_until, no_tracking, updated_at, created_at)
VALUES `, `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, ` RETURNING id, addr_key`, len(readers),
		func(i int, to []any) []any {
			s := &readers[i]
			return append(to, s.Email.String(), string(s.AddrKey), s.Name, string(s.Status), s.Source, flag(s.AdConsent), orNull(s.AdConsentAt),
				orNull(s.ConsentAt), orNull(s.ConfirmedAt), orNull(s.UnsubscribedAt), s.UnsubscribeReason, orNull(s.PausedUntil),
				flag(s.NoTracking), ms(s.UpdatedAt), ms(s.CreatedAt))
		},
		func(ctx context.Context, query string, values []any) error {
			rows, err := list(ctx, t, func(r scanner) (v row, err error) { return v, r.Scan(&v.id, &v.key) }, query, values...)
			for _, r := range rows {
				ids[r.key] = r.id
			}
			return err
		})
	if err != nil {
		return taken(err, "email", "이미 있는 주소예요.")
	}
	type pair struct {
		id  newsletter.SubscriberID
		tag string
	}
	var tags []pair
	for i := range readers {
		s := &readers[i]
		if s.ID = ids[string(s.AddrKey)]; s.ID == 0 {
			return errors.New("an inserted reader did not come back")
		}
		for _, tag := range s.Tags {
			tags = append(tags, pair{s.ID, tag})
		}
	}
	return t.addBlocks(ctx, `INSERT INTO subscriber_tags (subscriber_id, tag) VALUES `, `(?, ?)`, len(tags), func(i int, to []any) []any {
		return append(to, int64(tags[i].id), tags[i].tag)
	})
}

// AddConsents appends to the ledger.
func (t *Tx) AddConsents(ctx context.Context, consents []newsletter.Consent) error {
	return t.addBlocks(ctx, `
INSERT INTO consents (subscriber_id, addr_key, kind, granted, text_version, at, ip, form, source, confirmed) VALUES `,
		`(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, len(consents), func(i int, to []any) []any {
			c := &consents[i]
			return append(to, int64(c.Subscriber), string(c.AddrKey), string(c.Kind), flag(c.Granted), c.TextVersion, ms(c.At), c.IP, c.Form, c.Source, c.Confirmed)
		})
}

// AddEvents appends to the timelines.
func (t *Tx) AddEvents(ctx context.Context, events []newsletter.Event) error {
	return t.addBlocks(ctx, `INSERT INTO events (subscriber_id, kind, detail, at) VALUES `, `(?, ?, ?, ?)`, len(events), func(i int, to []any) []any {
		e := &events[i]
		return append(to, int64(e.Subscriber), e.Kind, e.Detail, ms(e.At))
	})
}

// AddLeavers appends to the leavers.
func (t *Tx) AddLeavers(ctx context.Context, leavers []newsletter.Leaver) error {
	return t.addBlocks(ctx, `INSERT INTO leavers (addr_key, at, kind) VALUES `, `(?, ?, ?)`, len(leavers), func(i int, to []any) []any {
		return append(to, string(leavers[i].Key), ms(leavers[i].At), leavers[i].Kind)
	})
}
