package newsletter

import (
	"context"
	"fmt"
	"time"
)

// DeskTx is what the desk's pages ask beyond the nouns: figures and lists over all of them.
type DeskTx interface {
	// CountMatching counts the readers that a filter selects; its cursor and limit play no part.
	CountMatching(ctx context.Context, f SubscriberFilter) (int64, error)
	// Movement counts who began to read since then, and who left.
	Movement(ctx context.Context, since time.Time) (joined, left int64, err error)
	// SubscriberTags lists the tags that readers carry, in order, at most limit.
	SubscriberTags(ctx context.Context, limit int) ([]string, error)
	// SubscriberSources lists where active readers came from, in order, at most limit.
	SubscriberSources(ctx context.Context, limit int) ([]string, error)
	// OpenAlerts lists every uncleared alert, newest first.
	OpenAlerts(ctx context.Context, limit int) ([]Alert, error)
	// LettersByState counts the letters of each of the issues.
	LettersByState(ctx context.Context, ids []IssueID) (map[IssueID]map[DeliveryState]int64, error)
	// UncertainIssues counts the letters in doubt of each issue that has some.
	UncertainIssues(ctx context.Context) (map[IssueID]int64, error)
	// CountIssues counts the issues of each state.
	CountIssues(ctx context.Context) (map[IssueState]int64, error)
	// Troubles lists letters that were refused, expired or put off, those of the end of the queue first.
	Troubles(ctx context.Context, id IssueID, limit int) ([]Delivery, error)
}

// Dashboard is the desk at one glance.
type Dashboard struct {
	Readers      map[Status]int64
	Joined, Left int64 // over the last seven days
	Issues       map[IssueState]int64
	Running      []Progress // scheduled, preparing, sending and paused ones, oldest first
	Todo         []Todo
	Latest       Issue // the newest issue of any state; zero in an empty house
	Articles     bool  // there is one
	LegalMissing []string
	Backup       Backup // the newest one; zero when there is none
	Tested       bool   // a test letter was ever queued
	SignedUp     bool   // somebody used the form
	Confirmed    bool   // somebody used the mailed link
	Refused      bool   // somebody unsubscribed
	NoFeedback   bool   // there is no way by which bounces come
}

// Todo is something that waits for the editor.
type Todo struct {
	Number int    // the issue's; 0: the house
	Kind   string // uncertain, or the alert's
	Text   string
	At     time.Time
}

const movementDays = 7

// Dashboard reads the desk's first page in one consistent look.
func (s *Service) Dashboard(ctx context.Context) (Dashboard, error) {
	var d Dashboard
	err := s.view(ctx, func(tx Tx) (err error) {
		d = Dashboard{}
		if d.Readers, err = tx.CountSubscribers(ctx); err != nil {
			return err
		}
		if d.Joined, d.Left, err = tx.Movement(ctx, s.opt.Now().AddDate(0, 0, -movementDays)); err != nil {
			return err
		}
		if d.Issues, err = tx.CountIssues(ctx); err != nil {
			return err
		}
		if err := s.running(ctx, tx, &d); err != nil {
			return err
		}
		if err := todos(ctx, tx, &d); err != nil {
			return err
		}
		newest, err := tx.Backups(ctx, 1)
		if err != nil {
			return err
		}
		if len(newest) > 0 {
			d.Backup = newest[0]
		}
		return s.beginnings(ctx, tx, &d)
	})
	if err != nil {
		return d, fmt.Errorf("dashboard: %w", err)
	}
	ways, err := s.FeedbackWays(ctx)
	d.NoFeedback = len(ways) == 0
	return d, err
}

func (s *Service) running(ctx context.Context, tx Tx, d *Dashboard) error {
	open, err := tx.IssuesIn(ctx, IssueScheduled, IssuePreparing, IssueSending, IssuePaused)
	if err != nil {
		return err
	}
	for _, i := range open {
		p, err := progressOf(ctx, tx, i, s.opt.Now())
		if err != nil {
			return err
		}
		d.Running = append(d.Running, p)
	}
	newest, err := tx.Issues(ctx, IssueFilter{Limit: 1})
	if err != nil || len(newest) == 0 {
		return err
	}
	d.Latest = newest[0]
	return nil
}

const mostTodos = 20

// todos lists letters in doubt first: they are the only thing that no machine can settle.
func todos(ctx context.Context, tx Tx, d *Dashboard) error {
	doubt, err := tx.UncertainIssues(ctx)
	if err != nil {
		return err
	}
	for id, n := range doubt {
		i, err := tx.IssueByID(ctx, id)
		if err != nil {
			return err
		}
		if i.State == IssueSending && i.Uncertain == ResendOnce { // settles by itself
			continue
		}
		d.Todo = append(d.Todo, Todo{Number: i.Number, Kind: "uncertain", Text: fmt.Sprintf("도착했는지 알 수 없는 편지가 %d통 있어요.", n)})
	}
	offers, err := tx.LeaveOffers(ctx, mostTodos)
	if err != nil {
		return err
	}
	if n := len(offers); n > 0 {
		d.Todo = append(d.Todo, Todo{Kind: "leave_offers", Text: fmt.Sprintf("수신거부를 부탁한 답장이 %d통 있어요.", n), At: offers[0].At})
	}
	alerts, err := tx.OpenAlerts(ctx, mostTodos)
	if err != nil {
		return err
	}
	for _, a := range alerts {
		t := Todo{Kind: a.Kind, Text: a.Text, At: a.At}
		if a.Issue != 0 {
			i, err := tx.IssueByID(ctx, a.Issue)
			if known, err := found(err); err != nil {
				return err
			} else if known {
				t.Number = i.Number
			}
		}
		d.Todo = append(d.Todo, t)
	}
	return nil
}

// beginnings finds out what a new editor has done already.
func (s *Service) beginnings(ctx context.Context, tx Tx, d *Dashboard) error {
	articles, err := tx.Articles(ctx, ArticleFilter{Limit: 1})
	if err != nil {
		return err
	}
	d.Articles = len(articles) > 0
	house, err := s.house(ctx, tx)
	if err != nil {
		return err
	}
	d.LegalMissing = house.Legal.Missing()
	for kind, done := range map[NoticeKind]*bool{
		NoticeTest: &d.Tested, NoticeConfirm: &d.SignedUp, NoticeWelcome: &d.Confirmed, NoticeRefusal: &d.Refused,
	} {
		list, err := tx.Notices(ctx, kind, 1)
		if err != nil {
			return err
		}
		*done = len(list) > 0
	}
	return nil
}

// CountMatching counts the readers that a filter selects.
func (s *Service) CountMatching(ctx context.Context, f SubscriberFilter) (int64, error) {
	f = f.clean()
	return get(ctx, s, func(tx Tx) (int64, error) { return tx.CountMatching(ctx, f) })
}

// SubscriberTags lists the tags that readers carry.
func (s *Service) SubscriberTags(ctx context.Context) ([]string, error) {
	return get(ctx, s, func(tx Tx) ([]string, error) { return tx.SubscriberTags(ctx, 200) })
}

// SubscriberSources lists where readers came from.
func (s *Service) SubscriberSources(ctx context.Context) ([]string, error) {
	return get(ctx, s, func(tx Tx) ([]string, error) { return tx.SubscriberSources(ctx, 200) })
}

// CountIssues counts the issues of each state.
func (s *Service) CountIssues(ctx context.Context) (map[IssueState]int64, error) {
	return get(ctx, s, func(tx Tx) (map[IssueState]int64, error) { return tx.CountIssues(ctx) })
}

// LettersByState counts the letters of each of the issues.
func (s *Service) LettersByState(ctx context.Context, issues []Issue) (map[IssueID]map[DeliveryState]int64, error) {
	ids := make([]IssueID, len(issues))
	for n, i := range issues {
		ids[n] = i.ID
	}
	return get(ctx, s, func(tx Tx) (map[IssueID]map[DeliveryState]int64, error) { return tx.LettersByState(ctx, ids) })
}

// Troubles lists the last letters of an issue that did not go through, with what the server said.
func (s *Service) Troubles(ctx context.Context, number, limit int) ([]Delivery, error) {
	return get(ctx, s, func(tx Tx) ([]Delivery, error) {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return nil, err
		}
		return tx.Troubles(ctx, i.ID, limit)
	})
}

// NextIssue is the frame of an issue to come: greeting, closing and habits of the newest one, its round-up and
// articles empty. It is not kept.
func (s *Service) NextIssue(ctx context.Context) (Issue, error) {
	return get(ctx, s, func(tx Tx) (Issue, error) {
		next := Issue{Content: Content{Kind: KindInfo}, WithoutAdConsent: SkipWithoutAdConsent, Uncertain: s.opt.DefaultUncertain}
		var err error
		if next.Number, err = tx.NextNumber(ctx); err != nil {
			return Issue{}, err
		}
		last, err := tx.Issues(ctx, IssueFilter{Limit: 1})
		if err != nil || len(last) == 0 {
			return next, err
		}
		next.Intro, next.Outro = last[0].Intro, last[0].Outro
		next.WithoutAdConsent, next.Uncertain, next.Tracking, next.Audience = last[0].WithoutAdConsent, last[0].Uncertain, last[0].Tracking, last[0].Audience
		next.Audience.Received = nil // a correction was for its own readers
		return next, nil
	})
}

// DraftSnapshot is what an issue that is not kept yet would freeze. Faults name what cannot be shown.
func (s *Service) DraftSnapshot(ctx context.Context, i Issue) (Snapshot, error) {
	if i.Subject == "" {
		i.Subject = "(제목 없음)"
	}
	if err := i.judge(); err != nil {
		return Snapshot{}, err
	}
	return get(ctx, s, func(tx Tx) (Snapshot, error) {
		if err := haveArticles(ctx, tx, i.Content.Articles); err != nil {
			return Snapshot{}, err
		}
		return s.snapshot(ctx, tx, i, VariantWhole)
	})
}

// PreviewDraft renders an issue that is not kept yet by the code that sends it.
func (s *Service) PreviewDraft(ctx context.Context, i Issue) (html, text string, err error) {
	snap, err := s.DraftSnapshot(ctx, i)
	if err != nil {
		return "", "", err
	}
	return s.opt.Renderer.RenderIssue(snap, "")
}

// LiftWithEvidence lifts the suppression of a reader's address, and keeps in the ledger who asked for it and how.
// Errors: Faults (evidence), NotFound when the address is free.
func (s *Service) LiftWithEvidence(ctx context.Context, actor string, id SubscriberID, evidence string) error {
	evidence, err := CleanLine(evidence, 500)
	switch {
	case err != nil:
		return at("evidence", err)
	case evidence == "":
		return invalid("evidence", "다시 받겠다는 뜻을 언제 어떻게 들었는지 적어 주세요.")
	}
	now := s.opt.Now()
	var sup Suppression
	err = s.update(ctx, func(tx Tx) error {
		sub, err := tx.Subscriber(ctx, id)
		if err != nil {
			return err
		}
		if sup, err = tx.SuppressionByKey(ctx, sub.AddrKey); err != nil {
			return err
		}
		return tx.AddConsent(ctx, Consent{
			Subscriber: sub.ID, AddrKey: sub.AddrKey, Kind: ConsentUnsuppress, Granted: true, TextVersion: ConsentVersion, At: now,
			Form: viaOf(actor), Source: evidence, Confirmed: "admin",
		})
	})
	if err != nil {
		return fmt.Errorf("lift suppression of subscriber %d: %w", id, err)
	}
	return s.LiftSuppression(ctx, actor, sup.ID)
}

// FirstRejects lists the first refused lines of an import, in the order of the file.
func (s *Service) FirstRejects(ctx context.Context, id int64, limit int) ([]Reject, error) {
	return get(ctx, s, func(tx Tx) ([]Reject, error) { return tx.Rejects(ctx, id, 0, limit) })
}
