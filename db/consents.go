package db

import (
	"context"

	"techissue/newsletter"
)

// AddConsent appends to the ledger.
func (t *Tx) AddConsent(ctx context.Context, c newsletter.Consent) error {
	_, err := t.exec(ctx, `
		INSERT INTO consents (subscriber_id, addr_key, kind, granted, text_version, at, ip, form, source, confirmed)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.Subscriber, c.AddrKey, c.Kind, flag(c.Granted), c.TextVersion, ms(c.At), c.IP, c.Form, c.Source, c.Confirmed)
	return err
}

// Consents lists a reader's ledger, oldest first.
func (t *Tx) Consents(ctx context.Context, id newsletter.SubscriberID) ([]newsletter.Consent, error) {
	return list(ctx, t, func(r scanner) (c newsletter.Consent, err error) {
		err = r.Scan(&c.ID, &c.Subscriber, &c.AddrKey, &c.Kind, asFlag(&c.Granted), &c.TextVersion, asTime(&c.At), &c.IP, &c.Form, &c.Source, &c.Confirmed)
		return c, err
	}, `
		SELECT id, subscriber_id, addr_key, kind, granted, text_version, at, ip, form, source, confirmed
		FROM consents WHERE subscriber_id = ? ORDER BY id`, id)
}

// AddEvent appends to a reader's timeline.
func (t *Tx) AddEvent(ctx context.Context, e newsletter.Event) error {
	_, err := t.exec(ctx, `INSERT INTO events (subscriber_id, kind, detail, at) VALUES (?, ?, ?, ?)`, e.Subscriber, e.Kind, e.Detail, ms(e.At))
	return err
}

// Events lists a reader's timeline, oldest first.
func (t *Tx) Events(ctx context.Context, id newsletter.SubscriberID) ([]newsletter.Event, error) {
	return list(ctx, t, func(r scanner) (e newsletter.Event, err error) {
		return e, r.Scan(&e.ID, &e.Subscriber, &e.Kind, &e.Detail, asTime(&e.At))
	}, `SELECT id, subscriber_id, kind, detail, at FROM events WHERE subscriber_id = ? ORDER BY id`, id)
}
