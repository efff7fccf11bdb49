package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// stateWords are the states as editors know them.
var stateWords = map[newsletter.IssueState]string{
	newsletter.IssueDraft: "작성중", newsletter.IssueScheduled: "예약중", newsletter.IssuePreparing: "준비중", newsletter.IssueSending: "발송중",
	newsletter.IssuePaused: "일시정지", newsletter.IssueDone: "발송완료", newsletter.IssueCancelled: "취소",
}

func (s *server) deskPage(c echo.Context, status int, name, title string, refresh int, body any) error {
	return s.page(c, status, name, templates.Page{Title: title, NoIndex: true, Private: true, Refresh: refresh, Viewer: adminOf(c), Body: body})
}

type issueRow struct {
	Number         int
	Subject, State string
	Recipients     int64
}

func (s *server) dashboard(c echo.Context) error {
	ctx := c.Request().Context()
	counts, err := s.svc.CountSubscribers(ctx)
	if err != nil {
		return err
	}
	issues, _, err := s.svc.Issues(ctx, newsletter.IssueFilter{Limit: 50})
	if err != nil {
		return err
	}
	rows := make([]issueRow, len(issues))
	for n, i := range issues {
		rows[n] = issueRow{i.Number, i.Subject, stateWords[i.State], i.Recipients}
	}
	return s.deskPage(c, http.StatusOK, "admin/home", "대시보드", 0, map[string]any{
		"Active": counts[newsletter.Active], "Pending": counts[newsletter.Pending], "Unsubscribed": counts[newsletter.Unsubscribed],
		"Suppressed": counts[newsletter.Suppressed], "Issues": rows,
	})
}

// composerView is the composer: the fields as they stand in the form, whatever is wrong with them.
type composerView struct {
	Number                        int
	Action, Saved                 string
	Faults                        []string
	Subject, Preheader, Kind      string
	Intro, Links, Articles, Outro string
	Checks                        []newsletter.Check
	Recipients                    int64
}

func formOf(i newsletter.Issue) composerView {
	lines := make([]string, len(i.Links))
	for n, l := range i.Links {
		lines[n] = strings.TrimRight(strings.Join([]string{l.URL, l.Title, l.Source, l.Summary}, " | "), " |")
	}
	return composerView{
		Number: i.Number, Action: fmt.Sprintf("/admin/issues/%d", i.Number), Subject: i.Subject, Preheader: i.Preheader, Kind: string(i.Kind),
		Intro: i.Intro, Links: strings.Join(lines, "\n"), Articles: strings.Join(i.Content.Articles, "\n"), Outro: i.Outro,
	}
}

// readIssue fills an issue from the form.
func readIssue(c echo.Context, i *newsletter.Issue) {
	i.Subject, i.Preheader, i.Kind = c.FormValue("subject"), c.FormValue("preheader"), newsletter.IssueKind(c.FormValue("kind"))
	i.Intro, i.Outro = c.FormValue("intro"), c.FormValue("outro")
	i.Links, i.Content.Articles = nil, strings.Fields(c.FormValue("articles"))
	for line := range strings.SplitSeq(strings.ReplaceAll(c.FormValue("links"), "\r\n", "\n"), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		parts := append(strings.SplitN(line, "|", 4), "", "", "")
		i.Links = append(i.Links, newsletter.RoundupLink{
			URL: strings.TrimSpace(parts[0]), Title: strings.TrimSpace(parts[1]), Source: strings.TrimSpace(parts[2]), Summary: strings.TrimSpace(parts[3]),
		})
	}
}

func numberOf(c echo.Context) (int, error) {
	n, err := strconv.Atoi(c.Param("number"))
	if err != nil {
		return 0, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 호예요."}
	}
	return n, nil
}

func (s *server) newIssue(c echo.Context) error {
	return s.deskPage(c, http.StatusOK, "admin/issue", "새 호", 0, composerView{Action: "/admin/issues/new", Kind: "info"})
}

func (s *server) createIssue(c echo.Context) error {
	var i newsletter.Issue
	readIssue(c, &i)
	made, err := s.svc.CreateIssue(c.Request().Context(), actorOf(c), i)
	if newsletter.KindOf(err) == newsletter.Invalid {
		v := formOf(i)
		v.Action = "/admin/issues/new"
		return s.faultyIssue(c, "새 호", v, err)
	}
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d?saved=1", made.Number))
}

// faultyIssue shows the form again with everything that is wrong and nothing lost.
func (s *server) faultyIssue(c echo.Context, title string, v composerView, err error) error {
	for _, f := range newsletter.FaultsOf(err) {
		v.Faults = append(v.Faults, f.Msg)
	}
	return s.deskPage(c, http.StatusUnprocessableEntity, "admin/issue", title, 0, v)
}

func (s *server) editIssue(c echo.Context) error {
	ctx := c.Request().Context()
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	i, err := s.svc.Issue(ctx, n)
	if err != nil {
		return err
	}
	if i.State != newsletter.IssueDraft {
		return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d/send", n))
	}
	v := formOf(i)
	if v.Checks, err = s.svc.CheckIssue(ctx, n); err != nil {
		return err
	}
	audience, err := s.svc.Audience(ctx, n)
	if err != nil {
		return err
	}
	v.Recipients = audience.Recipients
	switch {
	case c.QueryParam("saved") != "":
		v.Saved = "저장했어요."
	case c.QueryParam("tested") != "":
		v.Saved = "테스트 메일을 보냈어요."
	}
	return s.deskPage(c, http.StatusOK, "admin/issue", fmt.Sprintf("%d호 쓰기", n), 0, v)
}

func (s *server) saveIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	var form newsletter.Issue
	_, err = s.svc.UpdateIssue(c.Request().Context(), actorOf(c), n, func(i *newsletter.Issue) error {
		readIssue(c, i)
		form = *i
		return nil
	}, 0)
	if newsletter.KindOf(err) == newsletter.Invalid {
		return s.faultyIssue(c, fmt.Sprintf("%d호 쓰기", n), formOf(form), err)
	}
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d?saved=1", n))
}

func (s *server) previewIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	html, text, err := s.svc.PreviewIssue(c.Request().Context(), n)
	if err != nil {
		return err
	}
	if c.QueryParam("part") == "text" {
		return c.String(http.StatusOK, text)
	}
	return c.HTML(http.StatusOK, html)
}

func (s *server) testIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	to := strings.FieldsFunc(c.FormValue("to"), func(r rune) bool { return r == ',' || r == ' ' })
	if _, err := s.svc.TestIssue(c.Request().Context(), actorOf(c), n, to); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d?tested=1", n))
}

func (s *server) sendIssue(c echo.Context) error {
	return s.stepIssue(func(ctx context.Context, actor string, n int) (newsletter.Issue, error) {
		return s.svc.SendIssue(ctx, actor, n, 0)
	})(c)
}

func (s *server) scheduleIssue(c echo.Context) error {
	at, err := time.ParseInLocation("2006-01-02T15:04", c.FormValue("at"), s.loc)
	if err != nil {
		return &newsletter.Error{Kind: newsletter.Invalid, Field: "at", Msg: "예약 시각을 골라 주세요."}
	}
	return s.stepIssue(func(ctx context.Context, actor string, n int) (newsletter.Issue, error) {
		return s.svc.ScheduleIssue(ctx, actor, n, at)
	})(c)
}

// stepIssue moves an issue and shows how its sending stands.
func (s *server) stepIssue(step func(context.Context, string, int) (newsletter.Issue, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		n, err := numberOf(c)
		if err != nil {
			return err
		}
		if _, err := step(c.Request().Context(), actorOf(c), n); err != nil {
			return err
		}
		return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d/send", n))
	}
}

type stateCount struct {
	Name string
	N    int64
}

type stepButton struct{ Do, Name string }

// sendProgress works without scripts: while something moves the page loads itself again.
func (s *server) sendProgress(c echo.Context) error {
	ctx := c.Request().Context()
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	p, err := s.svc.Progress(ctx, n)
	if err != nil {
		return err
	}
	failed, _, err := s.svc.Deliveries(ctx, n, newsletter.DeliveryFilter{State: newsletter.Failed, Limit: 10})
	if err != nil {
		return err
	}
	count := p.Counts
	waiting := count[newsletter.Queued] - p.Deferred + count[newsletter.Leased] + count[newsletter.Handing]
	columns := []stateCount{
		{"대기", waiting}, {"발송", count[newsletter.Sent]}, {"보류", p.Deferred + count[newsletter.Uncertain]},
		{"실패", count[newsletter.Failed] + count[newsletter.Expired]}, {"취소", count[newsletter.Cancelled] + count[newsletter.Skipped]},
	}
	v := map[string]any{
		"Number": n, "State": stateWords[p.State], "Recipients": p.Recipients, "Done": p.Recipients - waiting - p.Deferred, "Bar": max(p.Recipients, 1),
		"Columns": columns, "Uncertain": count[newsletter.Uncertain], "Failed": failed, "Buttons": buttonsFor(p.State), "Alerts": alertTexts(p.Alerts),
	}
	if p.Rate > 0 {
		v["Rate"] = fmt.Sprintf("%.0f통/분", p.Rate*60)
		v["Left"] = fmt.Sprintf("약 %d초 남음", int(p.ETA.Seconds())+1)
	}
	refresh := 0
	switch p.State {
	case newsletter.IssueScheduled, newsletter.IssuePreparing, newsletter.IssueSending:
		refresh = 3
	}
	return s.deskPage(c, http.StatusOK, "admin/send", fmt.Sprintf("%d호 발송", n), refresh, v)
}

func alertTexts(alerts []newsletter.Alert) []string {
	texts := make([]string, len(alerts))
	for n, a := range alerts {
		texts[n] = a.Text
	}
	return texts
}

func buttonsFor(st newsletter.IssueState) []stepButton {
	switch st {
	case newsletter.IssueScheduled:
		return []stepButton{{"send", "지금 모두 보내기"}, {"undo", "되돌리기"}, {"cancel", "취소"}}
	case newsletter.IssuePreparing, newsletter.IssueSending:
		return []stepButton{{"pause", "일시정지"}, {"cancel", "취소"}}
	case newsletter.IssuePaused:
		return []stepButton{{"resume", "계속"}, {"cancel", "취소"}}
	}
	return nil
}
