package newsletter

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// NoFeedbackText is what a house is told that cannot learn who is gone.
const NoFeedbackText = "반송을 받을 길이 없어요"

// FeedbackLog lists what came in, newest first, those before a line (0: all) and of one outcome ("": any), and tells whether there
// are more.
func (s *Service) FeedbackLog(ctx context.Context, outcome string, before int64, limit int) ([]FeedbackEntry, bool, error) {
	limit = pageLimit(limit)
	rows, err := get(ctx, s, func(tx Tx) ([]FeedbackEntry, error) { return tx.FeedbackLog(ctx, outcome, before, limit+1) })
	rows, more := page(rows, limit)
	return rows, more, err
}

// FeedbackWays lists the ways by which bounces reach the house: those in the settings, and open doors by which
// something came lately. None at all is NoFeedbackText.
func (s *Service) FeedbackWays(ctx context.Context) ([]FeedbackWay, error) {
	all, err := get(ctx, s, func(tx Tx) ([]FeedbackWay, error) { return tx.FeedbackTally(ctx) })
	if err != nil {
		return nil, fmt.Errorf("ways of feedback: %w", err)
	}
	for _, name := range s.opt.FeedbackWays {
		if !slices.ContainsFunc(all, func(w FeedbackWay) bool { return w.Name == name }) {
			all = append(all, FeedbackWay{Name: name, Outcomes: map[string]int64{}})
		}
	}
	var ways []FeedbackWay
	for _, w := range all {
		w.Set = slices.Contains(s.opt.FeedbackWays, w.Name)
		if w.Set || slices.Contains(s.opt.FeedbackDoors, w.Name) && s.opt.Now().Sub(w.LastAt) < feedbackMemory {
			ways = append(ways, w)
		}
	}
	slices.SortFunc(ways, func(a, b FeedbackWay) int { return strings.Compare(a.Name, b.Name) })
	return ways, nil
}

// pipeBrings tells whether the pipe brought something lately.
func (s *Service) pipeBrings(ctx context.Context, tx Tx) (bool, error) {
	all, err := tx.FeedbackTally(ctx)
	if err != nil {
		return false, fmt.Errorf("ways of feedback: %w", err)
	}
	return slices.ContainsFunc(all, func(w FeedbackWay) bool {
		return w.Name == "pipe" && s.opt.Now().Sub(w.LastAt) < feedbackMemory
	}), nil
}

// FeedbackMark returns how far a way of feedback has read, "" when it never did.
func (s *Service) FeedbackMark(ctx context.Context, name string) (string, error) {
	set, err := get(ctx, s, func(tx Tx) (map[string]string, error) { return tx.Settings(ctx) })
	return set[name], err
}

// PutFeedbackMark keeps it.
func (s *Service) PutFeedbackMark(ctx context.Context, name, mark string) error {
	return s.update(ctx, func(tx Tx) error { return tx.PutSetting(ctx, name, mark, s.opt.Now()) })
}

// SESAccountMark names the AWS account and region whose topics are trusted: those of the first message that came with the house's
// secret. Anybody's topic has a good signature.
const SESAccountMark = "feedback ses account"

// ForgetSESAccount lets the next account be trusted, when letters leave through another one.
func (s *Service) ForgetSESAccount(ctx context.Context, actor string) error {
	err := s.update(ctx, func(tx Tx) error {
		if err := tx.PutSetting(ctx, SESAccountMark, "", s.opt.Now()); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "ses_account_forget", "house", "")
	})
	if err != nil {
		return fmt.Errorf("forget the account of SES: %w", err)
	}
	return nil
}

// FeedbackTrouble raises the alert that a way of feedback does not work, once; "" closes it.
func (s *Service) FeedbackTrouble(ctx context.Context, text string) error {
	const kind = "feedback"
	var open []Alert
	open, err := get(ctx, s, func(tx Tx) ([]Alert, error) { return tx.Alerts(ctx, 0) })
	raised := slices.ContainsFunc(open, func(a Alert) bool { return a.Kind == kind })
	if err != nil || raised == (text != "") {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		if text == "" {
			return tx.ClearAlerts(ctx, 0, kind, s.opt.Now())
		}
		return tx.PutAlert(ctx, &Alert{Kind: kind, Text: text, At: s.opt.Now()})
	})
}
