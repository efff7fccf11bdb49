package handlers

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

type dashView struct {
	Active, Pending, Unsubscribed, Suppressed int64
	Joined, Left                              int64
	Running                                   []runningCard
	Todo                                      []todoLine
	Steps                                     []guideStep
	StepsHeading                              string
	Done                                      int // of the steps
	Latest                                    *issueRow
	Backup                                    backupLine
	Days                                      []newsletter.Day
	Sources                                   []newsletter.SourceTally
	Rates                                     []pastLine // the newest issue first
}

type runningCard struct {
	Number           int
	State            stateBadge
	Done, Recipients int64
	Percent          int64
	Left             string
	At               time.Time // scheduled for
}

// backupLine says where the newest backup lies and when it was read back.
type backupLine struct {
	At, VerifiedAt time.Time
	Path, Fault    string
}

type todoLine struct {
	Text, Link, Button string
	At                 time.Time
}

// guideStep is a line of the list that ticks itself off.
type guideStep struct {
	Text, Hint, Link string
	Done             bool
}

func (s *server) dashboard(c echo.Context) error {
	ctx := c.Request().Context()
	d, err := s.svc.Dashboard(ctx)
	if err != nil {
		return err
	}
	v := dashView{
		Active: d.Readers[newsletter.Active], Pending: d.Readers[newsletter.Pending], Unsubscribed: d.Readers[newsletter.Unsubscribed],
		Suppressed: d.Readers[newsletter.Suppressed], Joined: d.Joined, Left: d.Left,
		Backup: backupLine{d.Backup.At, d.Backup.VerifiedAt, d.Backup.Path, d.Backup.Fault},
	}
	for _, p := range d.Running {
		card, err := s.runningCard(c, p)
		if err != nil {
			return err
		}
		v.Running = append(v.Running, card)
	}
	if d.NoFeedback && s.opt.Demo == nil { // the demo's letters go nowhere, so nothing comes back
		v.Todo = append(v.Todo, todoLine{Text: newsletter.NoFeedbackText + ". 누가 떠났는지 알 수 없어요.", Link: "/admin/feedback", Button: "길 열기"})
	}
	for _, t := range d.Todo {
		v.Todo = append(v.Todo, todoOf(t))
	}
	if d.Latest.ID != 0 {
		counts, err := s.svc.LettersByState(ctx, []newsletter.Issue{d.Latest})
		if err != nil {
			return err
		}
		row := rowOf(d.Latest, counts[d.Latest.ID])
		v.Latest = &row
	}
	if err := s.listStory(c, &v); err != nil {
		return err
	}
	v.StepsHeading, v.Steps = "시작하기", firstSteps(d)
	if s.opt.Demo != nil {
		v.StepsHeading, v.Steps = "데모 둘러보기", s.demoSteps(d)
	}
	for _, step := range v.Steps {
		if step.Done {
			v.Done++
		}
	}
	if s.opt.Demo == nil && v.Done == len(v.Steps) {
		v.Steps = nil
	}
	return s.deskPage(c, http.StatusOK, "admin/home", "home", "대시보드", v)
}

// listStory is how the list lives, and how the last issues were read.
func (s *server) listStory(c echo.Context, v *dashView) error {
	ctx := c.Request().Context()
	l, err := s.svc.ListStory(ctx)
	if err != nil {
		return err
	}
	for _, d := range l.Days {
		if d.Joined+d.Left > 0 {
			v.Days = l.Days
		}
	}
	v.Sources = l.Sources
	rates, err := s.svc.LastRates(ctx)
	v.Rates = pastLines(rates)
	return err
}

func (s *server) runningCard(c echo.Context, p newsletter.Progress) (runningCard, error) {
	v := progressOf(p)
	card := runningCard{Number: p.Number, State: badgeOf(p.State), Done: v.Done, Recipients: p.Recipients, Percent: v.Percent, Left: v.Left}
	if p.State == newsletter.IssueScheduled {
		i, err := s.svc.Issue(c.Request().Context(), p.Number)
		if err != nil {
			return card, err
		}
		card.At = i.ScheduledAt
	}
	return card, nil
}

func todoOf(t newsletter.Todo) todoLine {
	line := todoLine{Text: t.Text, At: t.At, Link: "/admin/settings", Button: "설정 보기"}
	switch {
	case t.Kind == "leave_offers" || t.Kind == "feedback" || t.Kind == "complaint" && t.Number == 0:
		line.Link, line.Button = "/admin/feedback", "반송함 보기"
		return line
	case t.Number == 0:
		return line
	}
	line.Text = fmt.Sprintf("%d호 — %s", t.Number, t.Text)
	line.Link, line.Button = fmt.Sprintf("/admin/issues/%d/send", t.Number), "발송 보기"
	if t.Kind == "uncertain" {
		line.Link, line.Button = fmt.Sprintf("/admin/issues/%d/letters?state=uncertain", t.Number), "결정하기"
	}
	return line
}

// firstSteps lead from an empty house to a first issue.
func firstSteps(d newsletter.Dashboard) []guideStep {
	legal := "메일 아래쪽에 보이는 정보예요."
	if len(d.LegalMissing) > 0 {
		legal = "빈 곳: " + strings.Join(d.LegalMissing, ", ")
	}
	var readers int64
	for _, n := range d.Readers {
		readers += n
	}
	return []guideStep{
		{"사업자 정보 채우기", legal, "/admin/settings", len(d.LegalMissing) == 0},
		{"구독자 맞이하기", "구독 폼을 공유하거나 파일로 추가해 보세요.", "/admin/subscribers", readers > 0},
		{"첫 호를 쓰고 테스트 발송하기", "링크 몇 개와 인사말이면 충분해요.", "/admin/issues/new", d.Tested},
	}
}

// demoSteps tick themselves off by what is in the database and by the caught letters that were opened.
func (s *server) demoSteps(d newsletter.Dashboard) []guideStep {
	return []guideStep{
		{"메일함에서 12호 열기", "보낸 편지는 모두 이 컴퓨터의 메일함으로 가요.", "/mailbox?q=reader@example.com", s.opened.Load()},
		{"구독해 보기", "아무 주소나 적어도 돼요. 밖으로는 나가지 않아요.", "/subscribe", d.SignedUp},
		{"인증 메일 누르기", "메일함에 온 확인 메일을 열고 단추를 눌러 보세요.", "/mailbox", d.Confirmed},
		{"제목 고치고 테스트 발송", "새 호를 열어 제목을 적고 테스트 발송을 눌러 보세요.", "/admin/issues/new", d.Tested},
		{"수신거부 눌러 보기", "편지 아래의 수신거부 링크예요. 다음 호부터 빠져요.", "/mailbox", d.Refused},
	}
}
