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
	Issue     int       `json:"issue" doc:"이미 실은 호. 없으면 0"`
	SameAs    string    `json:"same_as" doc:"먼저 모은 링크 가운데 같은 글로 가는 주소. 없으면 빈 글"`
}

func pileLinkOf(l newsletter.PiledLink) pileLink {
	return pileLink{l.ID, l.URL, l.Title, l.Source, l.Summary, l.CreatedAt.UTC(), l.Issue, l.Twin}
}

func (s *server) mountLinks(a *api) {
	scope := newsletter.ScopeLinksWrite
	operation(a, call{method: "GET", path: "/links", scope: scope, summary: "모아 둔 링크", doc: "최근 것부터예요. 제목이 없는 링크는 뒤에서 읽어 온 제목을 보여요. `q`는 제목이나 주소의 일부예요."},
		func(ctx context.Context, in *ListInput) (*listOutput[pileLink], error) {
			rows, more, err := s.svc.Pile(ctx, in.Q, in.after.id, in.Limit)
			return listAnswer(rows, more, err, pileLinkOf, byID(func(l newsletter.PiledLink) int64 { return l.ID }))
		})
	operation(a, call{method: "POST", path: "/links", scope: scope, status: http.StatusCreated, summary: "링크 모으기", doc: "이미 모아 둔 주소는 409예요."},
		func(ctx context.Context, in *struct{ Body apiLink }) (*bodyOf[pileLink], error) {
			l, err := s.svc.AddLink(ctx, actorIn(ctx), newsletter.RoundupLink(in.Body))
			return answer(pileLinkOf(newsletter.PiledLink{Link: l}), err)
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
