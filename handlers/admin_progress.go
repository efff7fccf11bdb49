package handlers

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// progressView is an issue's sending at one instant, in the editor's words. The parts add up to Recipients.
type progressView struct {
	Number               int
	Subject              string
	State                stateBadge
	Sentence             string
	Recipients, Done     int64
	Percent              int64
	Parts                []progressPart
	PerMinute, Left      string
	Scheduled            time.Time
	Seconds              int // until a scheduled one starts, when that is near
	Open                 int64
	Alerts               []string
	Uncertain, Failed    int64
	UncertainSettles     bool // by itself: the policy tries once more
	Troubles             []letterLine
	CanSend, CanUndo     bool
	CanPause, CanResume  bool
	CanCancel, CanResend bool
	Ended                bool // nothing will move by itself any more
	Draft                bool // taken back
	Notice               string
	Repair               repairState
	Report               bool // there is something to learn
}

type progressPart struct {
	Name, Tone, Hint string
	N                int64
}

// progressOf says a sending in five parts (product.md, 발송 진행).
func progressOf(p newsletter.Progress) progressView {
	n := p.Counts
	v := progressView{
		Number: p.Number, State: badgeOf(p.State), Recipients: p.Recipients, Uncertain: n[newsletter.Uncertain],
		Failed: n[newsletter.Failed] + n[newsletter.Expired],
	}
	waiting := n[newsletter.Queued] - p.Deferred + n[newsletter.Leased] + n[newsletter.Handing]
	v.Open = waiting + p.Deferred
	v.Parts = []progressPart{
		{"대기", "wait", "차례를 기다려요", waiting}, {"발송", "good", "받는 서버가 받았어요", n[newsletter.Sent]},
		{"보류", "warn", "다시 시도하거나 확인이 필요해요", p.Deferred + v.Uncertain}, {"실패", "bad", "보내지 못했어요", v.Failed},
		{"취소", "off", "떠났거나 멈춘 사람이에요", n[newsletter.Cancelled] + n[newsletter.Skipped]},
	}
	v.Done = p.Recipients - v.Open
	if p.Recipients > 0 {
		v.Percent = v.Done * 100 / p.Recipients
	}
	for _, a := range p.Alerts {
		v.Alerts = append(v.Alerts, a.Text)
	}
	if p.Rate > 0 && v.Open > 0 {
		v.PerMinute, v.Left = fmt.Sprintf("%.0f통/분", p.Rate*60), leftText(p.ETA)
	}
	return v
}

// leftText is a time that is honest about what it does not know.
func leftText(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "곧 끝나요"
	case d < time.Minute:
		return fmt.Sprintf("약 %d초 남음", int(d.Seconds())/5*5+5)
	case d < time.Hour:
		return fmt.Sprintf("약 %d분 남음", int(d.Minutes())+1)
	}
	return fmt.Sprintf("약 %d시간 %d분 남음", int(d.Hours()), int(d.Minutes())%60)
}

func (s *server) progressView(ctx context.Context, i newsletter.Issue) (progressView, error) {
	p, err := s.svc.Progress(ctx, i.Number)
	if err != nil {
		return progressView{}, err
	}
	v := progressOf(p)
	v.Subject = i.Subject
	v.UncertainSettles = p.State == newsletter.IssueSending && i.Uncertain == newsletter.ResendOnce
	switch p.State {
	case newsletter.IssueDraft:
		v.Draft = true
	case newsletter.IssueScheduled:
		v.CanSend, v.CanUndo, v.CanCancel, v.Scheduled = true, true, true, i.ScheduledAt
		if left := i.ScheduledAt.Sub(s.now()); left < 2*time.Minute {
			v.Seconds = max(int(left.Seconds()), 0) + 1
		}
	case newsletter.IssuePreparing, newsletter.IssueSending:
		v.CanPause, v.CanCancel = true, true
	case newsletter.IssuePaused:
		v.CanResume, v.CanCancel = true, true
	}
	v.CanResend = v.Failed > 0 && (p.State == newsletter.IssueDone || p.State == newsletter.IssueSending || p.State == newsletter.IssuePaused)
	v.Ended = v.Draft || (p.State == newsletter.IssueDone || p.State == newsletter.IssueCancelled) && v.Open == 0
	v.Sentence = sentenceOf(p.State, v)
	v.Report = !i.PreparedAt.IsZero() && !i.Archived
	if v.Repair, err = s.repairState(ctx, i); err != nil {
		return v, err
	}
	if p.State == newsletter.IssueSending && i.Portions > 1 && p.NextDue.After(s.now()) {
		v.Sentence = fmt.Sprintf("오늘 몫은 다 나갔어요. 다음 몫은 %s에 보내요.", newsletter.DateTime(p.NextDue, s.loc))
	}
	troubles, err := s.svc.Troubles(ctx, i.Number, 10)
	if err != nil {
		return v, err
	}
	v.Troubles = letterLines(troubles)
	return v, nil
}

func sentenceOf(st newsletter.IssueState, v progressView) string {
	switch st {
	case newsletter.IssueScheduled:
		if v.Seconds > 0 {
			return fmt.Sprintf("%d초 뒤에 보내기 시작해요. 그 전에는 되돌릴 수 있어요.", v.Seconds)
		}
		return "예약한 시각이 되면 저절로 보내요."
	case newsletter.IssuePreparing:
		return "받는 사람을 정하고 있어요."
	case newsletter.IssuePaused:
		return "멈춰 있어요. 멈추기 전에 서버에 넘긴 편지는 도착할 수 있어요."
	case newsletter.IssueDone:
		return "모두 보냈어요."
	case newsletter.IssueCancelled:
		return "취소했어요. 남은 편지는 나가지 않아요."
	}
	if v.PerMinute != "" {
		return v.PerMinute + " · " + v.Left
	}
	return "보내고 있어요."
}

func (s *server) showProgress(c echo.Context, status int, i newsletter.Issue, notice string) error {
	v, err := s.progressView(c.Request().Context(), i)
	if err != nil {
		return err
	}
	v.Notice = notice
	p := templates.Page{Title: fmt.Sprintf("%d호 발송", i.Number), Body: v}
	if !v.Ended {
		p.Refresh = plainRefresh
	}
	return s.deskFrame(c, status, "admin/send", "issues", p)
}

// Times of the stream: how often it looks, how often it shows that it lives, how long before the browser has to prove
// again who it is, and how long one write may take.
const (
	streamLook  = time.Second
	streamPing  = 15 * time.Second
	streamLife  = 10 * time.Minute
	streamWrite = 10 * time.Second
)

// sendEvents streams the moving part of the page as server-sent events. An event's id is the hash of what it shows, so a
// browser that comes back with Last-Event-ID gets only what it has not seen. It ends with the issue, and at once when the
// server stops.
func (s *server) sendEvents(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	html, v, err := s.renderProgress(ctx, n)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx would keep the events to itself
	c.Response().WriteHeader(http.StatusOK)
	if isHead(c) {
		return nil
	}
	out := &eventStream{to: http.NewResponseController(c.Response()), w: c.Response(), last: c.Request().Header.Get("Last-Event-ID")}
	if err := out.open(); err != nil {
		return nil
	}
	look, ping, end := time.NewTicker(streamLook), time.NewTicker(streamPing), time.NewTimer(streamLife)
	defer look.Stop()
	defer ping.Stop()
	defer end.Stop()
	for {
		if err := out.show(html, v.Ended); err != nil || v.Ended {
			return nil // the browser is gone, or there is no more to tell
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.stopping:
			return nil
		case <-end.C:
			return nil
		case <-ping.C:
			if err := out.write(": \n\n"); err != nil {
				return nil
			}
		case <-look.C:
			if html, v, err = s.renderProgress(ctx, n); err != nil {
				s.log.Warn("progress stream", "issue", n, "cause", err)
				return nil // the headers are out: the browser asks again by itself
			}
		}
	}
}
