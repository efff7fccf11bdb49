package handlers

import (
	"context"
	"net/http"
	"time"

	"techissue/newsletter"
)

// LetterCounts counts an issue's letters; the nine states add up to recipients. It is exported because huma looks into
// embedded structs only then.
type LetterCounts struct {
	Number     int    `json:"number"`
	State      string `json:"state"`
	Recipients int64  `json:"recipients"`
	Queued     int64  `json:"queued"`
	Leased     int64  `json:"leased"`
	Handing    int64  `json:"handing"`
	Sent       int64  `json:"sent"`
	Failed     int64  `json:"failed"`
	Expired    int64  `json:"expired"`
	Uncertain  int64  `json:"uncertain"`
	Skipped    int64  `json:"skipped"`
	Cancelled  int64  `json:"cancelled"`
}

func countsOf(p newsletter.Progress) LetterCounts {
	c := p.Counts
	return LetterCounts{
		Number: p.Number, State: string(p.State), Recipients: p.Recipients, Queued: c[newsletter.Queued], Leased: c[newsletter.Leased],
		Handing: c[newsletter.Handing], Sent: c[newsletter.Sent], Failed: c[newsletter.Failed], Expired: c[newsletter.Expired],
		Uncertain: c[newsletter.Uncertain], Skipped: c[newsletter.Skipped], Cancelled: c[newsletter.Cancelled],
	}
}

type apiProgress struct {
	LetterCounts
	RatePerSecond float64    `json:"rate_per_second"`
	ETASeconds    int64      `json:"eta_seconds"`
	Alerts        []apiAlert `json:"alerts" nullable:"false"`
}

type apiAlert struct {
	Kind string    `json:"kind"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

type apiReport struct {
	LetterCounts
	SentAt       *time.Time `json:"sent_at"`
	Opened       int64      `json:"opened" doc:"어림값이에요. 메일 프로그램이 스스로 열기도 해요."`
	Clicked      int64      `json:"clicked"`
	Bounced      int64      `json:"bounced"`
	Unsubscribed int64      `json:"unsubscribed" doc:"이 호를 받고 떠난 사람"`
}

type apiDelivery struct {
	ID        int64        `json:"id"`
	Issue     int          `json:"issue" doc:"호 번호"`
	Email     string       `json:"email"`
	State     string       `json:"state" enum:"queued,leased,handing,sent,failed,expired,uncertain,skipped,cancelled"`
	Reason    string       `json:"reason"`
	Attempts  int          `json:"attempts"`
	MessageID string       `json:"message_id" doc:"편지의 Message-ID. 꺼내기 전에는 비어 있어요."`
	Reply     string       `json:"reply" doc:"서버의 마지막 답"`
	FirstAt   *time.Time   `json:"first_at"`
	DoneAt    *time.Time   `json:"done_at"`
	Log       []apiAttempt `json:"attempt_log,omitempty" doc:"하나를 볼 때만 나와요."`
}

type apiAttempt struct {
	At       time.Time `json:"at"`
	Stage    string    `json:"stage"`
	Code     int       `json:"code"`
	Enhanced string    `json:"enhanced"`
	Text     string    `json:"text"`
	Outcome  string    `json:"outcome"`
	Relay    string    `json:"relay"`
}

func apiDeliveryOf(d newsletter.Delivery, messageID string) apiDelivery {
	return apiDelivery{
		ID: int64(d.ID), Issue: d.Number, Email: d.Email, State: string(d.State), Reason: d.Reason, Attempts: d.Attempts, MessageID: messageID, Reply: d.Reply,
		FirstAt: timeOrNil(d.FirstAt), DoneAt: timeOrNil(d.DoneAt),
	}
}

// oneDelivery shows a letter with its Message-ID.
func (s *server) oneDelivery(ctx context.Context, d newsletter.Delivery, err error) (*bodyOf[apiDelivery], error) {
	if err != nil {
		return nil, err
	}
	ids, err := s.svc.MessageIDs(ctx, []newsletter.Delivery{d})
	if err != nil {
		return nil, err
	}
	return answer(apiDeliveryOf(d, ids[0]), nil)
}

func (s *server) mountLetters(a *api) {
	read := newsletter.ScopeIssuesRead
	operation(a, call{method: "GET", path: "/issues/{n}/progress", scope: read, summary: "보내기 진행 상황", doc: "아홉 상태의 수를 더하면 recipients예요."},
		func(ctx context.Context, in *NumberInput) (*bodyOf[apiProgress], error) {
			p, err := s.svc.Progress(ctx, in.N)
			out := apiProgress{LetterCounts: countsOf(p), RatePerSecond: p.Rate, ETASeconds: int64(p.ETA.Seconds()), Alerts: []apiAlert{}}
			for _, al := range p.Alerts {
				out.Alerts = append(out.Alerts, apiAlert{al.Kind, al.Text, al.At.UTC()})
			}
			return answer(out, err)
		})
	operation(a, call{method: "GET", path: "/issues/{n}/report", scope: read, summary: "보낸 결과"}, func(ctx context.Context, in *NumberInput) (*bodyOf[apiReport], error) {
		r, err := s.svc.Report(ctx, in.N)
		return answer(apiReport{
			LetterCounts: countsOf(r.Progress), SentAt: timeOrNil(r.SentAt), Opened: r.Opened, Clicked: r.Clicked, Bounced: r.Bounced, Unsubscribed: r.Unsubscribed,
		}, err)
	})
	operation(a, call{method: "GET", path: "/issues/{n}/deliveries", scope: read, summary: "호의 편지 목록", doc: "`q`는 주소의 일부예요."}, s.listDeliveries)
	operation(a, call{method: "GET", path: "/deliveries/{id}", scope: read, summary: "편지 보기", doc: "`attempt_log`에 서버의 답이 모두 있어요."},
		func(ctx context.Context, in *IDInput) (*bodyOf[apiDelivery], error) {
			d, attempts, err := s.svc.Delivery(ctx, newsletter.DeliveryID(in.ID))
			out, err := s.oneDelivery(ctx, d, err)
			if err != nil {
				return nil, err
			}
			for _, at := range attempts {
				out.Body.Log = append(out.Body.Log, apiAttempt{at.At.UTC(), string(at.Reply.Stage), at.Reply.Code, at.Reply.Enhanced, at.Reply.Text, at.Outcome, at.Relay})
			}
			return out, nil
		})
	s.mountLetterVerbs(a)
}

func (s *server) listDeliveries(ctx context.Context, in *struct {
	NumberInput
	ListInput
	State string `query:"state" enum:"queued,leased,handing,sent,failed,expired,uncertain,skipped,cancelled"`
}) (*listOutput[apiDelivery], error) {
	rows, more, err := s.svc.Deliveries(ctx, in.N, newsletter.DeliveryFilter{
		State: newsletter.DeliveryState(in.State), Query: in.Q, Cursor: in.after.id, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	ids, err := s.svc.MessageIDs(ctx, rows)
	if err != nil {
		return nil, err
	}
	n := -1
	return listAnswer(rows, more, nil, func(d newsletter.Delivery) apiDelivery {
		n++
		return apiDeliveryOf(d, ids[n])
	}, byID(func(d newsletter.Delivery) newsletter.DeliveryID { return d.ID }))
}

func (s *server) mountLetterVerbs(a *api) {
	send := newsletter.ScopeIssuesSend
	operation(a, call{
		method: "POST", path: "/deliveries/{id}/resend", scope: send, status: http.StatusAccepted, summary: "편지 다시 보내기",
		doc: "못 갔거나(failed, expired) 결과를 모르는(uncertain) 편지를 다시 보내요. `copy`는 이미 보낸 편지를 그대로 한 통 더 보내요. " +
			"편지는 sent 그대로이고, `attempt_log`에 copy로 남아요.",
	}, func(ctx context.Context, in *struct {
		IDInput
		Body *struct {
			Copy bool `json:"copy,omitempty"`
		}
	}) (*bodyOf[apiDelivery], error) {
		again := s.svc.ResendDelivery
		if in.Body != nil && in.Body.Copy {
			again = s.svc.CopyDelivery
		}
		d, err := again(ctx, actorIn(ctx), newsletter.DeliveryID(in.ID))
		return s.oneDelivery(ctx, d, err)
	})
	operation(a, call{method: "POST", path: "/deliveries/{id}/mark-sent", scope: send, status: http.StatusOK, summary: "간 것으로 적기", doc: "결과를 모르는 편지가 도착한 것을 확인했을 때 써요."},
		func(ctx context.Context, in *IDInput) (*bodyOf[apiDelivery], error) {
			d, err := s.svc.MarkSent(ctx, actorIn(ctx), newsletter.DeliveryID(in.ID))
			return s.oneDelivery(ctx, d, err)
		})
}
