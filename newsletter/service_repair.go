package newsletter

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Correction is a line of an issue's page that says what was mended since it left.
type Correction struct {
	At     time.Time
	Reason string
}

// firstReasons are of editions that correct nothing.
var firstReasons = []string{"first", "without sponsor", "archived"}

// Corrections lists what was mended of an issue, the newest first.
func (s *Service) Corrections(ctx context.Context, id IssueID) ([]Correction, error) {
	editions, err := get(ctx, s, func(tx Tx) ([]Edition, error) { return tx.Editions(ctx, id) })
	if err != nil {
		return nil, fmt.Errorf("list editions: %w", err)
	}
	var out []Correction
	for _, e := range slices.Backward(editions) {
		if e.Variant == VariantWhole && !slices.Contains(firstReasons, e.Reason) {
			out = append(out, Correction{e.CreatedAt, e.Reason})
		}
	}
	return out, nil
}

// AmendIssue changes the content of an issue that has left: its page on the site, and letters that are sent again. Who has the letter keeps
// it; the page says what was mended and when. Errors: Conflict code state while it is being sent, Faults, NotFound.
func (s *Service) AmendIssue(ctx context.Context, actor string, number int, reason string, change func(*Issue) error) (Issue, error) {
	return s.change(ctx, actor, "issue.amend", number, reason, change, func(i Issue) bool {
		return i.Public() && (i.State == IssueDone || i.State == IssueCancelled)
	})
}

// RepointLink makes a counted link of letters that have left lead elsewhere; "" lets it lead where it says again.
// Errors: Faults (target), NotFound for a link of another issue.
func (s *Service) RepointLink(ctx context.Context, actor string, number int, link int64, target string) error {
	target = strings.TrimSpace(target)
	if u, err := url.Parse(target); target != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || len(target) > maxURL) {
		return invalid("target", "링크는 http:// 나 https:// 로 시작하는 주소여야 해요.")
	}
	return s.update(ctx, func(tx Tx) error {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return err
		}
		was, err := tx.PointLink(ctx, i.ID, link, target)
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "issue.repoint", issueObject(i), harmless(was+" -> "+target, 400))
	})
}

// DraftCorrection makes a draft of a letter to exactly those who were sent an edition that is corrected by now. Conflict code state: nobody was.
func (s *Service) DraftCorrection(ctx context.Context, actor string, number int) (Issue, error) {
	i, tallies, err := s.editionsOf(ctx, number)
	if err != nil {
		return Issue{}, err
	}
	newest := map[int]int{} // by variant
	for _, t := range tallies {
		newest[t.Variant] = max(newest[t.Variant], t.Number)
	}
	r := Received{Number: number}
	var readers int64
	for _, t := range tallies {
		if t.Number < newest[t.Variant] {
			r.Editions = append(r.Editions, t.Number)
			readers += t.Sent
		}
	}
	if readers == 0 {
		return Issue{}, &Error{Kind: Conflict, Code: "state", Msg: "고치기 전의 판을 받은 사람이 없어요."}
	}
	fixed, err := s.Corrections(ctx, i.ID)
	if err != nil {
		return Issue{}, err
	}
	reason := ""
	if len(fixed) > 0 {
		reason = fixed[0].Reason
	}
	return s.CreateIssue(ctx, actor, Issue{
		Uncertain: i.Uncertain, Audience: Audience{Received: &r},
		Content: Content{
			Subject: "[정정] " + withoutAdLabel(i.Subject), Preheader: "지난 편지에서 잘못된 곳을 바로잡아요.", Kind: KindInfo,
			Intro: fmt.Sprintf("{이름|독자}님, 안녕하세요.\n\n지난 %d호에 잘못된 곳이 있어 바로잡아요. 불편을 드려 죄송해요.\n\n- %s\n\n고친 글은 [웹에서](%s/issues/%d) 읽을 수 있어요.", number, reason, s.opt.House.BaseURL, number),
		},
	})
}

// EditionTallies counts who was sent which edition of an issue.
func (s *Service) EditionTallies(ctx context.Context, number int) ([]EditionTally, error) {
	_, tallies, err := s.editionsOf(ctx, number)
	return tallies, err
}

func (s *Service) editionsOf(ctx context.Context, number int) (i Issue, tallies []EditionTally, err error) {
	err = s.view(ctx, func(tx Tx) (err error) {
		if i, err = tx.Issue(ctx, number); err != nil {
			return err
		}
		tallies, err = tx.EditionTallies(ctx, i.ID)
		return err
	})
	return i, tallies, err
}
