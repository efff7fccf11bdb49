package newsletter

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// Subscribers lists readers for the desk, newest first, at most 200, and tells whether there are more.
func (s *Service) Subscribers(ctx context.Context, f SubscriberFilter) ([]Subscriber, bool, error) {
	f.Limit = pageLimit(f.Limit)
	f = f.clean()
	rows, err := get(ctx, s, func(tx Tx) ([]Subscriber, error) { return tx.Subscribers(ctx, f) })
	rows, more := page(rows, f.Limit)
	return rows, more, err
}

func (f SubscriberFilter) clean() SubscriberFilter {
	f.Query, f.Tag = norm.NFC.String(strings.TrimSpace(f.Query)), norm.NFC.String(strings.TrimSpace(f.Tag))
	return f
}

// CountSubscribers counts readers by the status that is shown of them.
func (s *Service) CountSubscribers(ctx context.Context) (map[Status]int64, error) {
	return get(ctx, s, func(tx Tx) (map[Status]int64, error) { return tx.CountSubscribers(ctx) })
}

// Subscriber returns one reader.
func (s *Service) Subscriber(ctx context.Context, id SubscriberID) (Subscriber, error) {
	return get(ctx, s, func(tx Tx) (Subscriber, error) { return tx.Subscriber(ctx, id) })
}

// SubscriberByEmail returns the reader of an address, however it is spelled.
func (s *Service) SubscriberByEmail(ctx context.Context, email string) (Subscriber, error) {
	addr, err := ParseAddress(email)
	if err != nil {
		return Subscriber{}, err
	}
	return get(ctx, s, func(tx Tx) (Subscriber, error) { return tx.SubscriberByKey(ctx, s.keyOf(addr)) })
}

// SubscriberEvents returns a reader's timeline and consents, oldest first, and the last 200 letters, newest first.
func (s *Service) SubscriberEvents(ctx context.Context, id SubscriberID) ([]Event, []Consent, []Delivery, error) {
	var events []Event
	var consents []Consent
	var letters []Delivery
	err := s.view(ctx, func(tx Tx) (err error) {
		if _, err = tx.Subscriber(ctx, id); err != nil {
			return err
		}
		if events, err = tx.Events(ctx, id); err != nil {
			return err
		}
		if consents, err = tx.Consents(ctx, id); err != nil {
			return err
		}
		letters, err = tx.DeliveriesOf(ctx, id, 200)
		return err
	})
	return events, consents, letters, err
}

// NewSubscriber is a reader whom the editor or a program adds.
type NewSubscriber struct {
	Email, Name   string
	Tags          []string
	Status        Status    // Pending (also "") mails a confirmation; Active needs ConsentSource
	ConsentSource string    // where and how they agreed: the evidence
	TextVersion   string    // of the text they agreed to
	ConsentAt     time.Time // zero: now
	AdConsent     bool
	IP            string
	Via           string // admin, api, cli
}

// judge cleans the input and names all its faults.
func (n *NewSubscriber) judge() (Address, error) {
	var faults Faults
	addr, err := ParseAddress(n.Email)
	if err != nil {
		faults = append(faults, FaultsOf(err)...)
	}
	if n.Name, err = CleanName(n.Name); err != nil {
		faults = append(faults, FaultsOf(err)...)
	}
	if n.Tags, err = cleanTags(n.Tags); err != nil {
		faults = append(faults, FaultsOf(err)...)
	}
	given := strings.TrimSpace(n.ConsentSource) != ""
	if n.ConsentSource, err = CleanLine(n.ConsentSource, 500); err != nil {
		faults = append(faults, at("consent_source", err))
	}
	if n.TextVersion, err = CleanLine(n.TextVersion, 100); err != nil {
		faults = append(faults, at("text_version", err))
	}
	if n.Status == "" {
		n.Status = Pending
	}
	switch {
	case n.Status != Pending && n.Status != Active:
		faults = append(faults, invalid("status", "상태는 pending이나 active 가운데 하나예요."))
	case n.Status == Active && !given:
		faults = append(faults, invalid("consent_source", "동의를 어디서 어떻게 받았는지 적어 주세요. 근거 없이는 바로 구독 중으로 만들 수 없어요."))
	}
	return addr, faults.Err()
}

// AddSubscriber adds one reader: pending, and then the confirmation is mailed within the limits, or active on the evidence
// named. Errors: Faults (email, name, tags, status, consent_source, …); Conflict with code exists when the address
// is known, whatever its status (nobody who left is revived from the desk), suppressed when it must not be
// written to, left when they had their data erased and the consent is older than that.
func (s *Service) AddSubscriber(ctx context.Context, actor string, n NewSubscriber) (Subscriber, error) {
	addr, err := n.judge()
	if err != nil {
		return Subscriber{}, err
	}
	now := s.opt.Now()
	if n.ConsentAt.IsZero() || n.ConsentAt.After(now) {
		n.ConsentAt = now
	}
	var sub Subscriber
	err = s.update(ctx, func(tx Tx) error {
		sub = Subscriber{
			Email: addr, AddrKey: s.keyOf(addr), Name: n.Name, Tags: n.Tags, Status: n.Status, Source: n.Via, CreatedAt: now, UpdatedAt: now,
		}
		if err := s.mayAdd(ctx, tx, sub, n, now); err != nil {
			return err
		}
		if n.Status == Active {
			sub.ConsentAt = n.ConsentAt
			if n.AdConsent {
				sub.AdConsent, sub.AdConsentAt = true, n.ConsentAt
			}
		}
		if err := tx.PutSubscriber(ctx, &sub); err != nil {
			return err
		}
		if err := tx.AddEvent(ctx, Event{Subscriber: sub.ID, Kind: "subscribed", Detail: n.Via, At: now}); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, actor, "subscriber_add", subscriberName(sub.ID), string(n.Status)); err != nil {
			return err
		}
		if n.Status == Active {
			return s.consentBrought(ctx, tx, sub, n)
		}
		asked := sub
		asked.AdConsent = n.AdConsent // takes effect when the mailed link is used
		return s.queueConfirmation(ctx, tx, &asked, now, false)
	})
	if err != nil {
		return Subscriber{}, fmt.Errorf("add subscriber: %w", err)
	}
	s.opt.Wake()
	return sub, nil
}

// mayAdd refuses known addresses, those not to be written to, and those whose erasure is younger than the consent.
func (s *Service) mayAdd(ctx context.Context, tx Tx, sub Subscriber, n NewSubscriber, now time.Time) error {
	_, err := tx.SubscriberByKey(ctx, sub.AddrKey)
	known, err := found(err)
	if err != nil {
		return err
	}
	if known {
		return &Error{Kind: Conflict, Field: "email", Code: "exists", Msg: "이미 있는 구독자예요."}
	}
	_, err = tx.SuppressionByKey(ctx, sub.AddrKey)
	if barred, err := found(err); err != nil {
		return err
	} else if barred {
		return &Error{Kind: Conflict, Field: "email", Code: "suppressed", Msg: "보내지 않기로 한 주소예요. 수신 차단을 먼저 풀어 주세요."}
	}
	if n.Status == Pending {
		return nil
	}
	left, err := tx.LastLeaver(ctx, sub.AddrKey)
	if gone, err := found(err); err != nil || !gone || !left.gone() {
		return err
	}
	if !n.ConsentAt.After(left.At) {
		return &Error{Kind: Conflict, Field: "email", Code: "left", Msg: "동의한 날보다 뒤에 수신을 거부하거나 지운 주소예요."}
	}
	return s.leave(ctx, tx, sub.AddrKey, "returned", now)
}

// gone tells that the line speaks of a reader's own will to leave, and that nothing took it back.
func (l Leaver) gone() bool { return l.Kind == "unsubscribed" || l.Kind == "erased" }

// consentBrought records the consents of a reader who agreed elsewhere.
func (s *Service) consentBrought(ctx context.Context, tx Tx, sub Subscriber, n NewSubscriber) error {
	c := Consent{
		Subscriber: sub.ID, AddrKey: sub.AddrKey, Kind: ConsentImported, Granted: true, TextVersion: n.TextVersion, At: n.ConsentAt,
		IP: n.IP, Form: n.Via, Source: n.ConsentSource, Confirmed: "admin",
	}
	if err := tx.AddConsent(ctx, c); err != nil {
		return err
	}
	if n.AdConsent {
		c.Kind = ConsentAd
		if err := tx.AddConsent(ctx, c); err != nil {
			return err
		}
	}
	return tx.Emit(ctx, "subscriber.confirmed", fmt.Sprintf(`{"id":%d}`, sub.ID), sub.UpdatedAt)
}

// SubscriberPatch says what to change of a reader; nil leaves it as it is.
type SubscriberPatch struct {
	Email, Name *string
	Tags        *[]string
	AdConsent   *bool
	PausedUntil *time.Time // zero ends the rest
}

// PatchSubscriber changes a reader. Errors: NotFound; Faults (email, name, tags); Conflict with code exists, or left when
// the new address belongs to somebody who left. Letters queued for the old address are skipped by the gate.
func (s *Service) PatchSubscriber(ctx context.Context, actor string, id SubscriberID, p SubscriberPatch) (Subscriber, error) {
	addr, err := p.judge()
	if err != nil {
		return Subscriber{}, err
	}
	now := s.opt.Now()
	var sub Subscriber
	err = s.update(ctx, func(tx Tx) (err error) {
		if sub, err = tx.Subscriber(ctx, id); err != nil {
			return err
		}
		events, err := s.applyPatch(ctx, tx, &sub, p, addr, viaOf(actor))
		if err != nil || len(events) == 0 {
			return err
		}
		sub.UpdatedAt = now
		if err := tx.PutSubscriber(ctx, &sub); err != nil {
			return err
		}
		for _, kind := range events {
			if err := tx.AddEvent(ctx, Event{Subscriber: sub.ID, Kind: kind, Detail: viaOf(actor), At: now}); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, actor, "subscriber_update", subscriberName(sub.ID), strings.Join(events, ", "))
	})
	if err != nil {
		return Subscriber{}, fmt.Errorf("change subscriber %d: %w", id, err)
	}
	return sub, nil
}

func (p *SubscriberPatch) judge() (addr Address, err error) {
	var faults Faults
	if p.Email != nil {
		if addr, err = ParseAddress(*p.Email); err != nil {
			faults = append(faults, FaultsOf(err)...)
		}
	}
	if p.Name != nil {
		name, err := CleanName(*p.Name)
		if err != nil {
			faults = append(faults, FaultsOf(err)...)
		}
		p.Name = &name
	}
	if p.Tags != nil {
		tags, err := cleanTags(*p.Tags)
		if err != nil {
			faults = append(faults, FaultsOf(err)...)
		}
		p.Tags = &tags
	}
	return addr, faults.Err()
}

// applyPatch changes sub and returns the kinds of events that tell of it.
func (s *Service) applyPatch(ctx context.Context, tx Tx, sub *Subscriber, p SubscriberPatch, addr Address, via string) ([]string, error) {
	var events []string
	if p.Email != nil && s.keyOf(addr) != sub.AddrKey {
		if err := s.mayMove(ctx, tx, s.keyOf(addr)); err != nil {
			return nil, err
		}
		sub.Email, sub.AddrKey = addr, s.keyOf(addr)
		events = append(events, "address_changed")
	}
	if p.Name != nil && *p.Name != sub.Name {
		sub.Name = *p.Name
		events = append(events, "renamed")
	}
	if p.Tags != nil && !slices.Equal(*p.Tags, sub.Tags) {
		sub.Tags = *p.Tags
		events = append(events, "tagged")
	}
	if p.PausedUntil != nil && !p.PausedUntil.Equal(sub.PausedUntil) {
		sub.PausedUntil = *p.PausedUntil
		kind := "paused"
		if !sub.Paused(s.opt.Now()) {
			sub.PausedUntil, kind = time.Time{}, "resumed"
		}
		events = append(events, kind)
	}
	if p.AdConsent != nil && *p.AdConsent != sub.AdConsent {
		now := s.opt.Now()
		sub.AdConsent, sub.AdConsentAt = *p.AdConsent, time.Time{}
		if sub.AdConsent {
			sub.AdConsentAt = now
		}
		events = append(events, "ad_consent")
		c := Consent{Subscriber: sub.ID, AddrKey: sub.AddrKey, Kind: ConsentAd, Granted: sub.AdConsent, TextVersion: ConsentVersion, At: now, Form: via, Confirmed: "admin"}
		return events, tx.AddConsent(ctx, c)
	}
	return events, nil
}

// mayMove tells whether a reader may take over the address.
func (s *Service) mayMove(ctx context.Context, tx Tx, key AddressKey) error {
	_, err := tx.SubscriberByKey(ctx, key)
	if taken, err := found(err); err != nil {
		return err
	} else if taken {
		return &Error{Kind: Conflict, Field: "email", Code: "exists", Msg: "다른 구독자가 쓰고 있는 주소예요."}
	}
	left, err := tx.LastLeaver(ctx, key)
	if gone, err := found(err); err != nil || !gone || !left.gone() {
		return err
	}
	return &Error{Kind: Conflict, Field: "email", Code: "left", Msg: "수신을 거부하거나 지운 주소예요. 본인이 다시 구독해야 해요."}
}

// UnsubscribeReader does what the reader's own click does, at their request to the editor. Doing it again changes nothing.
func (s *Service) UnsubscribeReader(ctx context.Context, actor string, id SubscriberID) (Subscriber, error) {
	var sub Subscriber
	err := s.update(ctx, func(tx Tx) (err error) {
		if sub, err = tx.Subscriber(ctx, id); err != nil || sub.Status == Unsubscribed {
			return err
		}
		if err := s.unsubscribe(ctx, tx, &sub, viaOf(actor), ""); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "unsubscribe", subscriberName(id), "")
	})
	if err != nil {
		return Subscriber{}, fmt.Errorf("unsubscribe subscriber %d: %w", id, err)
	}
	s.opt.Wake()
	return sub, nil
}

// EraseReader forgets a reader; the keyed hash of the address and the consents under it stay.
func (s *Service) EraseReader(ctx context.Context, actor string, id SubscriberID) error {
	return s.update(ctx, func(tx Tx) error {
		sub, err := tx.Subscriber(ctx, id)
		if err != nil {
			return err
		}
		if err := s.erase(ctx, tx, sub); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "erase", subscriberName(id), "")
	})
}

// Suppressions lists addresses that must not be written to, newest first, and tells whether there are more.
func (s *Service) Suppressions(ctx context.Context, query string, cursor int64, limit int) ([]Suppression, bool, error) {
	limit = pageLimit(limit)
	query = strings.ToLower(norm.NFC.String(strings.TrimSpace(query)))
	rows, err := get(ctx, s, func(tx Tx) ([]Suppression, error) { return tx.Suppressions(ctx, query, cursor, limit) })
	rows, more := page(rows, limit)
	return rows, more, err
}

// Suppress forbids every letter to an address, of a reader or not. Reason "" means manual. For an address already there
// the stronger reason stays. Faults: email, reason, evidence.
func (s *Service) Suppress(ctx context.Context, actor, email string, r SuppressionReason, evidence string) (Suppression, error) {
	var faults Faults
	addr, err := ParseAddress(email)
	if err != nil {
		faults = append(faults, FaultsOf(err)...)
	}
	if r == "" {
		r = SuppressedManual
	}
	if !slices.Contains([]SuppressionReason{SuppressedHard, SuppressedSoft, SuppressedComplaint, SuppressedManual}, r) {
		faults = append(faults, invalid("reason", "이유는 hard, soft, complaint, manual 가운데 하나예요."))
	}
	if evidence, err = CleanLine(evidence, 1000); err != nil {
		faults = append(faults, at("evidence", err))
	}
	if err := faults.Err(); err != nil {
		return Suppression{}, err
	}
	var sup Suppression
	err = s.update(ctx, func(tx Tx) error {
		sup = Suppression{AddrKey: s.keyOf(addr), Email: addr.String(), Reason: r, Evidence: evidence, CreatedAt: s.opt.Now()}
		if err := s.suppress(ctx, tx, &sup); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "suppress", suppressionName(sup.ID), string(r))
	})
	if err != nil {
		return Suppression{}, fmt.Errorf("suppress: %w", err)
	}
	return sup, nil
}

// suppress keeps the suppression, and tells the leavers' log and the timeline of a reader who has the address.
func (s *Service) suppress(ctx context.Context, tx Tx, sup *Suppression) error {
	reason, now := sup.Reason, sup.CreatedAt
	if err := s.leave(ctx, tx, sup.AddrKey, "suppressed", now); err != nil {
		return err
	}
	if err := tx.PutSuppression(ctx, sup); err != nil {
		return err
	}
	sub, err := tx.SubscriberByKey(ctx, sup.AddrKey)
	if known, err := found(err); err != nil || !known {
		return err
	}
	if err := tx.AddEvent(ctx, Event{Subscriber: sub.ID, Kind: "suppressed", Detail: string(reason), At: now}); err != nil {
		return err
	}
	return tx.Emit(ctx, "subscriber.suppressed", fmt.Sprintf(`{"id":%d}`, sub.ID), now)
}

// LiftSuppression lets letters through to an address again; what the reader themself chose stays.
func (s *Service) LiftSuppression(ctx context.Context, actor string, id int64) error {
	now := s.opt.Now()
	return s.update(ctx, func(tx Tx) error {
		sup, err := tx.Suppression(ctx, id)
		if err != nil {
			return err
		}
		if err := tx.DeleteSuppression(ctx, id); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, actor, "lift", suppressionName(id), string(sup.Reason)); err != nil {
			return err
		}
		sub, err := tx.SubscriberByKey(ctx, sup.AddrKey)
		if known, err := found(err); err != nil || !known {
			return err
		}
		if err := tx.AddEvent(ctx, Event{Subscriber: sub.ID, Kind: "lifted", Detail: string(sup.Reason), At: now}); err != nil {
			return err
		}
		if sub.Status == Unsubscribed { // "returned" would take their own leaving back, too
			return nil
		}
		return s.leave(ctx, tx, sup.AddrKey, "returned", now)
	})
}

// viaOf is the door in a consent or event: admin, api, cli or system.
func viaOf(actor string) string {
	door, _, _ := strings.Cut(actor, ":")
	if door == "key" {
		return "api"
	}
	return door
}

func subscriberName(id SubscriberID) string { return fmt.Sprintf("subscriber:%d", id) }

func suppressionName(id int64) string { return fmt.Sprintf("suppression:%d", id) }
