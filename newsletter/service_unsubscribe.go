package newsletter

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"
)

// LeaverView is what the page behind an unsubscribe link shows: never more than the masked address.
type LeaverView struct {
	Masked string
	Status Status
	At     time.Time // when they left, zero before
	Reason string
}

// tokenReader finds the reader named by a token printed in a letter.
func (s *Service) tokenReader(ctx context.Context, tx Tx, p Purpose, token string) (Subscriber, error) {
	id, err := s.opt.Keys().Verify(p, token, s.opt.Now())
	if err != nil {
		return Subscriber{}, err
	}
	return tx.Subscriber(ctx, SubscriberID(id))
}

func leaverView(sub Subscriber) LeaverView {
	return LeaverView{Masked: sub.Email.Masked(), Status: sub.Status, At: sub.UnsubscribedAt, Reason: sub.UnsubscribeReason}
}

// UnsubscribeView looks and changes nothing. NotFound: a forged token, or a reader who was erased.
func (s *Service) UnsubscribeView(ctx context.Context, token string) (LeaverView, error) {
	return get(ctx, s, func(tx Tx) (LeaverView, error) {
		sub, err := s.tokenReader(ctx, tx, PurposeUnsubscribe, token)
		return leaverView(sub), err
	})
}

// Unsubscribe ends the reading. When it returns nil, no gate for that address commits any more (정보통신망법 §50②;
// RFC 8058 for via "one-click"). Doing it again changes nothing and is no error.
func (s *Service) Unsubscribe(ctx context.Context, token, via, ip string) (LeaverView, error) {
	var out LeaverView
	err := s.update(ctx, func(tx Tx) error {
		sub, err := s.tokenReader(ctx, tx, PurposeUnsubscribe, token)
		if err != nil {
			return err
		}
		err = s.unsubscribe(ctx, tx, &sub, via, ip)
		out = leaverView(sub)
		return err
	})
	if err != nil {
		return LeaverView{}, fmt.Errorf("unsubscribe: %w", err)
	}
	s.opt.Wake()
	return out, nil
}

// unsubscribe is the one place where a reader leaves, whatever door they took.
func (s *Service) unsubscribe(ctx context.Context, tx Tx, sub *Subscriber, via, ip string) error {
	if sub.Status == Unsubscribed {
		return nil
	}
	now := s.opt.Now()
	if err := s.leave(ctx, tx, sub.AddrKey, "unsubscribed", now); err != nil {
		return err
	}
	sub.Status, sub.UnsubscribedAt, sub.UpdatedAt = Unsubscribed, now, now
	sub.AdConsent, sub.AdConsentAt, sub.PausedUntil = false, time.Time{}, time.Time{}
	if err := tx.PutSubscriber(ctx, sub); err != nil {
		return err
	}
	c := Consent{Subscriber: sub.ID, AddrKey: sub.AddrKey, Kind: ConsentLetter, TextVersion: ConsentVersion, At: now, IP: ip, Form: via}
	if err := tx.AddConsent(ctx, c); err != nil {
		return err
	}
	if err := tx.AddEvent(ctx, Event{Subscriber: sub.ID, Kind: "unsubscribed", Detail: via, At: now}); err != nil {
		return err
	}
	if err := tx.Emit(ctx, "subscriber.unsubscribed", fmt.Sprintf(`{"id":%d}`, sub.ID), now); err != nil {
		return err
	}
	// 정보통신망법 §50⑦: the result within 14 days; never after a complaint or to an address that is gone.
	if sub.Suppression == SuppressedComplaint || sub.Suppression == SuppressedHard {
		return nil
	}
	return tx.QueueNotice(ctx, &Notice{
		Kind: NoticeRefusal, Subscriber: sub.ID, Email: sub.Email.String(), State: Queued, DueAt: now, CreatedAt: now,
		Payload: NoticePayload{Name: sub.Name, At: now},
	})
}

// UnsubscribeReason keeps why a reader left, at most 50 characters, asked for only after it is done.
func (s *Service) UnsubscribeReason(ctx context.Context, token, reason string) error {
	line, err := CleanLine(reason, 200)
	if err != nil || utf8.RuneCountInString(line) > 50 {
		return invalid("reason", "이유는 50자까지 쓸 수 있어요.")
	}
	return s.update(ctx, func(tx Tx) error {
		sub, err := s.tokenReader(ctx, tx, PurposeUnsubscribe, token)
		if err != nil {
			return err
		}
		if sub.Status != Unsubscribed {
			return &Error{Kind: Conflict, Code: "state", Msg: "수신거부를 먼저 눌러 주세요."}
		}
		sub.UnsubscribeReason, sub.UpdatedAt = line, s.opt.Now()
		return tx.PutSubscriber(ctx, &sub)
	})
}

// Resubscribe mails a confirmation to whoever left by this link: a forwarded letter cannot sign anybody up again.
func (s *Service) Resubscribe(ctx context.Context, token, ip string) error {
	if err := s.limitIP(ctx, "signup", ip, signupsAnHour); err != nil {
		return err
	}
	now := s.opt.Now()
	err := s.update(ctx, func(tx Tx) error {
		if err := awake(ctx, tx); err != nil {
			return err
		}
		sub, err := s.tokenReader(ctx, tx, PurposeUnsubscribe, token)
		if err != nil {
			return err
		}
		if sub.Status == Active || sub.Suppression == SuppressedManual {
			return nil
		}
		return s.confirmationFor(ctx, tx, sub, signupWish{Name: sub.Name, Form: "resubscribe"}, now)
	})
	s.opt.Wake()
	return err
}
