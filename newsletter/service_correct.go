package newsletter

import (
	"context"
	"fmt"
	"reflect"
	"time"
)

// EditionTally says how many readers got an edition.
type EditionTally struct {
	Number    int
	Variant   int
	Reason    string
	CreatedAt time.Time
	Sent      int64
}

// CorrectIssue changes the content of a paused issue and freezes it as new editions, for all who have not been handed their letter.
// Who was handed one keeps their edition, whatever becomes of that letter. The reason stands beside the edition for good. Only content
// may change: who gets the issue, and under which label, was settled when the send began. Texts of its articles are read anew.
// Errors: Conflict code state unless paused, Faults (fields, blockers), NotFound.
func (s *Service) CorrectIssue(ctx context.Context, actor string, number int, reason string, change func(*Issue) error) (Issue, error) {
	return s.change(ctx, actor, "issue.correct", number, reason, change, func(i Issue) bool { return i.State == IssuePaused && !i.AcceptedAt.IsZero() })
}

// change makes new editions of an issue in a state that allows it.
func (s *Service) change(ctx context.Context, actor, action string, number int, reason string, change func(*Issue) error, allowed func(Issue) bool) (Issue, error) {
	reason, err := CleanLine(reason, 200)
	if err != nil || reason == "" {
		return Issue{}, invalid("reason", "무엇을 고쳤는지 한 줄로 적어 주세요. 200자까지 쓸 수 있어요.")
	}
	var out Issue
	err = s.update(ctx, func(tx Tx) error {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return err
		}
		if !allowed(i) {
			return wrongState(i, "고쳐서 이어 보낼")
		}
		was := i
		if err := change(&i); err != nil {
			return err
		}
		if err := onlyContent(was, i); err != nil {
			return err
		}
		if err := s.correct(ctx, tx, &i, reason); err != nil {
			return err
		}
		out = i
		return s.audit(ctx, tx, actor, action, issueObject(i), reason)
	})
	if err != nil {
		return Issue{}, fmt.Errorf("correct issue: %w", err)
	}
	return out, nil
}

// onlyContent refuses a correction of anything that letters already sent rest on.
func onlyContent(was, is Issue) error {
	kept := is
	kept.Content = was.Content
	if is.Kind != was.Kind || !reflect.DeepEqual(kept, was) {
		return invalid("kind", "보내기 시작한 호는 내용만 고칠 수 있어요. 종류, 받는 사람, 호 번호는 그대로예요.")
	}
	return nil
}

func (s *Service) correct(ctx context.Context, tx Tx, i *Issue, reason string) error {
	if err := i.judge(); err != nil {
		return err
	}
	if err := haveArticles(ctx, tx, i.Content.Articles); err != nil {
		return err
	}
	snap, err := s.snapshot(ctx, tx, *i, VariantWhole)
	if err != nil {
		return err
	}
	sized, err := s.checkLetter(snap)
	if err != nil {
		return err
	}
	if err := blockers(append(append(checkContent(*i), checkHouse(*i, snap.House)...), sized...)); err != nil {
		return err
	}
	now := s.opt.Now()
	i.UpdatedAt = now
	if err := tx.PutIssue(ctx, i); err != nil {
		return err
	}
	editions, err := tx.Editions(ctx, i.ID)
	if err != nil {
		return fmt.Errorf("list editions: %w", err)
	}
	last := editions[len(editions)-1].Number
	for variant := range i.recipients() {
		last++
		if err := s.freeze(ctx, tx, *i, Edition{Issue: i.ID, Number: last, Variant: variant, Reason: reason, CreatedAt: now}); err != nil {
			return err
		}
	}
	if err := indexNewest(ctx, tx, *i); err != nil {
		return err
	}
	return tx.BumpRevision(ctx)
}
