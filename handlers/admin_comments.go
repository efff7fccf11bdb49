package handlers

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

var commentBadges = map[newsletter.CommentStatus]stateBadge{
	newsletter.CommentPending: {"대기", "wait"}, newsletter.CommentPublished: {"게시됨", "good"}, newsletter.CommentSpam: {"스팸", "bad"},
}

type deskCommentsView struct {
	Status string
	States []choice
	Rows   []deskComment
	Pager  pager
	Wrong  []wrongLine
}

type deskComment struct {
	ID                int64
	Name, Email, Text string
	Held, Title, Page string
	Status            string
	State             stateBadge
	At                time.Time
	ByAuthor, Reply   bool
	Draft             string // of a reply that was refused
}

func (s *server) deskComments(c echo.Context) error {
	return s.showDeskComments(c, http.StatusOK, commentFilter(c.QueryParam("status")), 0, "", nil)
}

// commentFilter is a status that the list knows: the waiting ones come first.
func commentFilter(raw string) newsletter.CommentStatus {
	switch st := newsletter.CommentStatus(raw); st {
	case newsletter.CommentPublished, newsletter.CommentSpam:
		return st
	}
	return newsletter.CommentPending
}

func (s *server) showDeskComments(c echo.Context, status int, of newsletter.CommentStatus, draftOf int64, draft string, wrong []wrongLine) error {
	ctx := c.Request().Context()
	counts, err := s.svc.CountComments(ctx)
	if err != nil {
		return err
	}
	list, more, err := s.svc.Comments(ctx, of, newsletter.CommentID(cursorOf(c)), 30)
	if err != nil {
		return err
	}
	v := deskCommentsView{Status: string(of), Wrong: wrong}
	for _, st := range []newsletter.CommentStatus{newsletter.CommentPending, newsletter.CommentPublished, newsletter.CommentSpam} {
		v.States = append(v.States, choice{string(st), commentBadges[st].Name, counts[st], st == of})
	}
	for _, k := range list {
		row := deskComment{
			ID: int64(k.ID), Name: k.Name, Email: k.Email, Text: k.Body, Held: k.Held, Title: k.Title, Page: issuePath(k.Number), Status: string(k.Status),
			State: commentBadges[k.Status], At: k.CreatedAt, ByAuthor: k.ByAuthor, Reply: k.Parent != 0,
		}
		if k.On.Kind == newsletter.OnArticle {
			row.Page = articlePath(k.Slug)
		}
		if k.Status == newsletter.CommentPublished {
			row.Page += "#comment-" + strconv.FormatInt(row.ID, 10)
		}
		if row.ID == draftOf {
			row.Draft = draft
		}
		v.Rows = append(v.Rows, row)
	}
	if len(list) > 0 {
		v.Pager = pageAfter(c, more, int64(list[len(list)-1].ID))
	}
	return s.deskPage(c, status, "admin/comments", "comments", "댓글", v)
}

func (s *server) judgeComment(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	ctx, do := c.Request().Context(), c.FormValue("do")
	if do == "delete" {
		err = s.svc.RemoveComment(ctx, actorOf(c), newsletter.CommentID(id))
	} else {
		_, err = s.svc.JudgeComment(ctx, actorOf(c), newsletter.CommentID(id), newsletter.CommentStatus(do))
	}
	if err != nil {
		return err
	}
	return backToComments(c, "comment")
}

func backToComments(c echo.Context, done string) error {
	q := url.Values{"done": {done}, "status": {string(commentFilter(c.FormValue("back")))}}
	return c.Redirect(http.StatusSeeOther, "/admin/comments?"+q.Encode())
}

func (s *server) replyComment(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	_, err = s.svc.ReplyAsAuthor(c.Request().Context(), actorOf(c), newsletter.CommentID(id), c.FormValue("body"))
	switch newsletter.KindOf(err) {
	case newsletter.None:
		return backToComments(c, "replied")
	case newsletter.Invalid:
		wrong := []wrongLine{{"reply-" + strconv.FormatInt(id, 10), faultOf(err).detail}}
		return s.showDeskComments(c, http.StatusUnprocessableEntity, commentFilter(c.FormValue("back")), id, strings.TrimSpace(c.FormValue("body"))+" ", wrong)
	}
	return err
}
