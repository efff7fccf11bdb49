package newsletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	freezeChunk  = 5_000          // recipients inserted in one transaction
	lateSchedule = 6 * time.Hour  // a scheduled issue later than this waits for a person
	longOverdue  = 24 * time.Hour // so does one whose oldest letter lay this long while nobody drove the mailer
)

// SendIssue accepts the send: with undo 0 it freezes edition 1 now, otherwise the issue stays scheduled for that
// long and can be taken back. Errors: Conflict code state (twice, or the wrong state), Faults (blockers), Unavailable when no
// letter may leave.
func (s *Service) SendIssue(ctx context.Context, actor string, number int, undo time.Duration) (Issue, error) {
	if undo > 0 {
		return s.schedule(ctx, actor, number, s.opt.Now().Add(undo), "issue.send")
	}
	if err := s.opt.SendingRefused(); err != nil {
		return Issue{}, err
	}
	var out Issue
	err := s.update(ctx, func(tx Tx) error {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return err
		}
		if i.State != IssueDraft && i.State != IssueScheduled {
			return wrongState(i, "보낼")
		}
		if err := s.begin(ctx, tx, &i); err != nil {
			return err
		}
		out = i
		return s.audit(ctx, tx, actor, "issue.send", issueObject(i), "")
	})
	if err != nil {
		return Issue{}, fmt.Errorf("send issue: %w", err)
	}
	s.opt.Wake()
	return out, nil
}

// begin checks the issue, freezes its editions and moves it to preparing: from here on nobody is forgotten.
func (s *Service) begin(ctx context.Context, tx Tx, i *Issue) error {
	if err := s.accept(ctx, tx, i); err != nil {
		return err
	}
	return tx.MoveIssue(ctx, *i, IssueDraft, IssueScheduled)
}

// accept is begin without the move.
func (s *Service) accept(ctx context.Context, tx Tx, i *Issue) error {
	checks, err := s.check(ctx, tx, *i)
	if err != nil {
		return err
	}
	if err := blockers(checks); err != nil {
		return err
	}
	now := s.opt.Now()
	reasons := []string{VariantWhole: "first", VariantInfo: "without sponsor"}
	for variant := range i.recipients() {
		if err := s.freeze(ctx, tx, *i, Edition{Issue: i.ID, Number: variant + 1, Variant: variant, Reason: reasons[variant], CreatedAt: now}); err != nil {
			return err
		}
	}
	i.State, i.AcceptedAt = IssuePreparing, now
	return nil
}

// freeze adds an edition of what the issue says now.
func (s *Service) freeze(ctx context.Context, tx Tx, i Issue, e Edition) (err error) {
	if e.Snapshot, err = s.snapshot(ctx, tx, i, e.Variant); err != nil {
		return err
	}
	if err := s.track(ctx, tx, i.ID, &e.Snapshot); err != nil {
		return err
	}
	if err := tx.AddEdition(ctx, e); err != nil {
		return fmt.Errorf("freeze edition %d: %w", e.Number, err)
	}
	return nil
}

// ScheduleIssue sets a draft to be sent at a time to come. The content may not change until it is taken back.
func (s *Service) ScheduleIssue(ctx context.Context, actor string, number int, at time.Time) (Issue, error) {
	if !at.After(s.opt.Now()) {
		return Issue{}, invalid("at", "앞으로 올 시각을 골라 주세요.")
	}
	return s.schedule(ctx, actor, number, at, "issue.schedule")
}

func (s *Service) schedule(ctx context.Context, actor string, number int, at time.Time, action string) (Issue, error) {
	if err := s.opt.SendingRefused(); err != nil {
		return Issue{}, err
	}
	var out Issue
	err := s.update(ctx, func(tx Tx) error {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return err
		}
		if i.State != IssueDraft {
			return wrongState(i, "예약할")
		}
		checks, err := s.check(ctx, tx, i)
		if err != nil {
			return err
		}
		if err := blockers(checks); err != nil {
			return err
		}
		i.State, i.ScheduledAt = IssueScheduled, at.UTC()
		if err := tx.MoveIssue(ctx, i, IssueDraft); err != nil {
			return err
		}
		out = i
		return s.audit(ctx, tx, actor, action, issueObject(i), at.UTC().Format(time.RFC3339))
	})
	s.opt.Wake()
	return out, err
}

// move is the plain step of an issue from one of some states to another.
func (s *Service) move(ctx context.Context, actor, action, verb string, number int, step func(Tx, *Issue) error, from ...IssueState) (Issue, error) {
	var out Issue
	err := s.update(ctx, func(tx Tx) error {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return err
		}
		was := i.State
		allowed := false
		for _, f := range from {
			allowed = allowed || f == was
		}
		if !allowed {
			return wrongState(i, verb)
		}
		if err := step(tx, &i); err != nil {
			return err
		}
		if err := tx.MoveIssue(ctx, i, was); err != nil {
			return err
		}
		out = i
		return s.audit(ctx, tx, actor, action, issueObject(i), "")
	})
	s.opt.Wake()
	return out, err
}

// UndoSend takes a scheduled issue back to draft.
func (s *Service) UndoSend(ctx context.Context, actor string, number int) (Issue, error) {
	return s.move(ctx, actor, "issue.undo", "되돌릴", number, func(_ Tx, i *Issue) error {
		i.State, i.ScheduledAt = IssueDraft, time.Time{}
		return nil
	}, IssueScheduled)
}

// PauseIssue takes effect at the next gate: letters past it may still arrive.
func (s *Service) PauseIssue(ctx context.Context, actor string, number int) (Issue, error) {
	return s.move(ctx, actor, "issue.pause", "멈출", number, func(_ Tx, i *Issue) error {
		i.State, i.PauseReason = IssuePaused, "editor"
		return nil
	}, IssuePreparing, IssueSending)
}

// houseStops are alerts of the house that keep every issue from going on. Clearing one makes the mailer ask again at once.
var houseStops = []string{"auth", "quota"}

// ResumeIssue goes on where it stopped and clears what had stopped it. Of an issue that is sending it asks a transport that
// refused us once more.
func (s *Service) ResumeIssue(ctx context.Context, actor string, number int) (Issue, error) {
	if err := s.opt.SendingRefused(); err != nil {
		return Issue{}, err
	}
	return s.move(ctx, actor, "issue.resume", "계속할", number, func(tx Tx, i *Issue) error {
		stopped := false
		house, err := tx.Alerts(ctx, 0)
		if err != nil {
			return err
		}
		for _, a := range house {
			if slices.Contains(houseStops, a.Kind) {
				stopped = true
				if err := tx.ClearAlerts(ctx, 0, a.Kind, s.opt.Now()); err != nil {
					return err
				}
			}
		}
		if i.State == IssueSending && !stopped {
			return wrongState(*i, "계속할")
		}
		if err := awake(ctx, tx); err != nil {
			return err
		}
		if i.AcceptedAt.IsZero() {
			return s.resumeRestored(ctx, tx, i)
		}
		i.State, i.PauseReason = IssueSending, ""
		if i.PreparedAt.IsZero() {
			i.State = IssuePreparing
		}
		return tx.ClearAlerts(ctx, i.ID, "", s.opt.Now())
	}, IssuePaused, IssueSending)
}

// CancelIssue ends an issue for good: what is queued or leased is cancelled, what is past its gate may arrive.
func (s *Service) CancelIssue(ctx context.Context, actor string, number int) (Issue, error) {
	now := s.opt.Now()
	return s.move(ctx, actor, "issue.cancel", "취소할", number, func(tx Tx, i *Issue) error {
		if _, err := tx.CancelQueued(ctx, i.ID, now); err != nil {
			return fmt.Errorf("cancel queued letters: %w", err)
		}
		if !i.AcceptedAt.IsZero() && i.PreparedAt.IsZero() {
			p, err := tx.Progress(ctx, i.ID, now)
			if err != nil {
				return err
			}
			i.Recipients = sum(p.Counts)
		}
		i.State, i.DoneAt = IssueCancelled, now
		return nil
	}, IssueScheduled, IssuePreparing, IssueSending, IssuePaused)
}

func sum(counts map[DeliveryState]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// Progress counts an issue's letters. Recipients is the sum of the nine states until they are frozen, and after that the frozen number.
func (s *Service) Progress(ctx context.Context, number int) (Progress, error) {
	return get(ctx, s, func(tx Tx) (Progress, error) {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return Progress{}, err
		}
		return progressOf(ctx, tx, i, s.opt.Now())
	})
}

func progressOf(ctx context.Context, tx Tx, i Issue, now time.Time) (Progress, error) {
	p, err := tx.Progress(ctx, i.ID, now)
	if err != nil {
		return p, fmt.Errorf("progress of issue %d: %w", i.Number, err)
	}
	houseAlerts, err := tx.Alerts(ctx, 0)
	if err != nil {
		return p, fmt.Errorf("alerts of the house: %w", err)
	}
	p.Alerts = append(p.Alerts, houseAlerts...)
	p.Issue, p.Number, p.State = i.ID, i.Number, i.State
	p.Recipients = sum(p.Counts)
	if left := p.Counts[Queued] + p.Counts[Leased] + p.Counts[Handing]; p.Rate > 0 && left > 0 {
		p.ETA = time.Duration(float64(left) / p.Rate * float64(time.Second))
	}
	if p.Counts[Queued] > 0 {
		p.ETA = max(p.ETA, i.lastPortion().Sub(now))
	}
	return p, nil
}

// Deliveries lists an issue's letters and tells whether there are more.
func (s *Service) Deliveries(ctx context.Context, number int, f DeliveryFilter) ([]Delivery, bool, error) {
	f.Limit = pageLimit(f.Limit)
	rows, err := get(ctx, s, func(tx Tx) ([]Delivery, error) {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return nil, err
		}
		f.Issue = i.ID
		return tx.Deliveries(ctx, f)
	})
	rows, more := page(rows, f.Limit)
	return rows, more, err
}

// Delivery returns one letter with every answer it got.
func (s *Service) Delivery(ctx context.Context, id DeliveryID) (Delivery, []Attempt, error) {
	var d Delivery
	var attempts []Attempt
	err := s.view(ctx, func(tx Tx) (err error) {
		if d, err = tx.Delivery(ctx, id); err != nil {
			return err
		}
		attempts, err = tx.Attempts(ctx, id)
		return err
	})
	return d, attempts, err
}

// resendable are the states a letter may be queued from again.
var resendable = []DeliveryState{Failed, Expired, Uncertain}

// ResendDelivery queues one failed, expired or uncertain letter again. Conflict code state for any other one, and when its reader left.
func (s *Service) ResendDelivery(ctx context.Context, actor string, id DeliveryID) (Delivery, error) {
	var out Delivery
	err := s.update(ctx, func(tx Tx) error {
		d, err := tx.Delivery(ctx, id)
		if err != nil {
			return err
		}
		n, err := s.requeue(ctx, tx, d.Issue, []DeliveryID{id}, resendable, nil)
		if err != nil {
			return err
		}
		if n == 0 {
			return &Error{Kind: Conflict, Code: "state", Msg: "다시 보낼 수 없는 편지예요. 이미 보냈거나, 받는 사람이 떠났어요."}
		}
		if out, err = tx.Delivery(ctx, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "delivery.resend", fmt.Sprintf("delivery:%d", id), "")
	})
	s.opt.Wake()
	return out, err
}

// ResendIssue queues letters in the given states (failed, expired, uncertain) again and tells how many.
func (s *Service) ResendIssue(ctx context.Context, actor string, number int, states []DeliveryState, reasons []string) (int64, error) {
	for _, st := range states {
		if st != Failed && st != Expired && st != Uncertain {
			return 0, invalid("states", "failed, expired, uncertain만 다시 보낼 수 있어요.")
		}
	}
	if len(states) == 0 {
		states = []DeliveryState{Failed, Expired}
	}
	var n int64
	err := s.update(ctx, func(tx Tx) error {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return err
		}
		if n, err = s.requeue(ctx, tx, i.ID, nil, states, reasons); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "issue.resend", issueObject(i), fmt.Sprintf("%d letters", n))
	})
	s.opt.Wake()
	return n, err
}

// requeue wakes a done issue, since letters are queued in sending and paused ones only.
func (s *Service) requeue(ctx context.Context, tx Tx, id IssueID, ids []DeliveryID, states []DeliveryState, reasons []string) (int64, error) {
	n, err := tx.Requeue(ctx, id, ids, states, reasons, s.opt.Now())
	if err != nil || n == 0 {
		return n, err
	}
	i, err := tx.IssueByID(ctx, id)
	if err != nil {
		return n, err
	}
	switch i.State {
	case IssueSending, IssuePaused:
		return n, nil
	case IssueDone:
		i.State, i.DoneAt = IssueSending, time.Time{}
		return n, tx.MoveIssue(ctx, i, IssueDone)
	}
	return n, wrongState(i, "다시 보낼")
}

// MarkSent settles an uncertain letter by the editor's word.
func (s *Service) MarkSent(ctx context.Context, actor string, id DeliveryID) (Delivery, error) {
	var out Delivery
	err := s.update(ctx, func(tx Tx) error {
		if err := tx.MarkSent(ctx, id, actor, s.opt.Now()); err != nil {
			return err
		}
		var err error
		if out, err = tx.Delivery(ctx, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "delivery.mark_sent", fmt.Sprintf("delivery:%d", id), "")
	})
	return out, err
}

// Advance takes every issue one step further where its time has come. The mailer calls it in a loop; any
// number of nodes may, since each step is a compare-and-swap.
func (s *Service) Advance(ctx context.Context) error {
	issues, err := get(ctx, s, func(tx Tx) ([]Issue, error) {
		return tx.IssuesIn(ctx, IssueScheduled, IssuePreparing, IssueSending)
	})
	if err != nil {
		return fmt.Errorf("list open issues: %w", err)
	}
	s.mu.Lock()
	first := !s.booted
	s.booted = true
	s.mu.Unlock()
	var errs []error
	for _, i := range issues {
		err := s.advance(ctx, i, first)
		if KindOf(err) == Conflict { // another node, or the editor, was there first
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("advance issue %d: %w", i.Number, err))
		}
	}
	errs = append(errs, s.mailAlerts(ctx))
	return errors.Join(errs...)
}

func (s *Service) advance(ctx context.Context, i Issue, first bool) error {
	switch i.State {
	case IssueScheduled:
		return s.startDue(ctx, i)
	case IssuePreparing:
		return s.prepare(ctx, i)
	case IssueSending:
		if first {
			if held, err := s.holdOverdue(ctx, i); err != nil || held {
				return err
			}
		}
		return s.finish(ctx, i)
	}
	return nil
}

// startDue begins a scheduled issue. One that is late by hours waits for a person: the world may have changed.
func (s *Service) startDue(ctx context.Context, i Issue) error {
	now := s.opt.Now()
	if now.Before(i.ScheduledAt) {
		return nil
	}
	return s.update(ctx, func(tx Tx) error {
		if late := now.Sub(i.ScheduledAt); late > lateSchedule {
			return tx.PutAlert(ctx, &Alert{Issue: i.ID, Kind: "late", Text: fmt.Sprintf("예약한 시각이 %d시간 지났어요. 확인하고 보내 주세요.", int(late.Hours())), At: now})
		}
		if err := s.opt.SendingRefused(); err != nil {
			return tx.PutAlert(ctx, &Alert{Issue: i.ID, Kind: "refused", Text: "지금은 보낼 수 없어요: " + err.Error(), At: now})
		}
		i, err := tx.IssueByID(ctx, i.ID)
		if err != nil {
			return err
		}
		err = s.begin(ctx, tx, &i)
		if faults := FaultsOf(err); len(faults) > 0 {
			return tx.PutAlert(ctx, &Alert{Issue: i.ID, Kind: "blocked", Text: "예약한 호를 보낼 수 없어요: " + faults[0].Msg, At: now})
		}
		return err
	})
}

// prepare inserts one row per recipient, chunk by chunk, and freezes their number. It may be cut off anywhere and run again.
func (s *Service) prepare(ctx context.Context, i Issue) error {
	for variant, r := range i.recipients() {
		for after := SubscriberID(0); ; {
			seen := 0
			err := s.update(ctx, func(tx Tx) error {
				if now, err := tx.IssueByID(ctx, i.ID); err != nil || now.State != IssuePreparing {
					return errors.Join(err, wrongState(now, "준비할"))
				}
				last, n, err := tx.Freeze(ctx, i.ID, r, variant, after, freezeChunk, i.AcceptedAt)
				if err != nil {
					return fmt.Errorf("freeze recipients behind %d: %w", after, err)
				}
				after, seen = last, n
				return nil
			})
			if err != nil {
				return err
			}
			if seen < freezeChunk {
				break
			}
		}
	}
	return s.update(ctx, func(tx Tx) error {
		now, err := tx.IssueByID(ctx, i.ID)
		if err != nil {
			return err
		}
		p, err := tx.Progress(ctx, i.ID, s.opt.Now())
		if err != nil {
			return err
		}
		now.State, now.PreparedAt, now.Recipients = IssueSending, s.opt.Now(), sum(p.Counts)
		if err := putOff(ctx, tx, now); err != nil {
			return err
		}
		if err := tx.MoveIssue(ctx, now, IssuePreparing); err != nil {
			return err
		}
		if err := indexNewest(ctx, tx, now); err != nil {
			return err
		}
		return tx.BumpRevision(ctx)
	})
}

// holdOverdue pauses an issue whose letters lay for a day because nobody drove the mailer. Letters that wait for a retry were tried and do not count.
func (s *Service) holdOverdue(ctx context.Context, i Issue) (bool, error) {
	now := s.opt.Now()
	held := false
	err := s.update(ctx, func(tx Tx) error {
		held = false
		p, err := tx.Progress(ctx, i.ID, now)
		if err != nil {
			return err
		}
		untried := p.Counts[Queued] - p.Deferred
		if untried == 0 || p.NextDue.IsZero() || now.Sub(p.NextDue) < longOverdue {
			return nil
		}
		held = true
		i.State, i.PauseReason = IssuePaused, "overdue"
		if err := tx.MoveIssue(ctx, i, IssueSending); err != nil {
			return err
		}
		text := fmt.Sprintf("%d통이 하루 넘게 멈춰 있었어요. 확인하고 계속해 주세요.", untried)
		return tx.PutAlert(ctx, &Alert{Issue: i.ID, Kind: "overdue", Text: text, At: now})
	})
	return held, err
}

// finish expires what is past the issue's own limit and closes an issue with nothing left to do.
func (s *Service) finish(ctx context.Context, i Issue) error {
	now := s.opt.Now()
	expired := !i.ExpiresAt.IsZero() && !now.Before(i.ExpiresAt)
	if !expired {
		left, err := get(ctx, s, func(tx Tx) (int64, error) { return tx.CountUnsettled(ctx, i.ID, i.Uncertain == ResendOnce) })
		if err != nil || left > 0 {
			return err
		}
	}
	return s.update(ctx, func(tx Tx) error {
		if expired {
			if _, err := tx.ExpireQueued(ctx, i.ID, now); err != nil {
				return fmt.Errorf("expire: %w", err)
			}
		}
		left, err := tx.CountUnsettled(ctx, i.ID, i.Uncertain == ResendOnce)
		if err != nil || left > 0 {
			return err
		}
		i.State, i.DoneAt = IssueDone, now
		if err := tx.MoveIssue(ctx, i, IssueSending); err != nil {
			return err
		}
		if err := s.announce(ctx, tx, fmt.Sprintf("/issues/%d", i.Number)); err != nil {
			return err
		}
		return tx.Emit(ctx, "issue.done", fmt.Sprintf(`{"number":%d}`, i.Number), now)
	})
}
