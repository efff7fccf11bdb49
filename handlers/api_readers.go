package handlers

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"techissue/newsletter"
)

type apiSubscriber struct {
	ID                int64      `json:"id"`
	Email             string     `json:"email"`
	Name              string     `json:"name"`
	Status            string     `json:"status" enum:"pending,active,unsubscribed,suppressed"`
	Tags              []string   `json:"tags" nullable:"false"`
	Source            string     `json:"source" doc:"어디서 왔는지: form, import, api, admin …"`
	AdConsent         bool       `json:"ad_consent" doc:"광고성 정보 수신 동의"`
	PausedUntil       *time.Time `json:"paused_until" doc:"그때까지 편지를 건너뛰어요. status는 active 그대로예요."`
	ConsentAt         *time.Time `json:"consent_at"`
	ConfirmedAt       *time.Time `json:"confirmed_at"`
	UnsubscribedAt    *time.Time `json:"unsubscribed_at"`
	UnsubscribeReason string     `json:"unsubscribe_reason"`
	CreatedAt         time.Time  `json:"created_at"`
	UpdatedAt         time.Time  `json:"updated_at"`
}

func apiSubscriberOf(r newsletter.Subscriber) apiSubscriber {
	return apiSubscriber{
		ID: int64(r.ID), Email: r.Email.String(), Name: r.Name, Status: string(r.Shown()), Tags: append([]string{}, r.Tags...), Source: r.Source,
		AdConsent: r.AdConsent, PausedUntil: timeOrNil(r.PausedUntil), ConsentAt: timeOrNil(r.ConsentAt), ConfirmedAt: timeOrNil(r.ConfirmedAt),
		UnsubscribedAt: timeOrNil(r.UnsubscribedAt), UnsubscribeReason: r.UnsubscribeReason, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

type subscriberOutput struct {
	Location string `header:"Location"`
	Body     apiSubscriber
}

func subscriberAnswer(r newsletter.Subscriber, err error) (*subscriberOutput, error) {
	if err != nil {
		return nil, err
	}
	return &subscriberOutput{Body: apiSubscriberOf(r)}, nil
}

// newSubscriberBody is a reader brought by a program: pending mails the confirmation, active needs the consent.
type newSubscriberBody struct {
	Email     string   `json:"email" example:"reader@example.com"`
	Name      string   `json:"name,omitempty" example:"홍길동"`
	Tags      []string `json:"tags,omitempty" nullable:"false" example:"[\"vip\"]"`
	Status    string   `json:"status,omitempty" enum:"pending,active" doc:"pending(기본)은 확인 메일을 보내고, active는 consent가 있어야 해요."`
	AdConsent bool     `json:"ad_consent,omitempty"`
	Consent   *struct {
		Source      string    `json:"source" example:"2026 개발자 모임 신청서" doc:"동의를 어디서 어떻게 받았는지"`
		At          time.Time `json:"at,omitempty" doc:"동의한 때. 적지 않으면 지금"`
		TextVersion string    `json:"text_version,omitempty" doc:"동의한 문구의 판"`
	} `json:"consent,omitempty"`
}

func (b newSubscriberBody) reader(ip string) newsletter.NewSubscriber {
	n := newsletter.NewSubscriber{
		Email: b.Email, Name: b.Name, Tags: b.Tags, Status: newsletter.Status(b.Status), AdConsent: b.AdConsent, Via: "api", IP: ip,
	}
	if n.Status == "" {
		n.Status = newsletter.Pending
	}
	if c := b.Consent; c != nil {
		n.ConsentSource, n.ConsentAt, n.TextVersion = c.Source, c.At, c.TextVersion
	}
	return n
}

// inConsent renames faulty fields to where the API has them.
func inConsent(err error) error {
	names := map[string]string{"consent_source": "consent.source", "text_version": "consent.text_version"}
	faults := newsletter.FaultsOf(err)
	if len(faults) == 0 {
		return err
	}
	renamed := make(newsletter.Faults, len(faults))
	for n, f := range faults {
		moved := *f
		if name, ok := names[f.Field]; ok {
			moved.Field = name
		}
		renamed[n] = &moved
	}
	return renamed
}

// subscriberPatch changes what it names.
type subscriberPatch struct {
	Email       *string             `json:"email,omitempty" doc:"바꾸면 감사 기록에 남고, 옛 주소로 대기하던 편지는 건너뛰어요."`
	Name        *string             `json:"name,omitempty"`
	Tags        *[]string           `json:"tags,omitempty"`
	AdConsent   *bool               `json:"ad_consent,omitempty"`
	PausedUntil optional[time.Time] `json:"paused_until,omitempty" doc:"null은 쉬기를 끝내요."`
}

func (p subscriberPatch) patch() newsletter.SubscriberPatch {
	out := newsletter.SubscriberPatch{Email: p.Email, Name: p.Name, Tags: p.Tags, AdConsent: p.AdConsent}
	if p.PausedUntil.given {
		until := p.PausedUntil.value.UTC()
		if p.PausedUntil.null {
			until = time.Time{}
		}
		out.PausedUntil = &until
	}
	return out
}

func (s *server) mountReaders(a *api) {
	read, write := newsletter.ScopeSubscribersRead, newsletter.ScopeSubscribersWrite
	operation(a, call{
		method: "POST", path: "/subscribers", scope: write, status: http.StatusCreated, summary: "구독자 추가",
		doc: "이미 있는 주소, 떠난 주소, 보내지 않기로 한 주소는 409예요. 아무도 여기서 되살아나지 않아요.",
	}, func(ctx context.Context, in *struct{ Body newSubscriberBody }) (*subscriberOutput, error) {
		r, err := s.svc.AddSubscriber(ctx, actorIn(ctx), in.Body.reader(callerIn(ctx).RealIP()))
		out, err := subscriberAnswer(r, inConsent(err))
		if err == nil {
			out.Location = fmt.Sprintf("%s/subscribers/%d", apiPrefix, r.ID)
		}
		return out, err
	})
	operation(a, call{method: "GET", path: "/subscribers", scope: read, summary: "구독자 목록", doc: "최근 것부터예요. `q`는 주소나 이름의 일부예요."},
		func(ctx context.Context, in *struct {
			ListInput
			Status string `query:"status" enum:"pending,active,unsubscribed,suppressed"`
			Tag    string `query:"tag"`
		}) (*listOutput[apiSubscriber], error) {
			rows, more, err := s.svc.Subscribers(ctx, newsletter.SubscriberFilter{
				Query: in.Q, Status: newsletter.Status(in.Status), Tag: in.Tag, Cursor: in.after.id, Limit: in.Limit,
			})
			return listAnswer(rows, more, err, apiSubscriberOf, byID(func(r newsletter.Subscriber) newsletter.SubscriberID { return r.ID }))
		})
	operation(a, call{method: "GET", path: "/subscribers/{id}", scope: read, summary: "구독자 보기"}, func(ctx context.Context, in *IDInput) (*subscriberOutput, error) {
		return subscriberAnswer(s.svc.Subscriber(ctx, newsletter.SubscriberID(in.ID)))
	})
	operation(a, call{method: "PATCH", path: "/subscribers/{id}", scope: write, summary: "구독자 고치기", errors: []int{http.StatusConflict}},
		func(ctx context.Context, in *struct {
			IDInput
			Body subscriberPatch
		}) (*subscriberOutput, error) {
			return subscriberAnswer(s.svc.PatchSubscriber(ctx, actorIn(ctx), newsletter.SubscriberID(in.ID), in.Body.patch()))
		})
	operation(a, call{
		method: "DELETE", path: "/subscribers/{id}", scope: write, status: http.StatusNoContent, summary: "구독자 지우기",
		doc: "이름과 주소를 모두 지워요. 되돌릴 수 없어요. 다시 보내지 않도록 주소의 해시와 동의 기록만 남아요.",
	}, func(ctx context.Context, in *IDInput) (*struct{}, error) {
		return nil, s.svc.EraseReader(ctx, actorIn(ctx), newsletter.SubscriberID(in.ID))
	})
	operation(a, call{method: "POST", path: "/subscribers/{id}/unsubscribe", scope: write, status: http.StatusOK, summary: "수신거부", doc: "구독자가 누른 것과 같아요. 두 번 해도 같아요."},
		func(ctx context.Context, in *IDInput) (*subscriberOutput, error) {
			return subscriberAnswer(s.svc.UnsubscribeReader(ctx, actorIn(ctx), newsletter.SubscriberID(in.ID)))
		})
	s.mountEvents(a)
}

type apiEvent struct {
	ID     int64     `json:"id"`
	Kind   string    `json:"kind" doc:"subscribed, confirmed, unsubscribed, renamed, address_changed, paused …"`
	Detail string    `json:"detail"`
	At     time.Time `json:"at"`
}

type apiConsent struct {
	Kind        string    `json:"kind"`
	Granted     bool      `json:"granted"`
	TextVersion string    `json:"text_version"`
	Source      string    `json:"source"`
	Form        string    `json:"form"`
	Confirmed   string    `json:"confirmed"`
	At          time.Time `json:"at"`
}

type eventsBody struct {
	Data     []apiEvent   `json:"data" nullable:"false"`
	HasMore  bool         `json:"has_more"`
	Consents []apiConsent `json:"consents" nullable:"false" doc:"동의 기록"`
}

func (s *server) mountEvents(a *api) {
	operation(a, call{method: "GET", path: "/subscribers/{id}/events", scope: newsletter.ScopeSubscribersRead, summary: "구독자의 기록", doc: "오래된 것부터 모두예요."},
		func(ctx context.Context, in *IDInput) (*bodyOf[eventsBody], error) {
			events, consents, _, err := s.svc.SubscriberEvents(ctx, newsletter.SubscriberID(in.ID))
			out := eventsBody{Data: make([]apiEvent, len(events)), Consents: make([]apiConsent, len(consents))}
			for n, e := range events {
				out.Data[n] = apiEvent{e.ID, e.Kind, e.Detail, e.At.UTC()}
			}
			for n, c := range consents {
				out.Consents[n] = apiConsent{string(c.Kind), c.Granted, c.TextVersion, c.Source, c.Form, c.Confirmed, c.At.UTC()}
			}
			return answer(out, err)
		})
}
