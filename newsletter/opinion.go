package newsletter

import (
	"context"
	"fmt"
	"time"
)

// Verdicts of a reader on an issue, as the links under it spell them: /f/{token}?v=good. The token is
// Keyring.Sign(PurposeOpinion, delivery, never).
const (
	OpinionGood = "good" // 좋았어요
	OpinionBad  = "bad"  // 아쉬워요
)

// Opinion is what the reader of one letter thought of it. There is one per reader and issue: the last word counts.
type Opinion struct {
	Delivery DeliveryID
	Issue    IssueID
	Verdict  string // OpinionGood or OpinionBad
	At       time.Time
}

// OpinionTx keeps opinions.
type OpinionTx interface {
	// PutOpinion inserts, or changes the verdict on the same letter.
	PutOpinion(ctx context.Context, o Opinion) error
	// Opinions counts an issue's by verdict.
	Opinions(ctx context.Context, id IssueID) (map[string]int64, error)
}

// OpinionView is what the page behind an opinion link shows: nothing of the reader, since letters are forwarded.
type OpinionView struct {
	Number  int
	Subject string
}

// OpinionView looks and changes nothing: link scanners open it too. NotFound: a forged token, or a reader
// who was erased.
func (s *Service) OpinionView(ctx context.Context, token string) (OpinionView, error) {
	return get(ctx, s, func(tx Tx) (OpinionView, error) {
		_, issue, err := s.opinionLetter(ctx, tx, token)
		return OpinionView{Number: issue.Number, Subject: issue.Subject}, err
	})
}

// GiveOpinion counts a verdict, once per reader and issue however often it is sent. Invalid (v): no verdict of ours.
func (s *Service) GiveOpinion(ctx context.Context, token, verdict string) (OpinionView, error) {
	if verdict != OpinionGood && verdict != OpinionBad {
		return OpinionView{}, invalid("v", "좋았어요와 아쉬워요 가운데 하나를 골라 주세요.")
	}
	var v OpinionView
	err := s.update(ctx, func(tx Tx) error {
		d, issue, err := s.opinionLetter(ctx, tx, token)
		if err != nil {
			return err
		}
		v = OpinionView{Number: issue.Number, Subject: issue.Subject}
		return tx.PutOpinion(ctx, Opinion{Delivery: d.ID, Issue: d.Issue, Verdict: verdict, At: s.opt.Now()})
	})
	if err != nil {
		return OpinionView{}, fmt.Errorf("give opinion: %w", err)
	}
	return v, nil
}

// Opinions counts what readers thought of an issue, by verdict.
func (s *Service) Opinions(ctx context.Context, id IssueID) (map[string]int64, error) {
	return get(ctx, s, func(tx Tx) (map[string]int64, error) { return tx.Opinions(ctx, id) })
}

func (s *Service) opinionLetter(ctx context.Context, tx Tx, token string) (Delivery, Issue, error) {
	id, err := s.opt.Keys().Verify(PurposeOpinion, token, s.opt.Now())
	if err != nil {
		return Delivery{}, Issue{}, err
	}
	d, err := tx.Delivery(ctx, DeliveryID(id))
	if err != nil {
		return Delivery{}, Issue{}, err
	}
	if d.Email == "" { // erased: their letters name nobody, and nobody answers for them
		return Delivery{}, Issue{}, badToken()
	}
	issue, err := tx.IssueByID(ctx, d.Issue)
	return d, issue, err
}
