package newsletter

import (
	"context"
	"fmt"
	"time"
)

// MeView is all that a token printed in an issue may see: letters are forwarded (S53).
type MeView struct {
	Masked      string
	Status      Status
	PausedUntil time.Time
	NoTracking  bool
	Fresh       bool // the token is a mailed link that opens the whole page
}

// PreferencesView answers for both kinds of /me token and changes nothing. Errors: NotFound, Gone.
func (s *Service) PreferencesView(ctx context.Context, token string) (MeView, error) {
	return get(ctx, s, func(tx Tx) (MeView, error) {
		_, sub, err := s.openGrant(ctx, tx, PurposeManage, GrantManage, token)
		fresh := err == nil
		if KindOf(err) == NotFound {
			sub, err = s.tokenReader(ctx, tx, PurposePreferences, token)
		}
		if err != nil {
			return MeView{}, err
		}
		return MeView{
			Masked: sub.Email.Masked(), Status: sub.Shown(), PausedUntil: sub.PausedUntil, NoTracking: sub.NoTracking, Fresh: fresh,
		}, nil
	})
}

// AskManageLink mails a 30-minute link to the reader's own page. The answer and the work are the same whether or not there
// is one (S11).
func (s *Service) AskManageLink(ctx context.Context, email, ip string) error {
	addr, err := ParseAddress(email)
	if err != nil {
		return err
	}
	if err := s.limitIP(ctx, "manage", ip, signupsAnHour); err != nil {
		return err
	}
	now := s.opt.Now()
	err = s.update(ctx, func(tx Tx) error {
		sub, err := tx.SubscriberByKey(ctx, s.keyOf(addr))
		known, err := found(err)
		if err != nil {
			return err
		}
		if !known { // one who is known costs a second query, for the tags
			_, err := tx.Subscriber(ctx, 0)
			if _, err := found(err); err != nil {
				return err
			}
		}
		return s.mailManageLink(ctx, tx, NoticeManage, sub, "manage:"+s.keyOf(addr), now)
	})
	s.opt.Wake()
	return err
}

// OpenManage uses a fresh link up and returns its reader with a session: a signed value for a cookie, good for 30 minutes.
func (s *Service) OpenManage(ctx context.Context, token string) (Subscriber, string, error) {
	now := s.opt.Now()
	var sub Subscriber
	err := s.update(ctx, func(tx Tx) error {
		g, reader, err := s.openGrant(ctx, tx, PurposeManage, GrantManage, token)
		if err != nil {
			return err
		}
		sub, g.UsedAt = reader, now
		return tx.PutGrant(ctx, &g)
	})
	if err != nil {
		return Subscriber{}, "", err
	}
	return sub, s.opt.Keys().Sign(PurposeMe, int64(sub.ID), now.Add(manageLife)), nil
}

// changeMe runs change on the reader of a session, keeps it and notes the event.
func (s *Service) changeMe(ctx context.Context, session, event string, change func(Tx, *Subscriber) error) error {
	return s.update(ctx, func(tx Tx) error {
		sub, err := s.sessionReader(ctx, tx, session)
		if err != nil {
			return err
		}
		return s.changeReader(ctx, tx, &sub, event, change)
	})
}

func (s *Service) changeReader(ctx context.Context, tx Tx, sub *Subscriber, event string, change func(Tx, *Subscriber) error) error {
	if err := change(tx, sub); err != nil {
		return err
	}
	now := s.opt.Now()
	sub.UpdatedAt = now
	if err := tx.PutSubscriber(ctx, sub); err != nil {
		return err
	}
	return tx.AddEvent(ctx, Event{Subscriber: sub.ID, Kind: event, At: now})
}

func (s *Service) sessionReader(ctx context.Context, tx Tx, session string) (Subscriber, error) {
	id, err := s.opt.Keys().Verify(PurposeMe, session, s.opt.Now())
	if err != nil {
		return Subscriber{}, &Error{Kind: Unauthorized, Msg: "시간이 지났어요. 링크를 다시 받아 주세요.", Err: err}
	}
	return tx.Subscriber(ctx, SubscriberID(id))
}

// Me returns the reader of a session with their consents. Unauthorized: the session ended.
func (s *Service) Me(ctx context.Context, session string) (Subscriber, []Consent, error) {
	var sub Subscriber
	var consents []Consent
	err := s.view(ctx, func(tx Tx) (err error) {
		if sub, err = s.sessionReader(ctx, tx, session); err != nil {
			return err
		}
		consents, err = tx.Consents(ctx, sub.ID)
		return err
	})
	return sub, consents, err
}

// RenameMe changes the name; "" removes it.
func (s *Service) RenameMe(ctx context.Context, session, name string) error {
	clean, err := CleanName(name)
	if err != nil {
		return err
	}
	return s.changeMe(ctx, session, "renamed", func(_ Tx, sub *Subscriber) error {
		sub.Name = clean
		return nil
	})
}

// ChangeMyAddress mails a proof to the new address; nothing changes until its link is used.
func (s *Service) ChangeMyAddress(ctx context.Context, session, email, ip string) error {
	addr, err := ParseAddress(email)
	if err != nil {
		return err
	}
	if err := s.limitIP(ctx, "address", ip, signupsAnHour); err != nil {
		return err
	}
	now := s.opt.Now()
	err = s.update(ctx, func(tx Tx) error {
		sub, err := s.sessionReader(ctx, tx, session)
		if err != nil {
			return err
		}
		if ok, err := s.mayMail(ctx, tx, s.keyOf(addr), now); err != nil || !ok {
			return err
		}
		g := Grant{Kind: GrantAddress, Subscriber: sub.ID, Detail: addr.String(), CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour)}
		if err := tx.PutGrant(ctx, &g); err != nil {
			return err
		}
		return tx.QueueNotice(ctx, &Notice{
			Kind: NoticeAddress, Subscriber: sub.ID, Email: addr.String(), State: Queued, DueAt: now, CreatedAt: now,
			Payload: NoticePayload{Name: sub.Name, Grant: g.ID, Expires: g.ExpiresAt},
		})
	})
	s.opt.Wake()
	return err
}

// ConfirmAddress moves the reader to the proven address. Conflict: somebody reads under it already.
// Letters queued for the old address are skipped by the gate.
func (s *Service) ConfirmAddress(ctx context.Context, token, ip string) (Subscriber, error) {
	now := s.opt.Now()
	var out Subscriber
	err := s.update(ctx, func(tx Tx) error {
		g, sub, err := s.openGrant(ctx, tx, PurposeManage, GrantAddress, token)
		if err != nil {
			return err
		}
		addr, err := ParseAddress(g.Detail)
		if err != nil {
			return err
		}
		g.UsedAt = now
		if err := tx.PutGrant(ctx, &g); err != nil {
			return err
		}
		err = s.changeReader(ctx, tx, &sub, "address_changed", func(_ Tx, sub *Subscriber) error {
			sub.Email, sub.AddrKey = addr, s.keyOf(addr)
			return nil
		})
		out = sub
		return err
	})
	return out, err
}

// SetMyAdConsent gives or withdraws the optional consent to advertising.
func (s *Service) SetMyAdConsent(ctx context.Context, session string, on bool, ip string) error {
	now := s.opt.Now()
	return s.changeMe(ctx, session, "ad_consent", func(tx Tx, sub *Subscriber) error {
		if sub.AdConsent == on {
			return nil
		}
		sub.AdConsent, sub.AdConsentAt = on, time.Time{}
		if on {
			sub.AdConsentAt = now
		}
		return tx.AddConsent(ctx, Consent{
			Subscriber: sub.ID, AddrKey: sub.AddrKey, Kind: ConsentAd, Granted: on, TextVersion: ConsentVersion, At: now, IP: ip, Form: "me", Confirmed: "mail",
		})
	})
}

// PauseMe rests the letters for 1 to 52 weeks.
func (s *Service) PauseMe(ctx context.Context, session string, weeks int) error {
	return s.changeMe(ctx, session, "paused", s.pause(weeks))
}

// ResumeMe ends a rest.
func (s *Service) ResumeMe(ctx context.Context, session string) error {
	return s.changeMe(ctx, session, "resumed", s.pause(0))
}

func (s *Service) pause(weeks int) func(Tx, *Subscriber) error {
	return func(_ Tx, sub *Subscriber) error {
		if weeks < 0 || weeks > 52 {
			return invalid("weeks", "1주에서 52주까지 쉴 수 있어요.")
		}
		sub.PausedUntil = time.Time{}
		if weeks > 0 {
			sub.PausedUntil = s.opt.Now().Add(time.Duration(weeks) * 7 * 24 * time.Hour)
		}
		return nil
	}
}

// byPreferences changes the reader of a token printed in an issue, or of a fresh link not yet opened.
func (s *Service) byPreferences(ctx context.Context, token, event string, change func(Tx, *Subscriber) error) error {
	return s.update(ctx, func(tx Tx) error {
		sub, err := s.tokenReader(ctx, tx, PurposePreferences, token)
		if err != nil {
			return err
		}
		return s.changeReader(ctx, tx, &sub, event, change)
	})
}

// PausePreferences rests the letters, by the token printed in an issue.
func (s *Service) PausePreferences(ctx context.Context, token string, weeks int) error {
	return s.byPreferences(ctx, token, "paused", s.pause(weeks))
}

// ResumePreferences ends a rest, by the token printed in an issue.
func (s *Service) ResumePreferences(ctx context.Context, token string) error {
	return s.byPreferences(ctx, token, "resumed", s.pause(0))
}

// RefuseTracking stops (or allows again) the record of opens and clicks, by the token printed in an issue.
func (s *Service) RefuseTracking(ctx context.Context, token string, refuse bool) error {
	return s.byPreferences(ctx, token, "tracking", func(tx Tx, sub *Subscriber) error {
		sub.NoTracking = refuse
		return tx.AddConsent(ctx, Consent{
			Subscriber: sub.ID, AddrKey: sub.AddrKey, Kind: ConsentTracking, Granted: !refuse, TextVersion: ConsentVersion, At: s.opt.Now(), Form: "me",
		})
	})
}

// UnsubscribePreferences leaves by the /me token printed in an issue.
func (s *Service) UnsubscribePreferences(ctx context.Context, token, ip string) (LeaverView, error) {
	var out LeaverView
	err := s.update(ctx, func(tx Tx) error {
		sub, err := s.tokenReader(ctx, tx, PurposePreferences, token)
		if err != nil {
			return err
		}
		err = s.unsubscribe(ctx, tx, &sub, "me", ip)
		out = leaverView(sub)
		return err
	})
	s.opt.Wake()
	return out, err
}

// UnsubscribeMe leaves from the reader's own page.
func (s *Service) UnsubscribeMe(ctx context.Context, session, ip string) error {
	err := s.update(ctx, func(tx Tx) error {
		sub, err := s.sessionReader(ctx, tx, session)
		if err != nil {
			return err
		}
		return s.unsubscribe(ctx, tx, &sub, "me", ip)
	})
	s.opt.Wake()
	return err
}

// DataPackage is everything kept about a reader (개인정보보호법 §35).
type DataPackage struct {
	Email       string            `json:"email"`
	Name        string            `json:"name"`
	Status      Status            `json:"status"`
	Tags        []string          `json:"tags"`
	Source      string            `json:"source"`
	CreatedAt   time.Time         `json:"created_at"`
	ConfirmedAt time.Time         `json:"confirmed_at,omitzero"`
	Consents    []PackageConsent  `json:"consents"`
	Events      []PackageEvent    `json:"events"`
	Letters     []PackageDelivery `json:"letters"`
}

// PackageConsent is a line of the consent ledger as its reader sees it.
type PackageConsent struct {
	Kind        ConsentKind `json:"kind"`
	Granted     bool        `json:"granted"`
	TextVersion string      `json:"text_version"`
	At          time.Time   `json:"at"`
	IP          string      `json:"ip"`
	Form        string      `json:"form"`
	Source      string      `json:"source,omitempty"`
	Confirmed   string      `json:"confirmed,omitempty"`
}

// PackageEvent is a line of the reader's timeline.
type PackageEvent struct {
	Kind   string    `json:"kind"`
	Detail string    `json:"detail,omitempty"`
	At     time.Time `json:"at"`
}

// PackageDelivery is one letter of an issue.
type PackageDelivery struct {
	Issue     int           `json:"issue"`
	State     DeliveryState `json:"state"`
	DoneAt    time.Time     `json:"done_at,omitzero"`
	OpenedAt  time.Time     `json:"opened_at,omitzero"`
	ClickedAt time.Time     `json:"clicked_at,omitzero"`
}

// ExportMe gathers everything kept about the reader of a session.
func (s *Service) ExportMe(ctx context.Context, session string) (DataPackage, error) {
	return get(ctx, s, func(tx Tx) (DataPackage, error) {
		sub, err := s.sessionReader(ctx, tx, session)
		if err != nil {
			return DataPackage{}, err
		}
		return dataPackage(ctx, tx, sub)
	})
}

func dataPackage(ctx context.Context, tx Tx, sub Subscriber) (DataPackage, error) {
	p := DataPackage{
		Email: sub.Email.String(), Name: sub.Name, Status: sub.Shown(), Tags: sub.Tags, Source: sub.Source,
		CreatedAt: sub.CreatedAt, ConfirmedAt: sub.ConfirmedAt,
	}
	consents, err := tx.Consents(ctx, sub.ID)
	if err != nil {
		return p, fmt.Errorf("list consents: %w", err)
	}
	for _, c := range consents {
		p.Consents = append(p.Consents, PackageConsent{c.Kind, c.Granted, c.TextVersion, c.At, c.IP, c.Form, c.Source, c.Confirmed})
	}
	events, err := tx.Events(ctx, sub.ID)
	if err != nil {
		return p, fmt.Errorf("list events: %w", err)
	}
	for _, e := range events {
		p.Events = append(p.Events, PackageEvent{e.Kind, e.Detail, e.At})
	}
	letters, err := tx.DeliveriesOf(ctx, sub.ID, 10_000)
	if err != nil {
		return p, fmt.Errorf("list letters: %w", err)
	}
	for _, d := range letters {
		p.Letters = append(p.Letters, PackageDelivery{d.Number, d.State, d.DoneAt, d.OpenedAt, d.ClickedAt})
	}
	return p, nil
}

// EraseMe forgets the reader of a session; what stays is the keyed hash of the address.
func (s *Service) EraseMe(ctx context.Context, session string) error {
	return s.update(ctx, func(tx Tx) error {
		sub, err := s.sessionReader(ctx, tx, session)
		if err != nil {
			return err
		}
		return s.erase(ctx, tx, sub)
	})
}

// erase is the one place where a reader is forgotten.
func (s *Service) erase(ctx context.Context, tx Tx, sub Subscriber) error {
	now := s.opt.Now()
	if err := s.leave(ctx, tx, sub.AddrKey, "erased", now); err != nil {
		return err
	}
	if err := tx.EraseSubscriber(ctx, sub.ID, now); err != nil {
		return fmt.Errorf("erase subscriber %d: %w", sub.ID, err)
	}
	if err := tx.BumpRevision(ctx); err != nil { // their comments are gone from pages
		return err
	}
	return tx.Emit(ctx, "subscriber.erased", fmt.Sprintf(`{"id":%d}`, sub.ID), now)
}
