package handlers

import (
	"context"
	"net/http"
	"time"

	"techissue/newsletter"
)

type apiKey struct {
	ID        int64      `json:"id"`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes" nullable:"false"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func (s *server) mountMe(a *api) {
	operation(a, call{method: "GET", path: "/me", summary: "지금 쓰는 키 보기", doc: "키의 이름과 권한을 알려 줘요. 어떤 키로도 부를 수 있어요."},
		func(ctx context.Context, _ *struct{}) (*bodyOf[apiKey], error) {
			k := apiKeyOf(callerIn(ctx))
			out := apiKey{ID: k.ID, Name: k.Name, Scopes: []string{}, ExpiresAt: timeOrNil(k.ExpiresAt)}
			for _, sc := range k.Scopes {
				out.Scopes = append(out.Scopes, string(sc))
			}
			return answer(out, nil)
		})
}

type settingsBody map[string]string

func (s *server) mountSettings(a *api) {
	operation(a, call{
		method: "GET", path: "/settings", scope: newsletter.ScopeSettingsRead, summary: "설정 보기",
		doc: "지금 쓰이는 값이에요. 비밀번호 같은 비밀은 나오지 않아요. `base_url`, `from`, `reply_to`, `list_id`, `bounce_domain`은 환경 변수로만 바꿔요.",
	}, func(ctx context.Context, _ *struct{}) (*bodyOf[settingsBody], error) {
		return answer(s.apiSettings(ctx))
	})
	operation(a, call{
		method: "PATCH", path: "/settings", scope: newsletter.ScopeSettingsWrite, summary: "설정 바꾸기",
		doc: "적은 것만 바꿔요. 하나라도 잘못되면 아무것도 바뀌지 않아요. 빈 글자는 환경 변수의 값으로 되돌려요.",
	}, func(ctx context.Context, in *struct {
		Body settingsBody `example:"{\"tagline\":\"쉽고 친근한 IT 트렌드 레터\"}"`
	}) (*bodyOf[settingsBody], error) {
		if err := s.svc.PutSettings(ctx, actorIn(ctx), in.Body); err != nil {
			return nil, err
		}
		return answer(s.apiSettings(ctx))
	})
}

// settings are the admin's and, to be read only, those of the environment that letters show.
func (s *server) apiSettings(ctx context.Context) (settingsBody, error) {
	values, err := s.svc.Settings(ctx)
	if err != nil {
		return nil, err
	}
	h, err := s.svc.House(ctx)
	if err != nil {
		return nil, err
	}
	for name, v := range map[string]string{"base_url": h.BaseURL, "from": h.From, "reply_to": h.ReplyTo, "list_id": h.ListID, "bounce_domain": h.Bounce} {
		if _, settable := values[name]; !settable {
			values[name] = v
		}
	}
	return values, nil
}

type apiSuppression struct {
	ID        int64     `json:"id"`
	Email     string    `json:"email" doc:"보관 기간이 지나면 비어요."`
	Reason    string    `json:"reason" enum:"hard,soft,complaint,manual"`
	Evidence  string    `json:"evidence" doc:"서버의 답, 신고, 또는 사람이 적은 이유"`
	CreatedAt time.Time `json:"created_at"`
}

func apiSuppressionOf(p newsletter.Suppression) apiSuppression {
	return apiSuppression{p.ID, p.Email, string(p.Reason), p.Evidence, p.CreatedAt.UTC()}
}

func (s *server) mountSuppressions(a *api) {
	read, write := newsletter.ScopeSubscribersRead, newsletter.ScopeSubscribersWrite
	operation(a, call{method: "GET", path: "/suppressions", scope: read, summary: "보내지 않기로 한 주소 목록", doc: "최근 것부터예요. `q`는 주소의 일부예요."},
		func(ctx context.Context, in *ListInput) (*listOutput[apiSuppression], error) {
			rows, more, err := s.svc.Suppressions(ctx, in.Q, in.after.id, in.Limit)
			return listAnswer(rows, more, err, apiSuppressionOf, byID(func(p newsletter.Suppression) int64 { return p.ID }))
		})
	operation(a, call{
		method: "POST", path: "/suppressions", scope: write, status: http.StatusCreated, summary: "주소로 보내지 않기",
		doc: "구독자가 아닌 주소도 돼요. 이미 있는 주소면 더 강한 이유가 남아요.",
	}, func(ctx context.Context, in *struct {
		Body struct {
			Email    string `json:"email" example:"reader@example.com"`
			Reason   string `json:"reason,omitempty" enum:"hard,soft,complaint,manual" doc:"적지 않으면 manual"`
			Evidence string `json:"evidence,omitempty" maxLength:"1000" example:"전화로 요청"`
		}
	}) (*bodyOf[apiSuppression], error) {
		p, err := s.svc.Suppress(ctx, actorIn(ctx), in.Body.Email, newsletter.SuppressionReason(in.Body.Reason), in.Body.Evidence)
		return answer(apiSuppressionOf(p), err)
	})
	operation(a, call{
		method: "DELETE", path: "/suppressions/{id}", scope: write, status: http.StatusNoContent, summary: "다시 보낼 수 있게 풀기",
		doc: "구독자 스스로 한 수신거부는 그대로예요.",
	}, func(ctx context.Context, in *IDInput) (*struct{}, error) {
		return nil, s.svc.LiftSuppression(ctx, actorIn(ctx), in.ID)
	})
}
