package handlers

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"techissue/newsletter"
)

// IssueBody is what a program may set of an issue. What is left out stays as it is. It is exported because huma looks
// into embedded structs only then.
type IssueBody struct {
	Number           *int                 `json:"number,omitempty" minimum:"1" doc:"적지 않으면 다음 번호"`
	Subject          *string              `json:"subject,omitempty" example:"이번 주 IT 이슈 모음"`
	Preheader        *string              `json:"preheader,omitempty" doc:"받은편지함에서 제목 옆에 보이는 글"`
	Kind             *string              `json:"kind,omitempty" enum:"info,ad" doc:"ad면 제목에 (광고)가 붙고, 동의한 사람에게만 가요."`
	WithoutAdConsent *string              `json:"without_ad_consent,omitempty" enum:"skip,info_edition" doc:"광고 호에서 동의하지 않은 사람: 건너뛰기, 또는 협찬 없는 판"`
	Portions         *int                 `json:"portions,omitempty" minimum:"1" maximum:"5" doc:"며칠에 나눠 보낼지. 하루에 한 번, 앞의 두 배씩, 많이 읽는 분부터 보내요. 1은 한꺼번에"`
	ExpiresAt        optional[time.Time]  `json:"expires_at,omitempty" doc:"이때까지 못 보낸 편지는 포기해요. null은 없음"`
	Uncertain        *string              `json:"uncertain,omitempty" enum:"resend_once,hold" doc:"결과를 모르는 편지: 한 번 더 보내기, 또는 두기"`
	Tracking         *bool                `json:"tracking,omitempty"`
	Intro            *string              `json:"intro,omitempty" doc:"인사(Markdown)"`
	Links            *[]apiLink           `json:"links,omitempty" doc:"IT 이슈 모음"`
	Articles         *[]string            `json:"articles,omitempty" doc:"실을 아티클의 slug, 순서대로"`
	Sponsor          *string              `json:"sponsor,omitempty" doc:"협찬 상자(Markdown)"`
	Outro            *string              `json:"outro,omitempty" doc:"맺음말(Markdown)"`
	Audience         *newsletter.Audience `json:"audience,omitempty" doc:"받는 사람. 비우면 구독 중인 모두"`
}

// newIssueBody may be an issue of the past, too.
type newIssueBody struct {
	IssueBody
	SentAt   *time.Time `json:"sent_at,omitempty" doc:"지난 호를 보낸 때"`
	Archived bool       `json:"archived,omitempty" doc:"지난 호로 보관해요. 보내지 않아요."`
}

type apiLink struct {
	URL     string `json:"url" example:"https://news.example.com/1"`
	Title   string `json:"title,omitempty"`
	Source  string `json:"source,omitempty"`
	Summary string `json:"summary,omitempty"`
}

func (b IssueBody) fill(i *newsletter.Issue) {
	set(&i.Number, b.Number)
	set(&i.Subject, b.Subject)
	set(&i.Preheader, b.Preheader)
	set(&i.Intro, b.Intro)
	set(&i.Sponsor, b.Sponsor)
	set(&i.Outro, b.Outro)
	set(&i.WithoutAdConsent, b.WithoutAdConsent)
	set(&i.Tracking, b.Tracking)
	set(&i.Content.Articles, b.Articles)
	set(&i.Audience, b.Audience)
	set(&i.Portions, b.Portions)
	if b.Kind != nil {
		i.Kind = newsletter.IssueKind(*b.Kind)
	}
	if b.Uncertain != nil {
		i.Uncertain = newsletter.UncertainPolicy(*b.Uncertain)
	}
	if b.ExpiresAt.given {
		i.ExpiresAt = b.ExpiresAt.value.UTC()
		if b.ExpiresAt.null {
			i.ExpiresAt = time.Time{}
		}
	}
	if b.Links != nil {
		i.Links = nil
		for _, l := range *b.Links {
			i.Links = append(i.Links, newsletter.RoundupLink(l))
		}
	}
}

// apiIssue is an issue as programs see it.
type apiIssue struct {
	Number           int                 `json:"number"`
	State            string              `json:"state" enum:"draft,scheduled,preparing,sending,paused,done,cancelled"`
	Subject          string              `json:"subject"`
	Preheader        string              `json:"preheader"`
	Kind             string              `json:"kind" enum:"info,ad"`
	WithoutAdConsent string              `json:"without_ad_consent" enum:"skip,info_edition"`
	Portions         int                 `json:"portions" doc:"며칠에 나눠 보내는지. 1은 한꺼번에"`
	ExpiresAt        *time.Time          `json:"expires_at"`
	Uncertain        string              `json:"uncertain" enum:"resend_once,hold"`
	Tracking         bool                `json:"tracking"`
	Intro            string              `json:"intro"`
	Links            []apiLink           `json:"links" nullable:"false"`
	Articles         []string            `json:"articles" nullable:"false"`
	Sponsor          string              `json:"sponsor"`
	Outro            string              `json:"outro"`
	Audience         newsletter.Audience `json:"audience"`
	Archived         bool                `json:"archived"`
	Recipients       int64               `json:"recipients" doc:"보내기 시작한 뒤의 받는 사람 수"`
	PauseReason      string              `json:"pause_reason"`
	URL              string              `json:"url" doc:"사이트에서의 주소. 보낸 뒤부터 열려요."`
	ScheduledAt      *time.Time          `json:"scheduled_at"`
	SentAt           *time.Time          `json:"sent_at"`
	DoneAt           *time.Time          `json:"done_at"`
	CreatedAt        time.Time           `json:"created_at"`
	UpdatedAt        time.Time           `json:"updated_at"`
}

func (s *server) apiIssueOf(i newsletter.Issue) apiIssue {
	links := make([]apiLink, len(i.Links))
	for n, l := range i.Links {
		links[n] = apiLink(l)
	}
	return apiIssue{
		Number: i.Number, State: string(i.State), Subject: i.Subject, Preheader: i.Preheader, Kind: string(i.Kind), WithoutAdConsent: i.WithoutAdConsent,
		Portions: max(i.Portions, 1), ExpiresAt: timeOrNil(i.ExpiresAt), Uncertain: string(i.Uncertain), Tracking: i.Tracking, Intro: i.Intro, Links: links,
		Articles: append([]string{}, i.Content.Articles...), Sponsor: i.Sponsor, Outro: i.Outro, Audience: i.Audience, Archived: i.Archived,
		Recipients: i.Recipients, PauseReason: i.PauseReason, URL: fmt.Sprintf("%s/issues/%d", s.baseURL, i.Number), ScheduledAt: timeOrNil(i.ScheduledAt),
		SentAt: timeOrNil(i.SentAt()), DoneAt: timeOrNil(i.DoneAt), CreatedAt: i.CreatedAt.UTC(), UpdatedAt: i.UpdatedAt.UTC(),
	}
}

// NumberInput names an issue.
type NumberInput struct {
	N int `path:"n" minimum:"1" doc:"호 번호"`
}

type issueOutput struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     apiIssue
}

func (s *server) issueAnswer(i newsletter.Issue, err error) (*issueOutput, error) {
	if err != nil {
		return nil, err
	}
	return &issueOutput{ETag: etagOf(i.Version), Body: s.apiIssueOf(i)}, nil
}

func progressPath(number int) string { return fmt.Sprintf("%s/issues/%d/progress", apiPrefix, number) }

func (s *server) mountIssues(a *api) {
	read, write := newsletter.ScopeIssuesRead, newsletter.ScopeIssuesWrite
	operation(a, call{
		method: "POST", path: "/issues", scope: write, status: http.StatusCreated, summary: "호 만들기",
		doc: "초안을 만들어요. `archived`면 `sent_at`에 보낸 지난 호로 보관하고, 보내지 않아요.",
	}, func(ctx context.Context, in *struct{ Body newIssueBody }) (*issueOutput, error) {
		i := newsletter.Issue{Archived: in.Body.Archived}
		in.Body.fill(&i)
		if in.Body.Archived && in.Body.SentAt != nil {
			i.AcceptedAt = in.Body.SentAt.UTC()
		}
		out, err := s.issueAnswer(s.svc.CreateIssue(ctx, actorIn(ctx), i))
		if err == nil {
			out.Location = fmt.Sprintf("%s/issues/%d", apiPrefix, out.Body.Number)
		}
		return out, err
	})
	operation(a, call{method: "GET", path: "/issues", scope: read, summary: "호 목록", doc: "번호가 큰 것부터예요. `q`는 제목의 일부예요."},
		func(ctx context.Context, in *struct {
			ListInput
			State string `query:"state" enum:"draft,scheduled,preparing,sending,paused,done,cancelled"`
		}) (*listOutput[apiIssue], error) {
			rows, more, err := s.svc.Issues(ctx, newsletter.IssueFilter{State: newsletter.IssueState(in.State), Query: in.Q, Cursor: in.after.id, Limit: in.Limit})
			return listAnswer(rows, more, err, s.apiIssueOf, byID(func(i newsletter.Issue) int64 { return int64(i.Number) }))
		})
	operation(a, call{method: "GET", path: "/issues/{n}", scope: read, summary: "호 보기"}, func(ctx context.Context, in *NumberInput) (*issueOutput, error) {
		return s.issueAnswer(s.svc.Issue(ctx, in.N))
	})
	operation(a, call{
		method: "PATCH", path: "/issues/{n}", scope: write, summary: "초안 고치기", doc: ifMatchDoc,
		errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}, func(ctx context.Context, in *struct {
		NumberInput
		IfMatch string `header:"If-Match"`
		Body    IssueBody
	}) (*issueOutput, error) {
		return s.issueAnswer(s.svc.UpdateIssue(ctx, actorIn(ctx), in.N, func(i *newsletter.Issue) error {
			if err := matches(in.IfMatch, i.Version); err != nil {
				return err
			}
			in.Body.fill(i)
			return nil
		}, 0))
	})
	operation(a, call{
		method: "DELETE", path: "/issues/{n}", scope: write, status: http.StatusNoContent, summary: "초안 지우기", errors: []int{http.StatusConflict},
	}, func(ctx context.Context, in *NumberInput) (*struct{}, error) {
		return nil, s.svc.DeleteIssue(ctx, actorIn(ctx), in.N)
	})
	s.mountChecks(a)
	s.mountSending(a)
}

type checksBody struct {
	Checks []newsletter.Check `json:"checks" nullable:"false" doc:"block은 보내기를 막고, warn은 살펴볼 것이에요."`
}

type testBody struct {
	Queued  int           `json:"queued"`
	Letters []apiTestMail `json:"letters" nullable:"false"`
}

type apiTestMail struct {
	ID    int64  `json:"id"`
	Email string `json:"email"`
}

func (s *server) mountChecks(a *api) {
	operation(a, call{method: "POST", path: "/issues/{n}/check", scope: newsletter.ScopeIssuesRead, status: http.StatusOK, summary: "보내기 전 확인"},
		func(ctx context.Context, in *NumberInput) (*bodyOf[checksBody], error) {
			checks, err := s.svc.CheckIssue(ctx, in.N)
			return answer(checksBody{checks}, err)
		})
	operation(a, call{
		method: "POST", path: "/issues/{n}/test", scope: newsletter.ScopeIssuesSend, status: http.StatusAccepted, summary: "시험 편지 보내기",
		doc: "다섯 주소까지, 제목에 [테스트]를 붙여 보내요.",
	}, func(ctx context.Context, in *struct {
		NumberInput
		Body struct {
			To []string `json:"to" nullable:"false" example:"[\"me@example.com\"]"`
		}
	}) (*bodyOf[testBody], error) {
		ids, err := s.svc.TestIssue(ctx, actorIn(ctx), in.N, in.Body.To)
		out := testBody{Queued: len(ids), Letters: make([]apiTestMail, len(ids))}
		for n, id := range ids {
			out.Letters[n] = apiTestMail{int64(id), in.Body.To[n]}
		}
		return answer(out, err)
	})
}

type resendIssueBody struct {
	States  []string `json:"states,omitempty" enum:"failed,expired,uncertain" nullable:"false" doc:"적지 않으면 failed와 expired"`
	Reasons []string `json:"reasons,omitempty" nullable:"false" doc:"이 이유로 끝난 편지만"`
}

type resentOutput struct {
	Location string `header:"Location"`
	Body     struct {
		Queued int64 `json:"queued" doc:"다시 대기하는 편지 수"`
	}
}

func (s *server) mountSending(a *api) {
	send := newsletter.ScopeIssuesSend
	operation(a, call{method: "POST", path: "/issues/{n}/schedule", scope: send, status: http.StatusOK, summary: "보낼 때 정하기"},
		func(ctx context.Context, in *struct {
			NumberInput
			Body struct {
				At time.Time `json:"at" example:"2026-12-01T22:30:00Z"`
			}
		}) (*issueOutput, error) {
			return s.issueAnswer(s.svc.ScheduleIssue(ctx, actorIn(ctx), in.N, in.Body.At.UTC()))
		})
	operation(a, call{
		method: "POST", path: "/issues/{n}/send", scope: send, status: http.StatusAccepted, keyed: true, summary: "보내기",
		doc: "바로 보내기 시작해요. `Location`이 진행 상황이에요. 두 번 보내거나 상태가 맞지 않으면 409예요.",
	}, func(ctx context.Context, in *NumberInput) (*issueOutput, error) {
		out, err := s.issueAnswer(s.svc.SendIssue(ctx, actorIn(ctx), in.N, 0))
		if err == nil {
			out.Location = progressPath(in.N)
		}
		return out, err
	})
	for _, verb := range []struct {
		name, summary string
		step          func(context.Context, string, int) (newsletter.Issue, error)
	}{{"pause", "멈추기", s.svc.PauseIssue}, {"resume", "이어서 보내기", s.svc.ResumeIssue}, {"cancel", "그만 보내기", s.svc.CancelIssue}} {
		operation(a, call{method: "POST", path: "/issues/{n}/" + verb.name, scope: send, status: http.StatusOK, summary: verb.summary},
			func(ctx context.Context, in *NumberInput) (*issueOutput, error) {
				return s.issueAnswer(verb.step(ctx, actorIn(ctx), in.N))
			})
	}
	operation(a, call{
		method: "POST", path: "/issues/{n}/resend", scope: send, status: http.StatusAccepted, summary: "못 간 편지 다시 보내기",
		doc: "떠났거나 보내지 않기로 한 사람은 빼요.",
	}, func(ctx context.Context, in *struct {
		NumberInput
		Body *resendIssueBody
	}) (*resentOutput, error) {
		var states []newsletter.DeliveryState
		var reasons []string
		if in.Body != nil {
			for _, st := range in.Body.States {
				states = append(states, newsletter.DeliveryState(st))
			}
			reasons = in.Body.Reasons
		}
		n, err := s.svc.ResendIssue(ctx, actorIn(ctx), in.N, states, reasons)
		if err != nil {
			return nil, err
		}
		out := &resentOutput{Location: progressPath(in.N)}
		out.Body.Queued = n
		return out, nil
	})
}
