package handlers

import (
	"context"
	"net/http"
	"time"

	"techissue/newsletter"
)

type apiComment struct {
	ID        int64     `json:"id"`
	On        string    `json:"on" enum:"article,issue"`
	Article   string    `json:"article,omitempty" doc:"댓글이 달린 글의 slug"`
	Issue     int       `json:"issue,omitempty" doc:"댓글이 달린 호의 번호"`
	Parent    *int64    `json:"parent" doc:"답글이면 위 댓글의 id"`
	Name      string    `json:"name"`
	Email     string    `json:"email" doc:"글쓴이가 관리 화면에서 단 답글이면 비어 있어요."`
	Body      string    `json:"body" doc:"꾸밈 없는 글"`
	Status    string    `json:"status" enum:"pending,published,spam"`
	Held      string    `json:"held" doc:"대기하는 까닭"`
	ByAuthor  bool      `json:"by_author"`
	CreatedAt time.Time `json:"created_at"`
}

func apiCommentOf(c newsletter.Comment) apiComment {
	out := apiComment{
		ID: int64(c.ID), On: c.On.Kind, Article: c.Slug, Issue: c.Number, Name: c.Name, Email: c.Email, Body: c.Body, Status: string(c.Status),
		Held: c.Held, ByAuthor: c.ByAuthor, CreatedAt: c.CreatedAt.UTC(),
	}
	if c.Parent != 0 {
		out.Parent = ptr(int64(c.Parent))
	}
	return out
}

func (s *server) mountComments(a *api) {
	operation(a, call{
		method: "GET", path: "/comments", scope: newsletter.ScopeArticlesRead, summary: "댓글 목록",
		doc: "최근 것부터예요. 메일로 확인하지 않은 댓글과 지운 댓글은 나오지 않아요.",
	}, func(ctx context.Context, in *struct {
		ListInput
		Status string `query:"status" enum:"pending,published,spam"`
	}) (*listOutput[apiComment], error) {
		rows, more, err := s.svc.Comments(ctx, newsletter.CommentStatus(in.Status), newsletter.CommentID(in.after.id), in.Limit)
		return listAnswer(rows, more, err, apiCommentOf, byID(func(c newsletter.Comment) int64 { return int64(c.ID) }))
	})
	operation(a, call{
		method: "PATCH", path: "/comments/{id}", scope: newsletter.ScopeArticlesWrite, summary: "댓글 승인, 숨김, 스팸",
		doc: "게시하면 위 댓글을 쓴 사람에게 원할 때 답글 알림이 가요.", errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *struct {
		IDInput
		Body struct {
			Status string `json:"status" enum:"pending,published,spam"`
		}
	}) (*bodyOf[apiComment], error) {
		if _, err := s.svc.JudgeComment(ctx, actorIn(ctx), newsletter.CommentID(in.ID), newsletter.CommentStatus(in.Body.Status)); err != nil {
			return nil, err
		}
		c, err := s.svc.DeskComment(ctx, newsletter.CommentID(in.ID))
		return answer(apiCommentOf(c), err)
	})
}
