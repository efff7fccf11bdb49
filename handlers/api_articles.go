package handlers

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"techissue/newsletter"
)

type apiArticle struct {
	Slug        string     `json:"slug"`
	Title       string     `json:"title"`
	Summary     string     `json:"summary"`
	Body        *string    `json:"body,omitempty" doc:"Markdown. 목록에는 나오지 않아요."`
	Tags        []string   `json:"tags" nullable:"false"`
	Author      string     `json:"author" doc:"비어 있으면 설정의 글쓴이"`
	Status      string     `json:"status" enum:"draft,published"`
	URL         string     `json:"url" doc:"사이트에서의 주소"`
	Views       int64      `json:"views"`
	Comments    int64      `json:"comments" doc:"게시된 댓글 수"`
	Closed      bool       `json:"comments_closed" doc:"댓글을 받지 않는 글"`
	PublishedAt *time.Time `json:"published_at"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
}

func (s *server) apiArticleOf(a newsletter.Article) apiArticle {
	return apiArticle{
		Slug: a.Slug, Title: a.Title, Summary: a.Summary, Tags: append([]string{}, a.Tags...), Author: a.Author, Status: string(a.Status),
		URL: s.baseURL + "/articles/" + url.PathEscape(a.Slug), Views: a.Views, Comments: a.Comments, Closed: a.CommentsClosed, PublishedAt: timeOrNil(a.PublishedAt),
		CreatedAt: a.CreatedAt.UTC(), UpdatedAt: a.UpdatedAt.UTC(),
	}
}

// articleBody is what a program may set of an article. What is left out stays as it is.
type articleBody struct {
	Title       *string    `json:"title,omitempty" example:"AI 반도체 지형도"`
	Slug        *string    `json:"slug,omitempty" doc:"적지 않으면 제목에서 만들어요. 발행한 뒤에 바꾸면 예전 주소는 새 주소로 이어져요." example:"ai-반도체-지형도"`
	Summary     *string    `json:"summary,omitempty"`
	Body        *string    `json:"body,omitempty" doc:"Markdown" example:"## 시작하며\n\n…"`
	Tags        *[]string  `json:"tags,omitempty"`
	Author      *string    `json:"author,omitempty"`
	Status      *string    `json:"status,omitempty" enum:"draft,published"`
	Closed      *bool      `json:"comments_closed,omitempty" doc:"true면 댓글을 받지 않아요."`
	PublishedAt *time.Time `json:"published_at,omitempty" doc:"발행한 때. 적지 않으면 처음 발행하는 지금"`
}

func (b articleBody) fill(a *newsletter.Article) {
	set(&a.Title, b.Title)
	set(&a.Slug, b.Slug)
	set(&a.Summary, b.Summary)
	set(&a.Body, b.Body)
	set(&a.Author, b.Author)
	set(&a.Tags, b.Tags)
	set(&a.CommentsClosed, b.Closed)
	if b.Status != nil {
		a.Status = newsletter.ArticleStatus(*b.Status)
	}
	if b.PublishedAt != nil {
		a.PublishedAt = b.PublishedAt.UTC()
	}
}

// SlugInput names an article.
type SlugInput struct {
	Slug string `path:"slug" doc:"주소(slug)"`
}

type articleOutput struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     apiArticle
}

func (s *server) articleAnswer(a newsletter.Article, err error) (*articleOutput, error) {
	if err != nil {
		return nil, err
	}
	body := s.apiArticleOf(a)
	body.Body = &a.Body
	return &articleOutput{ETag: etagOf(a.Version), Body: body}, nil
}

func (s *server) mountArticles(a *api) {
	read, write := newsletter.ScopeArticlesRead, newsletter.ScopeArticlesWrite
	operation(a, call{
		method: "POST", path: "/articles", scope: write, status: http.StatusCreated, summary: "아티클 쓰기",
		doc: "`status`를 적지 않으면 draft예요. published면 바로 사이트에 나와요.",
	}, func(ctx context.Context, in *struct{ Body articleBody }) (*articleOutput, error) {
		var art newsletter.Article
		in.Body.fill(&art)
		out, err := s.articleAnswer(s.svc.CreateArticle(ctx, actorIn(ctx), art))
		if err == nil {
			out.Location = apiPrefix + "/articles/" + url.PathEscape(out.Body.Slug)
		}
		return out, err
	})
	operation(a, call{method: "GET", path: "/articles", scope: read, summary: "아티클 목록", doc: "최근에 발행한 것부터예요. `body`는 하나를 볼 때만 나와요."},
		func(ctx context.Context, in *struct {
			ListInput
			Status string `query:"status" enum:"draft,published"`
			Tag    string `query:"tag"`
		}) (*listOutput[apiArticle], error) {
			rows, more, err := s.svc.Articles(ctx, newsletter.ArticleFilter{
				Query: in.Q, Status: newsletter.ArticleStatus(in.Status), Tag: in.Tag, Cursor: in.after.id, Before: in.after.at, Limit: in.Limit,
			})
			return listAnswer(rows, more, err, s.apiArticleOf, func(a newsletter.Article) position { return position{int64(a.ID), a.ListedAt()} })
		})
	operation(a, call{method: "GET", path: "/articles/{slug}", scope: read, summary: "아티클 보기", doc: "초안도 보여요."}, func(ctx context.Context, in *SlugInput) (*articleOutput, error) {
		return s.articleAnswer(s.svc.Article(ctx, in.Slug))
	})
	operation(a, call{
		method: "PATCH", path: "/articles/{slug}", scope: write, summary: "아티클 고치기", doc: ifMatchDoc,
		errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}, func(ctx context.Context, in *struct {
		SlugInput
		IfMatch string `header:"If-Match"`
		Body    articleBody
	}) (*articleOutput, error) {
		return s.articleAnswer(s.svc.UpdateArticle(ctx, actorIn(ctx), in.Slug, func(art *newsletter.Article) error {
			if err := matches(in.IfMatch, art.Version); err != nil {
				return err
			}
			in.Body.fill(art)
			return nil
		}, 0))
	})
	operation(a, call{method: "DELETE", path: "/articles/{slug}", scope: write, status: http.StatusNoContent, summary: "아티클 지우기", doc: "이미 보낸 편지에는 그대로 남아요."},
		func(ctx context.Context, in *SlugInput) (*struct{}, error) {
			return nil, s.svc.DeleteArticle(ctx, actorIn(ctx), in.Slug)
		})
}
