package newsletter

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// feedbackMemory is how long a notice's name is remembered, and how long a pipe counts as a way after its last message.
const feedbackMemory = 90 * 24 * time.Hour

// letterBack is the letter that feedback is about.
type letterBack struct {
	delivery Delivery // ID 0: a single letter
	notice   Notice
}

func (l letterBack) email() string {
	if l.delivery.ID != 0 {
		return l.delivery.Email
	}
	return l.notice.Email
}

func (l letterBack) subscriber() SubscriberID {
	if l.delivery.ID != 0 {
		return l.delivery.Subscriber
	}
	return l.notice.Subscriber
}

// TakeFeedback acts on one piece of feedback, in one transaction. Told twice or late it changes nothing but the count of its
// way. An error means that nothing was written and the teller should come again.
func (s *Service) TakeFeedback(ctx context.Context, f Feedback) (FeedbackResult, error) {
	var out FeedbackResult
	err := s.update(ctx, func(tx Tx) error {
		now := s.opt.Now()
		seen, err := onceOnly(ctx, tx, f, now)
		if err != nil {
			return err
		}
		out = FeedbackResult{Kind: f.Kind, Outcome: FeedbackKnown}
		if !seen {
			if err := s.takeFeedback(ctx, tx, f, now, &out); err != nil {
				return err
			}
		}
		if err := tx.TallyFeedback(ctx, f.Via, out.Outcome, now); err != nil {
			return err
		}
		return tx.LogFeedback(ctx, FeedbackEntry{
			At: now, Via: f.Via, Kind: f.Kind, Outcome: out.Outcome, Why: f.Why, Code: f.Reply.Code, Enhanced: f.Reply.Enhanced,
			Delivery: out.Delivery, Notice: out.Notice, Subscriber: out.Subscriber,
		})
	})
	if err != nil {
		return FeedbackResult{}, fmt.Errorf("take feedback by %s: %w", f.Via, err)
	}
	s.opt.Wake()
	s.opt.Log.Info("feedback", "via", f.Via, "kind", out.Kind, "outcome", out.Outcome, "why", f.Why, "delivery", int64(out.Delivery), "notice", int64(out.Notice))
	return out, nil
}

// onceOnly remembers a message or notice that names itself.
func onceOnly(ctx context.Context, tx Tx, f Feedback, now time.Time) (bool, error) {
	if f.Once == "" {
		return false, nil
	}
	if err := tx.ForgetFeedback(ctx, now.Add(-feedbackMemory)); err != nil {
		return false, err
	}
	_, fresh, err := tx.SeeFeedback(ctx, f.Via+":"+hashToken(f.Once), "", now)
	return !fresh, err
}

// FreshSignature remembers that a provider's signature came with this notice, and tells whether it is the first time or
// the same notice again. A signature that covers only itself (Mailgun's) would otherwise vouch for any other notice.
func (s *Service) FreshSignature(ctx context.Context, via, signature, notice string) (fresh bool, err error) {
	err = s.update(ctx, func(tx Tx) error {
		body, first, err := tx.SeeFeedback(ctx, via+":signature:"+hashToken(signature), hashToken(notice), s.opt.Now())
		fresh = first || body == hashToken(notice)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("remember a signature of %s: %w", via, err)
	}
	return fresh, nil
}

func (s *Service) takeFeedback(ctx context.Context, tx Tx, f Feedback, now time.Time, out *FeedbackResult) error {
	switch f.Kind {
	case FeedbackLeave:
		return s.leaveByMail(ctx, tx, f, out)
	case FeedbackAsk:
		return s.offerLeave(ctx, tx, f, now, out)
	case FeedbackNone:
		out.Outcome, out.Why = FeedbackIgnored, f.Why
		if s.forged(f.Envelope) {
			out.Outcome = FeedbackForged
		}
		return nil
	}
	l, outcome, err := s.matchFeedback(ctx, tx, f)
	if err != nil || outcome != "" {
		out.Outcome = outcome
		return err
	}
	out.Delivery, out.Notice, out.Subscriber = l.delivery.ID, l.notice.ID, l.subscriber()
	if l.email() == "" {
		out.Outcome = FeedbackGone
		return nil
	}
	at := f.At
	if at.IsZero() || at.After(now) {
		at = now
	}
	added, err := tx.AddReport(ctx, LetterReport{
		Delivery: l.delivery.ID, Notice: l.notice.ID, Kind: f.Kind, Via: f.Via, Reply: f.Reply, Reporter: CleanReply(f.Reporter), At: at,
	})
	if err != nil || !added {
		return err // out says known
	}
	out.Outcome = FeedbackTaken
	if f.Kind == Complaint {
		return s.complained(ctx, tx, l, f, now)
	}
	return s.bounced(ctx, tx, l, f, now)
}

// readerOf finds who the letter went to, if they still have that address.
func readerOf(ctx context.Context, tx Tx, l letterBack) (Subscriber, bool, error) {
	if l.subscriber() == 0 {
		return Subscriber{}, false, nil
	}
	sub, err := tx.Subscriber(ctx, l.subscriber())
	known, err := found(err)
	return sub, known && sub.Email.String() == l.email(), err
}

// bounced writes what a letter that did not arrive means for its reader and its issue.
func (s *Service) bounced(ctx context.Context, tx Tx, l letterBack, f Feedback, now time.Time) error {
	if l.delivery.ID != 0 {
		if err := tx.Emit(ctx, "delivery.bounced", fmt.Sprintf(`{"id":%d,"kind":%q}`, l.delivery.ID, f.Kind), now); err != nil {
			return err
		}
		if f.Kind == BounceHard {
			if _, err := tx.CountFailure(ctx, l.delivery.Issue, f.Kind, now); err != nil {
				return err
			}
		}
	}
	sub, known, err := readerOf(ctx, tx, l)
	if err != nil || !known {
		return err
	}
	e := Event{Subscriber: sub.ID, Kind: "bounced", Detail: s.evidence(l, f), At: now}
	if err := tx.AddEvent(ctx, e); err != nil {
		return err
	}
	var reason SuppressionReason
	switch {
	case l.delivery.ID != 0:
		if reason, err = tx.SuppressionFor(ctx, l.delivery, sub.AddrKey); err != nil {
			return err
		}
	case f.Kind == BounceHard:
		reason = SuppressedHard
	}
	if reason == "" || sub.Suppression != "" && !(sub.Suppression == SuppressedSoft && reason == SuppressedHard) {
		return nil
	}
	return s.suppress(ctx, tx, &Suppression{AddrKey: sub.AddrKey, Email: sub.Email.String(), Reason: reason, Evidence: e.Detail, CreatedAt: now})
}

// evidence is what was said, on one line, with the letter it was said about.
func (s *Service) evidence(l letterBack, f Feedback) string {
	var b strings.Builder
	if l.delivery.Number != 0 {
		fmt.Fprintf(&b, "%d호: ", l.delivery.Number)
	}
	if f.Reporter != "" {
		b.WriteString(CleanReply(f.Reporter) + ": ")
	}
	if f.Reply.Enhanced != "" && !strings.Contains(f.Reply.Text, f.Reply.Enhanced) {
		b.WriteString(f.Reply.Enhanced + " ")
	}
	if f.Reply.Text == "" && f.Reply.Code != 0 {
		b.WriteString(strconv.Itoa(f.Reply.Code))
	}
	b.WriteString(f.Reply.Text)
	return strings.TrimRight(b.String(), ": ")
}

// complained ends the reading of whoever reported a letter as spam, without a word to them, and tells the owner.
func (s *Service) complained(ctx context.Context, tx Tx, l letterBack, f Feedback, now time.Time) error {
	a := Alert{Issue: l.delivery.Issue, Kind: "complaint", Text: "독자가 편지를 스팸으로 신고했어요. 그 주소로는 더 보내지 않아요.", At: now}
	paused := false
	if l.delivery.ID != 0 {
		var err error
		if paused, err = tx.CountFailure(ctx, l.delivery.Issue, Complaint, now); err != nil {
			return err
		}
		if err := tx.Emit(ctx, "delivery.complained", fmt.Sprintf(`{"id":%d}`, l.delivery.ID), now); err != nil {
			return err
		}
	}
	if !paused {
		if err := tx.PutAlert(ctx, &a); err != nil {
			return err
		}
	}
	sub, known, err := readerOf(ctx, tx, l)
	if err != nil || !known {
		return err
	}
	evidence := s.evidence(l, f)
	if err := tx.AddEvent(ctx, Event{Subscriber: sub.ID, Kind: "complained", Detail: evidence, At: now}); err != nil {
		return err
	}
	if sub.Suppression != SuppressedComplaint {
		sup := Suppression{AddrKey: sub.AddrKey, Email: sub.Email.String(), Reason: SuppressedComplaint, Evidence: evidence, CreatedAt: now}
		if err := s.suppress(ctx, tx, &sup); err != nil {
			return err
		}
	}
	if sub, err = tx.Subscriber(ctx, sub.ID); err != nil {
		return err
	}
	return s.unsubscribe(ctx, tx, &sub, "complaint", "")
}

// leaveByMail is the mailto of List-Unsubscribe: the token in the address is the authority, as in the link. A provider that
// proved itself needs none: its readers left by its own link.
func (s *Service) leaveByMail(ctx context.Context, tx Tx, f Feedback, out *FeedbackResult) error {
	if f.OptOut == "" && f.Proven {
		return s.leaveByProvider(ctx, tx, f, out)
	}
	id, err := s.opt.Keys().VerifyMailto("u+" + f.OptOut + "@")
	if err != nil {
		out.Outcome = FeedbackForged
		return nil
	}
	sub, err := tx.Subscriber(ctx, id)
	known, err := found(err)
	switch {
	case err != nil:
		return err
	case !known:
		out.Outcome = FeedbackGone
		return nil
	case sub.Status == Unsubscribed:
		return nil // out says known
	}
	out.Outcome, out.Subscriber = FeedbackTaken, sub.ID
	return s.unsubscribe(ctx, tx, &sub, "mailto", "")
}

func (s *Service) leaveByProvider(ctx context.Context, tx Tx, f Feedback, out *FeedbackResult) error {
	l, outcome, err := s.matchFeedback(ctx, tx, f)
	if err != nil || outcome != "" {
		out.Outcome = outcome
		return err
	}
	out.Delivery, out.Notice, out.Subscriber = l.delivery.ID, l.notice.ID, l.subscriber()
	sub, known, err := readerOf(ctx, tx, l)
	switch {
	case err != nil:
		return err
	case !known:
		out.Outcome = FeedbackGone
		return nil
	case sub.Status == Unsubscribed:
		return nil // out says known
	}
	out.Outcome = FeedbackTaken
	return s.unsubscribe(ctx, tx, &sub, f.Via, "")
}

// offerLeave keeps an answer that begins with 수신거부 for the editor: its sender is only what it says it is.
func (s *Service) offerLeave(ctx context.Context, tx Tx, f Feedback, now time.Time, out *FeedbackResult) error {
	out.Outcome = FeedbackStranger
	addr, err := ParseAddress(f.Sender)
	if err != nil {
		return nil
	}
	sub, err := tx.SubscriberByKey(ctx, s.keyOf(addr))
	known, err := found(err)
	if err != nil || !known || sub.Status == Unsubscribed {
		return err
	}
	added, err := tx.PutLeaveOffer(ctx, LeaveOffer{Subscriber: sub.ID, Mark: hashToken(f.Mark), Text: CleanReply(f.Text), At: now})
	out.Outcome, out.Subscriber = FeedbackKnown, sub.ID
	if added {
		out.Outcome = FeedbackTaken
	}
	return err
}

// LeaveOffers lists answers that ask to leave and wait for a word.
func (s *Service) LeaveOffers(ctx context.Context) ([]LeaveOffer, error) {
	return get(ctx, s, func(tx Tx) ([]LeaveOffer, error) { return tx.LeaveOffers(ctx, 50) })
}

// DecideLeaveOffer unsubscribes the reader whose answer asked for it, or puts the answer away. NotFound: decided already.
func (s *Service) DecideLeaveOffer(ctx context.Context, actor string, id int64, accept bool) error {
	err := s.update(ctx, func(tx Tx) error {
		o, err := tx.DecideLeaveOffer(ctx, id, accept, s.opt.Now())
		if err != nil {
			return err
		}
		action := "leave_offer_dismiss"
		if accept {
			action = "leave_offer_accept"
			sub, err := tx.Subscriber(ctx, o.Subscriber)
			if err != nil {
				return err
			}
			if err := s.unsubscribe(ctx, tx, &sub, "reply", ""); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, actor, action, subscriberName(o.Subscriber), "")
	})
	if err != nil {
		return fmt.Errorf("decide leave offer %d: %w", id, err)
	}
	s.opt.Wake()
	return nil
}

// mailAlerts tells the owners of every alert once, whoever raised it.
func (s *Service) mailAlerts(ctx context.Context) error {
	const batch = 20
	fresh, err := get(ctx, s, func(tx Tx) ([]Alert, error) { return tx.UnmailedAlerts(ctx, batch) })
	if err != nil || len(fresh) == 0 {
		return err
	}
	err = s.update(ctx, func(tx Tx) error {
		now := s.opt.Now()
		fresh, err := tx.UnmailedAlerts(ctx, batch)
		if err != nil {
			return err
		}
		for _, a := range fresh {
			subject, link := "알림", s.opt.House.BaseURL+"/admin"
			if a.Issue != 0 {
				i, err := tx.IssueByID(ctx, a.Issue)
				if err != nil {
					return err
				}
				subject, link = fmt.Sprintf("%d호 알림", i.Number), fmt.Sprintf("%s/issues/%d/send", link, i.Number)
			}
			if err := s.alertOwners(ctx, tx, subject, a.Text, link, now); err != nil {
				return err
			}
			if err := tx.AlertMailed(ctx, a.ID, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("mail alerts: %w", err)
	}
	return nil
}

func (s *Service) alertOwners(ctx context.Context, tx Tx, subject, text, link string, now time.Time) error {
	people, err := tx.Admins(ctx)
	if err != nil {
		return err
	}
	for _, a := range people {
		if a.Role != Owner {
			continue
		}
		n := Notice{
			Kind: NoticeAlert, Email: a.Email.String(), State: Queued, DueAt: now, CreatedAt: now,
			Payload: NoticePayload{Subject: subject, Text: text, Link: link, At: now},
		}
		if err := tx.QueueNotice(ctx, &n); err != nil {
			return err
		}
	}
	return nil
}
