package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"techissue/newsletter"
)

type apiWebhook struct {
	ID        int64     `json:"id"`
	URL       string    `json:"url"`
	Types     []string  `json:"types" nullable:"false" doc:"비어 있으면 모두"`
	State     string    `json:"state" enum:"active,disabled"`
	Reason    string    `json:"reason,omitempty" doc:"꺼진 까닭"`
	Secret    string    `json:"secret,omitempty" doc:"만들 때와 바꿀 때 한 번만 나와요."`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func apiWebhookOf(w newsletter.Webhook) apiWebhook {
	types := w.Types
	if types == nil {
		types = []string{}
	}
	return apiWebhook{ID: int64(w.ID), URL: w.URL, Types: types, State: string(w.State), Reason: w.Reason, CreatedAt: w.CreatedAt.UTC(), UpdatedAt: w.UpdatedAt.UTC()}
}

type apiHookMessage struct {
	ID        int64           `json:"id"`
	WebhookID string          `json:"webhook_id" doc:"머리글 webhook-id의 값"`
	Type      string          `json:"type"`
	Payload   json.RawMessage `json:"payload"`
	State     string          `json:"state" enum:"queued,sent,failed"`
	Attempts  int             `json:"attempts"`
	Code      int             `json:"code" doc:"마지막 답의 HTTP 상태, 답이 없었으면 0"`
	Error     string          `json:"error,omitempty"`
	CreatedAt time.Time       `json:"created_at"`
	DueAt     *time.Time      `json:"due_at" doc:"다음에 보낼 때"`
	DoneAt    *time.Time      `json:"done_at"`
}

func apiHookMessageOf(m newsletter.WebhookMessage) apiHookMessage {
	out := apiHookMessage{
		ID: m.ID, WebhookID: m.MessageID(), Type: m.Type, Payload: json.RawMessage(m.Payload), State: string(m.State), Attempts: m.Attempts,
		Code: m.Code, Error: m.Error, CreatedAt: m.CreatedAt.UTC(), DoneAt: timeOrNil(m.DoneAt),
	}
	if m.State == newsletter.MessageQueued {
		out.DueAt = timeOrNil(m.DueAt)
	}
	return out
}

type madeWebhook struct {
	Location string `header:"Location"`
	Body     apiWebhook
}

type hookMessageInput struct {
	IDInput
	Message int64 `path:"message" minimum:"1" doc:"전송 기록의 번호"`
}

func (s *server) mountWebhooks(a *api) {
	read, write := newsletter.ScopeSettingsRead, newsletter.ScopeSettingsWrite
	operation(a, call{method: "GET", path: "/webhooks", scope: read, summary: "웹훅 목록", doc: "최근 것부터예요. 비밀은 나오지 않아요."},
		func(ctx context.Context, in *ListInput) (*listOutput[apiWebhook], error) {
			rows, more, err := s.svc.Webhooks(ctx, in.after.id, in.Limit)
			return listAnswer(rows, more, err, apiWebhookOf, byID(func(w newsletter.Webhook) newsletter.WebhookID { return w.ID }))
		})
	operation(a, call{
		method: "POST", path: "/webhooks", scope: write, status: http.StatusCreated, summary: "웹훅 만들기",
		doc: "일이 생기면 이 주소로 POST해요. Standard Webhooks 규격이라 어느 언어에나 확인하는 라이브러리가 있어요. " +
			"2xx가 아니면 사흘에 걸쳐 다시 보내고, 410이면 꺼져요. 답의 `secret`은 다시 볼 수 없어요.",
	}, func(ctx context.Context, in *struct {
		Body struct {
			URL   string   `json:"url" example:"https://hooks.example.com/techissue" maxLength:"2000"`
			Types []string `json:"types,omitempty" maxItems:"50" doc:"받을 알림. 비우면 모두" example:"[\"subscriber.confirmed\",\"issue.done\"]"`
		}
	}) (*madeWebhook, error) {
		w, err := s.svc.CreateWebhook(ctx, actorIn(ctx), in.Body.URL, in.Body.Types)
		if err != nil {
			return nil, err
		}
		out := &madeWebhook{Location: fmt.Sprintf("%s/webhooks/%d", apiPrefix, w.ID), Body: apiWebhookOf(w)}
		out.Body.Secret = w.Secret
		return out, nil
	})
	operation(a, call{method: "GET", path: "/webhooks/{id}", scope: read, summary: "웹훅 보기"},
		func(ctx context.Context, in *IDInput) (*bodyOf[apiWebhook], error) {
			w, err := s.svc.Webhook(ctx, newsletter.WebhookID(in.ID))
			return answer(apiWebhookOf(w), err)
		})
	operation(a, call{
		method: "PATCH", path: "/webhooks/{id}", scope: write, summary: "웹훅 바꾸기",
		doc: "적은 것만 바꿔요. 끄면 아직 보내지 못한 것은 버려요.",
	}, func(ctx context.Context, in *struct {
		IDInput
		Body struct {
			URL   *string   `json:"url,omitempty" maxLength:"2000"`
			Types *[]string `json:"types,omitempty" maxItems:"50"`
			State *string   `json:"state,omitempty" enum:"active,disabled"`
		}
	}) (*bodyOf[apiWebhook], error) {
		w, err := s.svc.UpdateWebhook(ctx, actorIn(ctx), newsletter.WebhookID(in.ID), func(w *newsletter.Webhook) {
			if in.Body.URL != nil {
				w.URL = *in.Body.URL
			}
			if in.Body.Types != nil {
				w.Types = *in.Body.Types
			}
			if in.Body.State != nil {
				w.State = newsletter.WebhookState(*in.Body.State)
			}
		})
		return answer(apiWebhookOf(w), err)
	})
	operation(a, call{method: "DELETE", path: "/webhooks/{id}", scope: write, status: http.StatusNoContent, summary: "웹훅 지우기"},
		func(ctx context.Context, in *IDInput) (*struct{}, error) {
			return nil, s.svc.DeleteWebhook(ctx, actorIn(ctx), newsletter.WebhookID(in.ID))
		})
	operation(a, call{
		method: "POST", path: "/webhooks/{id}/rotate", scope: write, summary: "웹훅의 비밀 바꾸기",
		doc: "하루 동안은 옛 비밀의 서명도 함께 보내요. 답의 `secret`은 다시 볼 수 없어요.",
	}, func(ctx context.Context, in *IDInput) (*bodyOf[apiWebhook], error) {
		w, err := s.svc.RotateWebhook(ctx, actorIn(ctx), newsletter.WebhookID(in.ID))
		out := apiWebhookOf(w)
		out.Secret = w.Secret
		return answer(out, err)
	})
	s.mountHookMessages(a, read, write)
}

func (s *server) mountHookMessages(a *api, read, write newsletter.Scope) {
	operation(a, call{method: "GET", path: "/webhooks/{id}/messages", scope: read, summary: "웹훅의 전송 기록", doc: "지난 30일 동안 보낸 것이에요. 최근 것부터예요."},
		func(ctx context.Context, in *struct {
			IDInput
			ListInput
		}) (*listOutput[apiHookMessage], error) {
			rows, more, err := s.svc.WebhookMessages(ctx, newsletter.WebhookID(in.ID), in.after.id, in.Limit)
			return listAnswer(rows, more, err, apiHookMessageOf, byID(func(m newsletter.WebhookMessage) int64 { return m.ID }))
		})
	operation(a, call{
		method: "POST", path: "/webhooks/{id}/messages/{message}/resend", scope: write, status: http.StatusAccepted, summary: "다시 보내기",
		doc: "같은 webhook-id로 다시 보내요. 받는 쪽은 이미 아는 것임을 알 수 있어요.",
	}, func(ctx context.Context, in *hookMessageInput) (*bodyOf[apiHookMessage], error) {
		m, err := s.svc.ResendWebhookMessage(ctx, actorIn(ctx), newsletter.WebhookID(in.ID), in.Message)
		return answer(apiHookMessageOf(m), err)
	})
}
