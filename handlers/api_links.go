package handlers

import (
	"context"
	"net/http"
	"time"

	"techissue/newsletter"
)

type pileLink struct {
	ID        int64     `json:"id"`
	URL       string    `json:"url"`
	Title     string    `json:"title"`
	Source    string    `json:"source"`
	Summary   string    `json:"summary"`
	CreatedAt time.Time `json:"created_at"`
}

func pileLinkOf(l newsletter.Link) pileLink {
	return pileLink{l.ID, l.URL, l.Title, l.Source, l.Summary, l.CreatedAt.UTC()}
}

func (s *server) mountLinks(a *api) {
	scope := newsletter.ScopeLinksWrite
	operation(a, call{method: "GET", path: "/links", scope: scope, summary: "모아 둔 링크", doc: "최근 것부터예요. `q`는 제목이나 주소의 일부예요."},
		func(ctx context.Context, in *ListInput) (*listOutput[pileLink], error) {
			rows, more, err := s.svc.Links(ctx, in.Q, in.after.id, in.Limit)
			return listAnswer(rows, more, err, pileLinkOf, byID(func(l newsletter.Link) int64 { return l.ID }))
		})
	operation(a, call{method: "POST", path: "/links", scope: scope, status: http.StatusCreated, summary: "링크 모으기", doc: "이미 모아 둔 주소는 409예요."},
		func(ctx context.Context, in *struct{ Body apiLink }) (*bodyOf[pileLink], error) {
			l, err := s.svc.AddLink(ctx, actorIn(ctx), newsletter.RoundupLink(in.Body))
			return answer(pileLinkOf(l), err)
		})
	operation(a, call{method: "DELETE", path: "/links/{id}", scope: scope, status: http.StatusNoContent, summary: "링크 빼기", doc: "이미 호에 실은 링크는 그대로예요."},
		func(ctx context.Context, in *IDInput) (*struct{}, error) {
			return nil, s.svc.DeleteLink(ctx, actorIn(ctx), in.ID)
		})
	operation(a, call{method: "DELETE", path: "/links", scope: scope, status: http.StatusNoContent, summary: "주소로 링크 빼기", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *struct {
			URL string `query:"url" required:"true" doc:"모아 둔 주소 그대로"`
		}) (*struct{}, error) {
			l, err := s.svc.LinkByURL(ctx, in.URL)
			if err != nil {
				return nil, err
			}
			return nil, s.svc.DeleteLink(ctx, actorIn(ctx), l.ID)
		})
}
