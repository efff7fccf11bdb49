package newsletter

import (
	"context"
	"fmt"
)

// CopyDelivery sends one reader a further copy of a letter that was sent, the same to the byte. It goes as a single letter: the
// delivery stays sent whatever becomes of the copy, and its record gets an attempt marked copy. Conflict code state: it was not
// sent, or its reader has left, moved or must not be written to.
func (s *Service) CopyDelivery(ctx context.Context, actor string, id DeliveryID) (Delivery, error) {
	if err := s.opt.SendingRefused(); err != nil {
		return Delivery{}, err
	}
	var d Delivery
	err := s.update(ctx, func(tx Tx) (err error) {
		if d, err = tx.Delivery(ctx, id); err != nil {
			return err
		}
		if d.State != Sent {
			return &Error{Kind: Conflict, Code: "state", Msg: "보낸 편지만 한 통 더 보낼 수 있어요."}
		}
		sub, err := tx.Subscriber(ctx, d.Subscriber)
		here, err := found(err)
		if err != nil {
			return err
		}
		if !here || sub.Shown() != Active || sub.Email.String() != d.Email {
			return &Error{Kind: Conflict, Code: "state", Msg: "받는 사람이 떠났거나 주소가 바뀌어서 보낼 수 없어요."}
		}
		now := s.opt.Now()
		n := Notice{
			Kind: NoticeCopy, Subscriber: sub.ID, Email: d.Email, State: Queued, DueAt: now, CreatedAt: now,
			Payload: NoticePayload{Issue: d.Issue, Delivery: d.ID},
		}
		if err := tx.QueueNotice(ctx, &n); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "delivery.copy", fmt.Sprintf("delivery:%d", id), "")
	})
	if err != nil {
		return Delivery{}, fmt.Errorf("copy letter %d: %w", id, err)
	}
	s.opt.Wake()
	return d, nil
}
