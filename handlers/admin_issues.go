package handlers

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// stateBadge is a state in the editor's word, with a tone for its colour.
type stateBadge struct{ Name, Tone string }

var issueBadges = map[newsletter.IssueState]stateBadge{
	newsletter.IssueDraft: {"작성중", "plain"}, newsletter.IssueScheduled: {"예약중", "wait"}, newsletter.IssuePreparing: {"발송중", "live"},
	newsletter.IssueSending: {"발송중", "live"}, newsletter.IssuePaused: {"일시정지", "warn"}, newsletter.IssueDone: {"발송완료", "good"},
	newsletter.IssueCancelled: {"취소", "off"},
}

func badgeOf(st newsletter.IssueState) stateBadge { return issueBadges[st] }

type issueRow struct {
	Number           int
	Subject, Link    string
	State            stateBadge
	At               time.Time
	AtWord           string // what the date is of
	Recipients, Sent int64
	Failed           int64
	Draft, Archived  bool
	Ad               bool
	Report           bool // it has figures to learn from
}

func rowOf(i newsletter.Issue, counts map[newsletter.DeliveryState]int64) issueRow {
	r := issueRow{
		Number: i.Number, Subject: i.Subject, Link: fmt.Sprintf("/admin/issues/%d/send", i.Number), State: badgeOf(i.State), Archived: i.Archived,
		Sent: counts[newsletter.Sent], Failed: counts[newsletter.Failed] + counts[newsletter.Expired], Ad: i.Kind == newsletter.KindAd,
	}
	for _, n := range counts {
		r.Recipients += n
	}
	switch i.State {
	case newsletter.IssueDraft:
		r.Draft, r.At, r.AtWord, r.Link = true, i.UpdatedAt, "고침", fmt.Sprintf("/admin/issues/%d", i.Number)
	case newsletter.IssueScheduled:
		r.At, r.AtWord = i.ScheduledAt, "예약"
	case newsletter.IssueCancelled:
		r.At, r.AtWord = i.DoneAt, "취소"
	default:
		r.At, r.AtWord = i.SentAt(), "발송"
	}
	r.Report = !i.PreparedAt.IsZero() && !i.Archived
	if r.AtWord == "발송" && i.Archived {
		r.Link = fmt.Sprintf("/issues/%d", i.Number)
	}
	return r
}

type issuesView struct {
	Query  string
	States []choice
	State  string
	Rows   []issueRow
	Pager  pager
	Any    bool // there is an issue at all
}

// filterStates are what the list can be narrowed to; preparing shows as sending and is too short to look for.
var filterStates = []newsletter.IssueState{
	newsletter.IssueDraft, newsletter.IssueScheduled, newsletter.IssueSending, newsletter.IssuePaused, newsletter.IssueDone, newsletter.IssueCancelled,
}

func (s *server) deskIssues(c echo.Context) error {
	ctx := c.Request().Context()
	totals, err := s.svc.CountIssues(ctx)
	if err != nil {
		return err
	}
	f := newsletter.IssueFilter{Query: query(c), Cursor: cursorOf(c), Limit: 30}
	v := issuesView{Query: f.Query, States: []choice{{Name: "전체"}}}
	for _, st := range filterStates {
		on := c.QueryParam("state") == string(st)
		if on {
			f.State, v.State = st, string(st)
		}
		v.States = append(v.States, choice{string(st), badgeOf(st).Name, totals[st], on})
	}
	for _, n := range totals {
		v.States[0].N += n
	}
	v.States[0].On, v.Any = f.State == "", v.States[0].N > 0
	list, more, err := s.svc.Issues(ctx, f)
	if err != nil {
		return err
	}
	counts, err := s.svc.LettersByState(ctx, list)
	if err != nil {
		return err
	}
	for _, i := range list {
		v.Rows = append(v.Rows, rowOf(i, counts[i.ID]))
	}
	if len(list) > 0 {
		v.Pager = pageAfter(c, more, int64(list[len(list)-1].Number))
	}
	return s.deskPage(c, http.StatusOK, "admin/issues", "issues", "호", v)
}

func numberOf(c echo.Context) (int, error) {
	n, err := strconv.Atoi(c.Param("number"))
	if err != nil {
		return 0, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 호예요."}
	}
	return n, nil
}

// surelyView asks once more before something is gone for good.
type surelyView struct {
	Heading, Text, Action, Button, Back string
}

func (s *server) deleteIssueForm(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	i, err := s.svc.Issue(c.Request().Context(), n)
	if err != nil {
		return err
	}
	if i.State != newsletter.IssueDraft {
		return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d/send", n))
	}
	return s.deskPage(c, http.StatusOK, "admin/confirm", "issues", "호 지우기", surelyView{
		Heading: fmt.Sprintf("%d호 ‘%s’ 초안을 지울까요?", n, i.Subject), Text: "쓰던 글이 모두 사라지고 되돌릴 수 없어요. 아티클은 그대로 남아요.",
		Action: fmt.Sprintf("/admin/issues/%d/delete", n), Button: "초안 지우기", Back: fmt.Sprintf("/admin/issues/%d", n),
	})
}

func (s *server) deleteIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	if err := s.svc.DeleteIssue(c.Request().Context(), actorOf(c), n); err != nil {
		return err
	}
	return doneAt(c, "/admin/issues", "deleted")
}
