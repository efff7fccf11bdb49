package newsletter

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"
)

// awake is Unavailable with code moving in a house at rest: what a reader begins here would be lost with it.
func awake(ctx context.Context, tx Tx) error {
	r, err := tx.HouseRest(ctx)
	if err != nil {
		return fmt.Errorf("read whether the house rests: %w", err)
	}
	if r.Why == Awake {
		return nil
	}
	return &Error{Kind: Unavailable, Code: "moving", Msg: "이사 중이에요. 새 집이 열리면 다시 해 주세요."}
}

var restTexts = map[Rest]string{
	RestFinal:  "마지막 백업을 하고 쉬는 집이에요. 여기서 계속하려면 techissue wake --yes 로 깨워 주세요.",
	RestCopied: "복사한 집이에요. 원래 집을 멈추고 techissue wake --yes 로 깨워 주세요.",
}

// checkRest blocks every new issue while the house rests, or while nobody knows who left in a time gone by.
func (s *Service) checkRest(r HouseRest) (out []Check) {
	if r.Why != Awake {
		out = append(out, Check{"block", "resting", "", restTexts[r.Why]})
	}
	if !r.LeaversFrom.IsZero() {
		out = append(out, Check{"block", "leavers_unknown", "", s.leaversText(r) + " techissue leavers import FILE 로 기록을 가져오거나, 확인했다면 techissue leavers confirm 을 실행해 주세요."})
	}
	return out
}

func (s *Service) leaversText(r HouseRest) string {
	where := s.opt.Location
	if where == nil {
		where = time.UTC
	}
	return fmt.Sprintf("%s부터 %s까지 떠난 분을 알 수 없어요.", dateMinute(r.LeaversFrom, where), dateMinute(r.LeaversUntil, where))
}

func dateMinute(t time.Time, where *time.Location) string {
	return DateLong(t, where) + " " + t.In(where).Format("15:04")
}

// HouseRest tells whether the house sends.
func (s *Service) HouseRest(ctx context.Context) (HouseRest, error) {
	return get(ctx, s, func(tx Tx) (HouseRest, error) { return tx.HouseRest(ctx) })
}

// PutToRest stops the house: every issue on its way pauses, sign-up says that the house is moving, single letters wait. Who
// unsubscribes is still heard.
func (s *Service) PutToRest(ctx context.Context, actor string, why Rest) error {
	now := s.opt.Now()
	err := s.update(ctx, func(tx Tx) error {
		r, err := tx.HouseRest(ctx)
		if err != nil {
			return err
		}
		r.Why = why
		if err := tx.PutHouseRest(ctx, r); err != nil {
			return err
		}
		if _, err := holdIssues(ctx, tx, string(why), "", now); err != nil {
			return err
		}
		if err := tx.PutAlert(ctx, &Alert{Kind: alertResting, Text: restTexts[why], At: now}); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, actor, "house.rest", "house", string(why)); err != nil {
			return err
		}
		return tx.BumpRevision(ctx)
	})
	if err != nil {
		return fmt.Errorf("put the house to rest: %w", err)
	}
	return nil
}

// WakeHouse lets it send again; what was paused stays paused until somebody resumes it.
func (s *Service) WakeHouse(ctx context.Context, actor string) error {
	err := s.update(ctx, func(tx Tx) error {
		r, err := tx.HouseRest(ctx)
		if err != nil || r.Why == Awake {
			return err
		}
		was := r.Why
		r.Why = Awake
		if err := tx.PutHouseRest(ctx, r); err != nil {
			return err
		}
		if err := tx.ClearAlerts(ctx, 0, alertResting, s.opt.Now()); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, actor, "house.wake", "house", string(was)); err != nil {
			return err
		}
		return tx.BumpRevision(ctx)
	})
	if err != nil {
		return fmt.Errorf("wake the house: %w", err)
	}
	s.opt.Wake()
	return nil
}

// holdIssues pauses every issue on its way. With text each of them, and each that was paused before, gets an alert of the reason's kind.
func holdIssues(ctx context.Context, tx Tx, reason, text string, now time.Time) (held []Issue, err error) {
	open, err := tx.IssuesIn(ctx, IssueScheduled, IssuePreparing, IssueSending, IssuePaused)
	if err != nil {
		return nil, err
	}
	for _, i := range open {
		if was := i.State; was != IssuePaused {
			i.State, i.PauseReason = IssuePaused, reason
			if err := tx.MoveIssue(ctx, i, was); err != nil {
				return nil, fmt.Errorf("hold issue %d: %w", i.Number, err)
			}
		}
		if text != "" {
			if err := tx.PutAlert(ctx, &Alert{Issue: i.ID, Kind: reason, Text: text, At: now}); err != nil {
				return nil, err
			}
		}
		held = append(held, i)
	}
	return held, nil
}

// resumeRestored lets an issue go on that was scheduled in the backup: it waits for its time, or begins now.
func (s *Service) resumeRestored(ctx context.Context, tx Tx, i *Issue) error {
	if err := tx.ClearAlerts(ctx, i.ID, "", s.opt.Now()); err != nil {
		return err
	}
	i.PauseReason = ""
	if i.ScheduledAt.After(s.opt.Now()) {
		i.State = IssueScheduled
		return nil
	}
	return s.accept(ctx, tx, i)
}

// Restoration is what taking a backup into use did.
type Restoration struct {
	Issues  []int // numbers of those that wait for somebody to resume them
	Notices int64 // single letters that are not sent: they may have left after the backup
	Leavers int   // people who left after the backup
	Rest    HouseRest
}

// Restore makes a house out of a backup of that moment. Nothing in it is sent until a person says so, since it may have been sent after
// the backup was made; who left since is in lines, which reach up to known, or when that is zero up to
// now. Behind known every new issue is blocked.
func (s *Service) Restore(ctx context.Context, lines []Leaver, known time.Time) (r Restoration, err error) {
	now := s.opt.Now()
	if r.Leavers, err = s.TakeLeavers(ctx, lines); err != nil {
		return r, err
	}
	err = s.update(ctx, func(tx Tx) error {
		issues, err := holdIssues(ctx, tx, alertRestored, "백업에서 되살린 호예요. 백업 뒤에 이미 보냈을 수 있으니 확인하고 계속해 주세요.", now)
		if err != nil {
			return err
		}
		r.Issues = nil
		for _, i := range issues {
			r.Issues = append(r.Issues, i.Number)
		}
		if r.Notices, err = tx.HoldNotices(ctx, alertRestored, now); err != nil {
			return err
		}
		r.Rest = HouseRest{}
		if !known.IsZero() && known.Before(now) {
			r.Rest.LeaversFrom, r.Rest.LeaversUntil = known, now
			if err := tx.PutAlert(ctx, &Alert{Kind: alertLeavers, Text: s.checkRest(r.Rest)[0].Text, At: now}); err != nil {
				return err
			}
		}
		if err := tx.PutHouseRest(ctx, r.Rest); err != nil {
			return err
		}
		if err := tx.ClearAlerts(ctx, 0, alertResting, now); err != nil {
			return err
		}
		return s.audit(ctx, tx, "cli", "house.restore", "house", fmt.Sprintf("%d left since", r.Leavers))
	})
	if err != nil {
		return r, fmt.Errorf("restore: %w", err)
	}
	return r, nil
}

// ConfirmLeavers is a person's word that nobody is missing from the leavers' log, or that they take the risk.
func (s *Service) ConfirmLeavers(ctx context.Context, actor string) error {
	return s.closeGap(ctx, actor, "leavers.confirm", s.opt.Now())
}

// LeaversKnown tells that a log was taken over which reaches up to then.
func (s *Service) LeaversKnown(ctx context.Context, actor string, until time.Time) error {
	return s.closeGap(ctx, actor, "leavers.import", until)
}

func (s *Service) closeGap(ctx context.Context, actor, action string, until time.Time) error {
	return s.update(ctx, func(tx Tx) error {
		r, err := tx.HouseRest(ctx)
		if err != nil || r.LeaversFrom.IsZero() || !until.After(r.LeaversFrom) {
			return err
		}
		detail := r.LeaversFrom.Format(time.RFC3339) + " – " + r.LeaversUntil.Format(time.RFC3339)
		if err := tx.ClearAlerts(ctx, 0, alertLeavers, s.opt.Now()); err != nil {
			return err
		}
		if r.LeaversFrom = until; !until.Before(r.LeaversUntil) {
			r.LeaversFrom, r.LeaversUntil = time.Time{}, time.Time{}
		} else if err := tx.PutAlert(ctx, &Alert{Kind: alertLeavers, Text: s.checkRest(r)[0].Text, At: s.opt.Now()}); err != nil {
			return err
		}
		if err := tx.PutHouseRest(ctx, r); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, action, "house", detail)
	})
}

// leaverChunk bounds one transaction of TakeLeavers.
const leaverChunk = 500

// TakeLeavers applies lines of a leavers' log that the database does not have: who unsubscribed leaves, who was suppressed is, who was
// erased is forgotten. Of several lines about one address the newest counts. It tells how many people were still readers.
func (s *Service) TakeLeavers(ctx context.Context, lines []Leaver) (gone int, err error) {
	for len(lines) > 0 {
		n := min(leaverChunk, len(lines))
		applied := 0
		err := s.update(ctx, func(tx Tx) error {
			applied = 0
			var fresh []Leaver
			last := map[AddressKey]Leaver{}
			for _, l := range lines[:n] {
				has, err := tx.HasLeaver(ctx, l)
				if err != nil {
					return err
				}
				if !has {
					fresh = append(fresh, l)
					last[l.Key] = l
				}
			}
			if err := tx.AddLeavers(ctx, fresh); err != nil {
				return err
			}
			for _, l := range fresh {
				if last[l.Key] != l {
					continue
				}
				was, err := s.takeLeaver(ctx, tx, l)
				if err != nil {
					return err
				}
				if was {
					applied++
				}
			}
			return nil
		})
		if err != nil {
			return gone, fmt.Errorf("take over who left: %w", err)
		}
		gone += applied
		lines = lines[n:]
	}
	return gone, nil
}

// takeLeaver applies one line and tells whether it changed anything.
func (s *Service) takeLeaver(ctx context.Context, tx Tx, l Leaver) (bool, error) {
	if l.Kind == "suppressed" {
		_, err := tx.SuppressionByKey(ctx, l.Key)
		if known, err := found(err); err != nil || known {
			return false, err
		}
		// The log does not say why; hard lets the address come back by a confirmation of its own.
		sup := Suppression{AddrKey: l.Key, Reason: SuppressedHard, Evidence: "leavers.log", CreatedAt: l.At}
		if sub, err := tx.SubscriberByKey(ctx, l.Key); err == nil {
			sup.Email = sub.Email.String()
		}
		return true, tx.PutSuppression(ctx, &sup)
	}
	sub, err := tx.SubscriberByKey(ctx, l.Key)
	if known, err := found(err); err != nil || !known {
		return false, err
	}
	switch l.Kind {
	case "erased":
		return true, tx.EraseSubscriber(ctx, sub.ID, s.opt.Now())
	case "unsubscribed":
		if sub.Status == Unsubscribed {
			return false, nil
		}
		sub.Status, sub.UnsubscribedAt, sub.UpdatedAt = Unsubscribed, l.At, s.opt.Now()
		sub.AdConsent, sub.AdConsentAt, sub.PausedUntil = false, time.Time{}, time.Time{}
		if err := tx.PutSubscriber(ctx, &sub); err != nil {
			return false, err
		}
		c := Consent{Subscriber: sub.ID, AddrKey: sub.AddrKey, Kind: ConsentLetter, TextVersion: ConsentVersion, At: l.At, Form: "leavers.log"}
		if err := tx.AddConsent(ctx, c); err != nil {
			return false, err
		}
		return true, tx.AddEvent(ctx, Event{Subscriber: sub.ID, Kind: "unsubscribed", Detail: "leavers.log", At: l.At})
	}
	return false, nil // returned: whoever came back is asked again, at worst
}

// HouseMark names this house without telling its key: leavers' logs of one house carry the same.
func (s *Service) HouseMark() string {
	m := hmac.New(sha256.New, s.addrKey)
	m.Write([]byte("house"))
	return lower32.EncodeToString(m.Sum(nil)[:10])
}
