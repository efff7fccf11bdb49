package handlers

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// plainRefresh is how often a browser without scripts looks again, in seconds.
const plainRefresh = 10

// sendView is the last page before an issue leaves: exactly who gets it, who does not and why.
type sendView struct {
	Number           int
	Subject          string
	Ad               bool
	Recipients, Info int64
	Out              []outLine
	Checks           []checkLine
	Blocked          bool
	Faults           faults
	At               string
	UndoSeconds      int
	Editing          string
	Unusual          string // why the number of readers has to be typed
	Count            string
	Drafts           int // articles that are not published yet
	Split            splitView
}

// Whole is how many get the issue as it was written.
func (v sendView) Whole() int64 { return v.Recipients - v.Info }

// outLine is a group that the issue does not go to.
type outLine struct {
	N    int64
	Text string
}

func (s *server) sendPage(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	i, err := s.svc.Issue(c.Request().Context(), n)
	if err != nil {
		return err
	}
	if i.State == newsletter.IssueDraft {
		return s.askSend(c, http.StatusOK, i, sendView{})
	}
	return s.showProgress(c, http.StatusOK, i, "")
}

func (s *server) askSend(c echo.Context, status int, i newsletter.Issue, v sendView) error {
	ctx := c.Request().Context()
	a, err := s.svc.Audience(ctx, i.Number)
	if err != nil {
		return err
	}
	checks, err := s.svc.CheckIssue(ctx, i.Number)
	if err != nil {
		return err
	}
	if v.Unusual, _, err = s.svc.Unusual(ctx, i.Number); err != nil {
		return err
	}
	v.Number, v.Subject, v.Ad, v.Recipients, v.Info = i.Number, i.Subject, i.Kind == newsletter.KindAd, a.Recipients, a.Info
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	v.Checks, v.UndoSeconds, v.Editing = checkLines(checks), int(house.UndoTime().Seconds()), fmt.Sprintf("/admin/issues/%d", i.Number)
	for _, ch := range checks {
		v.Blocked = v.Blocked || ch.Level == "block"
		if ch.Code == "article_draft" {
			v.Drafts++
		}
	}
	v.Out = leftOut(i, a)
	if v.Split, err = s.splitOf(ctx, i, a.Recipients); err != nil {
		return err
	}
	return s.deskPage(c, status, "admin/send_ask", "issues", fmt.Sprintf("%d호 보내기", i.Number), v)
}

// publishArticles publishes the drafts that an issue carries, so that its letter's links lead somewhere.
func (s *server) publishArticles(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	i, err := s.svc.Issue(ctx, n)
	if err != nil {
		return err
	}
	for _, slug := range i.Content.Articles {
		a, err := s.svc.Article(ctx, slug)
		if err != nil {
			return err
		}
		if a.Status == newsletter.ArticlePublished {
			continue
		}
		_, err = s.svc.UpdateArticle(ctx, actorOf(c), slug, func(a *newsletter.Article) error {
			a.Status = newsletter.ArticlePublished
			return nil
		}, 0)
		if err != nil {
			return s.refusedSend(c, n, err, sendView{})
		}
	}
	return doneAt(c, fmt.Sprintf("/admin/issues/%d/send", n), "published")
}

// leftOut says in numbers why somebody does not get the issue.
func leftOut(i newsletter.Issue, a newsletter.AudienceCount) (out []outLine) {
	if rest := a.Active - a.Recipients; rest > 0 {
		why := "받는 사람 조건에 맞지 않아요"
		switch {
		case i.Kind == newsletter.KindAd && !i.Audience.Narrow():
			why = "광고성 정보 수신에 동의하지 않았어요"
		case i.Kind == newsletter.KindAd:
			why = "받는 사람 조건에 맞지 않거나, 광고성 정보 수신에 동의하지 않았어요"
		}
		out = append(out, outLine{rest, why})
	}
	for _, g := range []struct {
		status newsletter.Status
		text   string
	}{
		{newsletter.Pending, "아직 확인 메일의 링크를 누르지 않았어요(미확인)"}, {newsletter.Unsubscribed, "수신을 거부했어요"},
		{newsletter.Suppressed, "메일이 돌아왔거나 신고해서 보내지 않기로 했어요(자동삭제)"},
	} {
		if n := a.Other[g.status]; n > 0 {
			out = append(out, outLine{n, g.text})
		}
	}
	return out
}

// sendIssue accepts the send, with time to take it back; the editor's own copy leaves at once. now=1 ends that time: a
// second press of the first button must not.
func (s *server) sendIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	if c.FormValue("now") != "" {
		return s.step(c, n, func(ctx context.Context, actor string, n int) (newsletter.Issue, error) {
			return s.svc.SendIssue(ctx, actor, n, 0)
		})
	}
	ctx := c.Request().Context()
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	if err := s.confirmed(c, n); err != nil {
		return s.refusedSend(c, n, err, sendView{Count: c.FormValue("count")})
	}
	if _, err := s.svc.SendIssue(ctx, actorOf(c), n, house.UndoTime()); err != nil {
		return s.refusedSend(c, n, err, sendView{})
	}
	if _, err := s.svc.TestIssue(ctx, actorOf(c), n, []string{adminOf(c).Email.String()}); err != nil {
		s.log.Warn("owner's copy", "issue", n, "cause", err) // the send itself goes on
	}
	return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d/send", n))
}

// confirmed wants the number of readers typed when a send is out of the ordinary: a wrong segment and a text of last month look like any other.
func (s *server) confirmed(c echo.Context, n int) error {
	why, recipients, err := s.svc.Unusual(c.Request().Context(), n)
	if err != nil || why == "" {
		return err
	}
	typed := strings.NewReplacer(",", "", "명", "", " ", "").Replace(c.FormValue("count"))
	if typed != strconv.FormatInt(recipients, 10) {
		return &newsletter.Error{Kind: newsletter.Invalid, Field: "count", Msg: why + " 받는 사람 수를 그대로 적어 주세요."}
	}
	return nil
}

func (s *server) scheduleIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	v := sendView{At: c.FormValue("at")}
	at, err := time.ParseInLocation(momentInput, v.At, s.loc)
	if err != nil {
		return s.refusedSend(c, n, &newsletter.Error{Kind: newsletter.Invalid, Field: "at", Msg: "예약할 날짜와 시각을 골라 주세요."}, v)
	}
	if err := s.confirmed(c, n); err != nil {
		v.Count = c.FormValue("count")
		return s.refusedSend(c, n, err, v)
	}
	if _, err := s.svc.ScheduleIssue(c.Request().Context(), actorOf(c), n, at.UTC()); err != nil {
		return s.refusedSend(c, n, err, v)
	}
	return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d/send", n))
}

// refusedSend shows the page again with what stands in the way.
func (s *server) refusedSend(c echo.Context, n int, why error, v sendView) error {
	wrong, status, ok := faultsFrom(why)
	if !ok {
		return why
	}
	i, err := s.svc.Issue(c.Request().Context(), n)
	if err != nil {
		return err
	}
	if i.State != newsletter.IssueDraft {
		return s.showProgress(c, status, i, wrong[0].Msg)
	}
	v.Faults = wrong
	return s.askSend(c, status, i, v)
}

type issueStep func(context.Context, string, int) (newsletter.Issue, error)

// stepIssue moves an issue and shows how its sending stands.
func (s *server) stepIssue(step issueStep) echo.HandlerFunc {
	return func(c echo.Context) error {
		n, err := numberOf(c)
		if err != nil {
			return err
		}
		return s.step(c, n, step)
	}
}

func (s *server) step(c echo.Context, n int, step issueStep) error {
	i, err := step(c.Request().Context(), actorOf(c), n)
	if err != nil {
		return s.refusedSend(c, n, err, sendView{})
	}
	if i.State == newsletter.IssueDraft {
		return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d", n))
	}
	return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d/send", n))
}

// progressPart writes the part of the page that moves: for scripts that lost the stream.
func (s *server) progressPart(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	html, _, err := s.renderProgress(c.Request().Context(), n)
	if err != nil {
		return err
	}
	return c.HTMLBlob(http.StatusOK, html)
}

func (s *server) renderProgress(ctx context.Context, n int) ([]byte, progressView, error) {
	i, err := s.svc.Issue(ctx, n)
	if err != nil {
		return nil, progressView{}, err
	}
	v, err := s.progressView(ctx, i)
	if err != nil {
		return nil, v, err
	}
	var buf bytes.Buffer
	err = s.pages.RenderPart(&buf, "admin/send", "progress", v)
	return buf.Bytes(), v, err
}
