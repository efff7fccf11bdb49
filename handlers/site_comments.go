package handlers

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// commentsView is what stands under an article or an issue.
type commentsView struct {
	Path   string // of the page
	Count  int
	Closed bool
	List   []commentLine
	Form   commentForm
}

type commentLine struct {
	ID       int64
	Name     string
	Text     string
	ByAuthor bool
	Gone     bool // taken back; the replies stay
	At       time.Time
	Edited   bool
	Replies  []commentLine
}

// commentForm is the form, as far as it was filled in.
type commentForm struct {
	Path              string
	Name, Email, Text string
	Parent            int64
	ParentName        string
	Notify            bool
	Started           string
	Faults            map[string]string
	Summary           []faultLine
	Said              string // what became of a comment just sent
}

// saidOfComment are the sentences behind the redirect: ?comment=
var saidOfComment = map[string]string{
	"mailed":    "확인 메일을 보냈어요. 메일의 버튼을 누르면 댓글이 올라가요.",
	"held":      "댓글을 받았어요. 글쓴이가 확인하면 올라가요.",
	"published": "댓글을 올렸어요.",
	"deleted":   "댓글을 지웠어요.",
}

func lineOfComment(c newsletter.Comment) commentLine {
	return commentLine{
		ID: int64(c.ID), Name: c.Name, Text: c.Body, ByAuthor: c.ByAuthor, Gone: c.Status == newsletter.CommentDeleted, At: c.CreatedAt, Edited: !c.EditedAt.IsZero(),
	}
}

// commentsOf reads the comments of a page. A reply is asked for by ?reply=, so that it works without scripts.
func (s *server) commentsOf(c echo.Context, on newsletter.CommentOn, path string, form commentForm) (commentsView, error) {
	list, err := s.svc.CommentsOn(c.Request().Context(), on)
	if err != nil {
		return commentsView{}, err
	}
	if c.Request().Method == http.MethodGet {
		form.Parent, _ = strconv.ParseInt(c.QueryParam("reply"), 10, 64)
		form.Said = saidOfComment[c.QueryParam("comment")]
		form.Started = stampHole
		form.Notify = true
	}
	form.Path = path
	v := commentsView{Path: path}
	at := map[newsletter.CommentID]int{}
	for _, k := range list {
		line := lineOfComment(k)
		if !line.Gone {
			v.Count++
			if line.ID == form.Parent {
				form.ParentName = line.Name
			}
		}
		if i, ok := at[k.Parent]; ok && k.Parent != 0 {
			v.List[i].Replies = append(v.List[i].Replies, line)
			continue
		}
		at[k.ID] = len(v.List)
		v.List = append(v.List, line)
	}
	if form.ParentName == "" {
		form.Parent = 0
	}
	v.Form = form
	return v, nil
}

func (s *server) commentArticle(c echo.Context) error {
	a, err := s.publishedArticle(c)
	if err != nil {
		return err
	}
	return s.addComment(c, newsletter.CommentOn{Kind: newsletter.OnArticle, ID: int64(a.ID)}, articlePath(a.Slug), func(status int, f commentForm) error {
		return s.articlePage(c, status, a, f)
	})
}

func (s *server) commentIssue(c echo.Context) error {
	n, err := issueNumber(c)
	if err != nil {
		return err
	}
	is, _, err := s.svc.IssueEdition(c.Request().Context(), n)
	if err != nil {
		return err
	}
	return s.addComment(c, newsletter.CommentOn{Kind: newsletter.OnIssue, ID: int64(is.ID)}, issuePath(n), func(status int, f commentForm) error {
		return s.issuePage(c, status, n, f)
	})
}

// addComment takes the form of either page. Whatever is refused, the page comes back with every word that was typed.
func (s *server) addComment(c echo.Context, on newsletter.CommentOn, path string, again func(int, commentForm) error) error {
	f := commentForm{
		Name: strings.TrimSpace(c.FormValue("name")), Email: strings.TrimSpace(c.FormValue("email")), Text: c.FormValue("body"),
		Notify: ticked(c, "notify"), Started: c.FormValue("started"),
	}
	f.Parent, _ = strconv.ParseInt(c.FormValue("parent"), 10, 64)
	if c.FormValue(honeypot) != "" {
		return c.Redirect(http.StatusSeeOther, path+"?comment=mailed#comment-form") // a robot learns nothing
	}
	err := s.unhurried(&f)
	var k newsletter.Comment
	if err == nil {
		k, err = s.svc.AddComment(c.Request().Context(), on, newsletter.NewComment{
			Name: f.Name, Email: f.Email, Body: f.Text, Parent: newsletter.CommentID(f.Parent), Notify: f.Notify, IP: c.RealIP(),
			Browser: s.readCookie(c, writerCookie),
		})
	}
	switch newsletter.KindOf(err) {
	case newsletter.None:
		return c.Redirect(http.StatusSeeOther, commentPlace(path, k))
	case newsletter.Invalid, newsletter.TooMany, newsletter.Conflict:
		if wantsJSON(c) {
			return err
		}
		return again(f.refuse(c, err), f)
	}
	return err
}

// unhurried refuses a form that was filled in faster than a person can; one without the signed moment is a program's.
func (s *server) unhurried(f *commentForm) error {
	took, ours := s.filled(f.Started)
	if !ours {
		f.Started = s.stamp(s.now())
	}
	if !ours || took < minFill {
		return &newsletter.Error{Kind: newsletter.Invalid, Msg: "너무 빨리 보내졌거나 오래된 페이지예요. 남기기를 한 번 더 눌러 주세요."}
	}
	return nil
}

// refuse puts the faults to their fields and gives the status of the answer.
func (f *commentForm) refuse(c echo.Context, err error) int {
	f.Faults = map[string]string{}
	faults, status := newsletter.FaultsOf(err), http.StatusUnprocessableEntity
	if newsletter.KindOf(err) != newsletter.Invalid {
		told := faultOf(err)
		status, faults = told.status, []*newsletter.Error{{Msg: told.detail}}
		if status == http.StatusTooManyRequests {
			c.Response().Header().Set("Retry-After", itoa(retryAfter(err)))
		}
	}
	for _, e := range faults {
		field := e.Field
		if field != "name" && field != "email" && field != "body" {
			field = "submit"
		}
		f.Faults[field] = e.Msg
		f.Summary = append(f.Summary, faultLine{field, e.Msg})
	}
	return status
}

// commentPlace is where its writer is led: to the comment, or to what has become of it.
func commentPlace(path string, k newsletter.Comment) string {
	switch k.Status {
	case newsletter.CommentPublished:
		return path + "?comment=published#comment-" + strconv.FormatInt(int64(k.ID), 10)
	case newsletter.CommentUnconfirmed:
		return path + "?comment=mailed#comment-form"
	}
	return path + "?comment=held#comment-form"
}

// ownCommentView is the page behind the link that only a comment's writer has.
type ownCommentView struct {
	Token, Name, Text, Masked string
	Confirmed, Waits          bool
	Notify                    bool
	Page                      string
	Fault                     string
	Saved                     bool
}

// ownComment shows a button, or a form: link scanners open every link in a letter (S28).
func (s *server) ownComment(c echo.Context) error {
	return s.showOwnComment(c, http.StatusOK, func(v *ownCommentView) { v.Saved = c.QueryParam("saved") == "1" })
}

func (s *server) showOwnComment(c echo.Context, status int, change func(*ownCommentView)) error {
	token := c.Param("token")
	k, err := s.svc.CommentByToken(c.Request().Context(), token)
	if err != nil {
		return err
	}
	page, err := s.pageOf(c, k.On)
	if err != nil {
		return err
	}
	v := ownCommentView{
		Token: token, Name: k.Name, Text: k.Body, Masked: k.Masked, Confirmed: k.Confirmed, Waits: k.Status != newsletter.CommentPublished, Notify: k.Notify,
		Page: page,
	}
	if k.Status == newsletter.CommentPublished {
		v.Page += "#comment-" + strconv.FormatInt(int64(k.ID), 10)
	}
	change(&v)
	return s.page(c, status, "site/comment", private("내 댓글", v))
}

// pageOf is the page that a comment stands on.
func (s *server) pageOf(c echo.Context, on newsletter.CommentOn) (string, error) {
	return s.svc.CommentPlace(c.Request().Context(), on, articlePath, issuePath)
}

func (s *server) confirmComment(c echo.Context) error {
	k, browser, err := s.svc.ConfirmComment(c.Request().Context(), c.Param("token"))
	if err != nil {
		return err
	}
	s.setCookie(c, writerCookie, browser, newsletter.WriterLife, http.SameSiteLaxMode)
	page, err := s.pageOf(c, k.On)
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, commentPlace(page, k))
}

func (s *server) editComment(c echo.Context) error {
	_, err := s.svc.EditComment(c.Request().Context(), c.Param("token"), c.FormValue("body"), ticked(c, "notify"))
	switch newsletter.KindOf(err) {
	case newsletter.None:
		return c.Redirect(http.StatusSeeOther, "/c/"+c.Param("token")+"?saved=1")
	case newsletter.Invalid, newsletter.TooMany:
		f := faultOf(err)
		return s.showOwnComment(c, f.status, func(v *ownCommentView) {
			v.Text, v.Notify, v.Fault = c.FormValue("body"), ticked(c, "notify"), f.detail
		})
	}
	return err
}

func (s *server) takeBackComment(c echo.Context) error {
	k, err := s.svc.TakeBackComment(c.Request().Context(), c.Param("token"))
	if err != nil {
		return err
	}
	page, err := s.pageOf(c, k.On)
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, page+"?comment=deleted#comment-form")
}
