package db_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"techissue/newsletter"
)

func TestIssueComesBackWhole(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		if n := read(s, func(tx newsletter.Tx) (int, error) { return tx.NextNumber(s.ctx) }); n != 1 {
			s.Errorf("an empty house begins with %d", n)
		}
		i := s.issue(101, func(i *newsletter.Issue) {
			i.Preheader, i.Kind, i.Intro, i.Outro, i.Sponsor = "미리 보는 말", newsletter.KindAd, "안녕 **하세요**", "끝", "광고"
			i.Links = []newsletter.RoundupLink{{URL: "https://example.com/?a=1&b=<2>", Title: "제목", Source: "곳", Summary: "요약"}}
			i.Content.Articles = []string{"화수분", "둘"}
			i.WithoutAdConsent, i.Uncertain, i.Tracking = newsletter.InfoEdition, newsletter.Hold, true
			i.Audience = newsletter.Audience{Tags: []string{"가"}, TagsMode: "all", JoinedAfter: t0}
			i.ExpiresAt = t0.Add(time.Hour)
		})
		if i.ID == 0 || i.Version != 1 {
			s.Errorf("inserted as %+v", i)
		}
		i.State = newsletter.IssueDraft
		equal(s, "by number", read(s, func(tx newsletter.Tx) (newsletter.Issue, error) { return tx.Issue(s.ctx, 101) }), i)
		equal(s, "by id", read(s, func(tx newsletter.Tx) (newsletter.Issue, error) { return tx.IssueByID(s.ctx, i.ID) }), i)
		if n := read(s, func(tx newsletter.Tx) (int, error) { return tx.NextNumber(s.ctx) }); n != 102 {
			s.Errorf("then comes %d", n)
		}
		missing(s, func(tx newsletter.Tx) (newsletter.Issue, error) { return tx.Issue(s.ctx, 5) })
		missing(s, func(tx newsletter.Tx) (newsletter.Issue, error) { return tx.IssueByID(s.ctx, 99) })

		stale := i
		i.Subject, i.State = "새 제목", newsletter.IssueDone // the state is not PutIssue's to write
		s.do(func(tx newsletter.Tx) error { return tx.PutIssue(s.ctx, &i) })
		i.State = newsletter.IssueDraft
		equal(s, "changed", read(s, func(tx newsletter.Tx) (newsletter.Issue, error) { return tx.Issue(s.ctx, 101) }), i)
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error { return tx.PutIssue(s.ctx, &stale) })
		other := s.issue(7)
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error { other.Number = 101; return tx.PutIssue(s.ctx, &other) })
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error {
			same := newsletter.Issue{Number: 101, Content: newsletter.Content{Kind: newsletter.KindInfo}, WithoutAdConsent: "skip", Uncertain: newsletter.Hold, CreatedAt: t0, UpdatedAt: t0}
			return tx.PutIssue(s.ctx, &same)
		})
	})
}

func TestMoveIssueIsACompareAndSwap(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		i := s.issue(1)
		i.State, i.ScheduledAt, i.AcceptedAt, i.PreparedAt, i.DoneAt, i.Recipients, i.PauseReason =
			newsletter.IssuePaused, t0, t0.Add(1e9), t0.Add(2e9), t0.Add(3e9), 12, "refused"
		move := func(from ...newsletter.IssueState) func(tx newsletter.Tx) error {
			return func(tx newsletter.Tx) error { return tx.MoveIssue(s.ctx, i, from...) }
		}
		s.refused(newsletter.Conflict, move(newsletter.IssueSending, newsletter.IssueDone))
		s.refused(newsletter.Conflict, move())
		s.do(move(newsletter.IssueScheduled, newsletter.IssueDraft))
		equal(s, "moved", read(s, func(tx newsletter.Tx) (newsletter.Issue, error) { return tx.Issue(s.ctx, 1) }), i)
		s.refused(newsletter.Conflict, move(newsletter.IssueDraft))
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error { return tx.DeleteIssue(s.ctx, i.ID) })
		i.ID = 99
		s.refused(newsletter.Conflict, move(newsletter.IssuePaused))
	})
}

func TestDraftsAreDeleted(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		i := newsletter.Issue{Number: 3, Content: newsletter.Content{Kind: newsletter.KindInfo}, WithoutAdConsent: "skip", Uncertain: newsletter.Hold, CreatedAt: t0, UpdatedAt: t0}
		s.do(func(tx newsletter.Tx) error { return tx.PutIssue(s.ctx, &i) })
		s.do(func(tx newsletter.Tx) error { return tx.DeleteIssue(s.ctx, i.ID) })
		missing(s, func(tx newsletter.Tx) (newsletter.Issue, error) { return tx.Issue(s.ctx, 3) })
	})
}

func TestIssueLists(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		states := []newsletter.IssueState{
			newsletter.IssueDraft, newsletter.IssueScheduled, newsletter.IssuePreparing, newsletter.IssueSending, newsletter.IssuePaused, newsletter.IssueDone, newsletter.IssueCancelled,
		}
		for n, state := range states {
			i := s.issue(10+n, func(i *newsletter.Issue) {
				i.Content.Articles = []string{"가-나", `따"옴표`}[:1+n%2]
				i.Subject = fmt.Sprintf("%d%% 제목_%d", n, n)
			})
			i.State = state
			if state != newsletter.IssueDraft && state != newsletter.IssueScheduled {
				i.AcceptedAt = t0
			}
			if n > 3 {
				i.PreparedAt = t0
			}
			s.do(func(tx newsletter.Tx) error { return tx.MoveIssue(s.ctx, i, newsletter.IssueDraft) })
		}
		numbers := func(list []newsletter.Issue) []int {
			return each2(list, func(i newsletter.Issue) int { return i.Number })
		}
		for _, row := range []struct {
			says string
			f    newsletter.IssueFilter
			want []int
		}{
			{"all, highest number first", newsletter.IssueFilter{}, []int{16, 15, 14, 13, 12, 11, 10}},
			{"a state", newsletter.IssueFilter{State: newsletter.IssuePaused}, []int{14}},
			{"with a page", newsletter.IssueFilter{Public: true}, []int{16, 15, 14, 13}},
			{"a subject's signs", newsletter.IssueFilter{Query: "3% 제목_"}, []int{13}},
			{"signs are no patterns", newsletter.IssueFilter{Query: "3_"}, nil},
		} {
			for _, limit := range []int{1, 3, 100} {
				got := pages(s, limit, func(i newsletter.Issue) int64 { return int64(i.Number) }, func(tx newsletter.Tx, cursor int64) ([]newsletter.Issue, error) {
					f := row.f
					f.Cursor, f.Limit = cursor, limit
					return tx.Issues(s.ctx, f)
				})
				if !slices.Equal(numbers(got), row.want) {
					s.Errorf("%s, limit %d: %v, want %v", row.says, limit, numbers(got), row.want)
				}
				for _, i := range got {
					if row.f.Public && !i.Public() {
						s.Errorf("issue %d has no page", i.Number)
					}
				}
			}
		}
		in := func(states ...newsletter.IssueState) []int {
			return numbers(read(s, func(tx newsletter.Tx) ([]newsletter.Issue, error) { return tx.IssuesIn(s.ctx, states...) }))
		}
		equal(s, "in two states", in(newsletter.IssueDone, newsletter.IssueDraft), []int{10, 15})
		equal(s, "in none", in(), []int{})
		with := func(slug string) []int {
			return numbers(read(s, func(tx newsletter.Tx) ([]newsletter.Issue, error) { return tx.IssuesWithArticle(s.ctx, slug) }))
		}
		equal(s, "public ones with an article", with("가-나"), []int{16, 15, 14, 13})
		equal(s, "a slug with a quote", with(`따"옴표`), []int{15, 13})
		equal(s, "part of a slug", with("가"), []int{})
		equal(s, "a pattern", with("가%"), []int{})
	})
}

func TestEditions(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		i := s.issue(1)
		e := newsletter.Edition{Issue: i.ID, Number: 2, Variant: newsletter.VariantInfo, Reason: "without sponsor", CreatedAt: t0, Snapshot: newsletter.Snapshot{
			Number: 1, Content: newsletter.Content{Subject: "제목 <b>", Links: []newsletter.RoundupLink{{URL: "https://a"}}, Articles: []string{"가"}},
			Articles: []newsletter.SnapshotArticle{{Slug: "가", Body: "본문\u2028"}}, Tracking: true, House: newsletter.House{SiteName: "테크잇슈"}, KeyID: "k",
		}}
		s.do(func(tx newsletter.Tx) error { return tx.AddEdition(s.ctx, e) })
		got := read(s, func(tx newsletter.Tx) ([]newsletter.Edition, error) { return tx.Editions(s.ctx, i.ID) })
		if len(got) != 2 || got[0].Number != 1 {
			s.Fatalf("%+v", got)
		}
		equal(s, "in the list", got[1], e)
		one, err := s.Edition(s.ctx, i.ID, 2)
		if err != nil {
			s.Error(err)
		}
		equal(s, "alone", one, e)
		if _, err := s.Edition(s.ctx, i.ID, 3); newsletter.KindOf(err) != newsletter.NotFound {
			s.Errorf("a missing edition gives %v", err)
		}
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error { return tx.AddEdition(s.ctx, e) })
	})
}

func TestAlerts(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		i := s.issue(1)
		put := func(issue newsletter.IssueID, kind, text string) {
			s.Helper()
			s.do(func(tx newsletter.Tx) error {
				return tx.PutAlert(s.ctx, &newsletter.Alert{Issue: issue, Kind: kind, Text: text, At: t0})
			})
		}
		texts := func(issue newsletter.IssueID) []string {
			return each2(read(s, func(tx newsletter.Tx) ([]newsletter.Alert, error) { return tx.Alerts(s.ctx, issue) }), func(a newsletter.Alert) string { return a.Kind + ":" + a.Text })
		}
		clear := func(issue newsletter.IssueID, kind string) {
			s.Helper()
			s.do(func(tx newsletter.Tx) error { return tx.ClearAlerts(s.ctx, issue, kind, t0) })
		}
		put(i.ID, "refused", "one")
		put(i.ID, "refused", "two") // changes nothing
		put(i.ID, "quota", "three")
		put(0, "auth", "house")
		equal(s, "of the issue", texts(i.ID), []string{"refused:one", "quota:three"})
		equal(s, "of the house", texts(0), []string{"auth:house"})
		clear(i.ID, "refused")
		equal(s, "one kind cleared", texts(i.ID), []string{"quota:three"})
		put(i.ID, "refused", "again")
		clear(i.ID, "")
		equal(s, "all cleared", texts(i.ID), []string{})
		equal(s, "of the house still", texts(0), []string{"auth:house"})
	})
}
