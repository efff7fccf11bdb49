package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// deskViewer is what the desk's frame shows around a page.
type deskViewer struct {
	Email   string
	Owner   bool
	Section string // which entry of the menu is the present one
	Said    string // what has just been done
	Version string
}

// said are the sentences after a redirect: a page says nothing that stands in its address.
var said = map[string]string{
	"saved": "저장했어요.", "created": "만들었어요.", "deleted": "지웠어요.", "tested": "테스트 메일을 보냈어요. 받은편지함을 확인해 주세요.",
	"published": "발행했어요.", "unpublished": "내렸어요. 이제 사이트에 보이지 않아요.", "added": "구독자를 추가했어요.",
	"asked": "확인 메일을 보냈어요. 링크를 누르면 구독이 시작돼요.", "left": "수신거부로 처리했어요.", "lifted": "발송 차단을 풀었어요.", "erased": "구독자를 지웠어요.",
	"uploaded": "그림을 올렸어요.", "restored": "되살렸어요. 바꾸기 전 글은 지난 판에 있어요.", "planned": "예약했어요. 그때가 되면 저절로 발행돼요.",
	"corrected": "고쳤어요. 무엇을 고쳤는지 웹 글에도 적혀요.", "correction": "정정 편지의 초안을 만들었어요.", "repointed": "링크가 새 주소로 이어져요.",
	"piled": "모아뒀어요.", "unpiled": "치웠어요. 이미 호에 실은 링크는 그대로예요.",
	"comment": "댓글을 처리했어요.", "replied": "답글을 올렸어요.",
	"resent": "다시 보내기로 했어요.", "marked": "보낸 것으로 표시했어요.", "revoked": "끝냈어요.", "dismissed": "답장을 치웠어요.", "forgotten": "이제 다음에 오는 계정을 믿어요.", "password": "비밀번호를 바꿨어요. 다른 기기에서는 모두 로그아웃됐어요.",
}

// deskPage shows a page of the desk in its frame.
func (s *server) deskPage(c echo.Context, status int, name, section, title string, body any) error {
	return s.deskFrame(c, status, name, section, templates.Page{Title: title, Body: body})
}

func (s *server) deskFrame(c echo.Context, status int, name, section string, p templates.Page) error {
	who := adminOf(c)
	v := deskViewer{Email: who.Email.String(), Owner: who.Role == newsletter.Owner, Section: section, Version: s.opt.Version}
	if status == http.StatusOK {
		v.Said = said[c.QueryParam("done")]
	}
	p.NoIndex, p.Private, p.Viewer = true, true, v
	return s.page(c, status, name, p)
}

// doneAt leads to a page that says what has been done.
func doneAt(c echo.Context, path, what string) error {
	return c.Redirect(http.StatusSeeOther, path+"?done="+what)
}

// faults are what is wrong with a form, as templates ask for it.
type faults []*newsletter.Error

// Of is what is wrong with one field, "" when nothing is. A list's faults are found under its own name too.
func (f faults) Of(field string) string {
	for _, e := range f {
		if e.Field == field || strings.HasPrefix(e.Field, field+"[") {
			return e.Msg
		}
	}
	return ""
}

// wrongLine is a line of the summary above a form, with the field it leads to.
type wrongLine struct{ ID, Msg string }

func (f faults) List() []wrongLine {
	lines := make([]wrongLine, len(f))
	for n, e := range f {
		lines[n] = wrongLine{fieldID(e.Field), e.Msg}
	}
	return lines
}

var fieldIDs = strings.NewReplacer("[", "-", "].", "-", "]", "", ".", "-")

// fieldID is the id of a field's element: links[0].url is links-0-url.
func fieldID(field string) string { return fieldIDs.Replace(field) }

// faultsFrom turns an error that the person can mend into lines for the form, and says with which status to show it.
// Anything else is for the error page.
func faultsFrom(err error) (faults, int, bool) {
	switch newsletter.KindOf(err) {
	case newsletter.Invalid:
		return newsletter.FaultsOf(err), http.StatusUnprocessableEntity, true
	case newsletter.Conflict, newsletter.Unavailable, newsletter.TooMany:
		f := faultOf(err)
		return faults{{Kind: newsletter.KindOf(err), Field: fieldOf(err), Msg: f.detail}}, f.status, true
	}
	return nil, 0, false
}

func fieldOf(err error) string {
	var e *newsletter.Error
	if errors.As(err, &e) {
		return e.Field
	}
	return ""
}

func codeOf(err error) string {
	var e *newsletter.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// pager leads through a list by the last one shown.
type pager struct{ First, Next string }

// pageAfter builds the pager of a list whose present query is kept but for its cursor.
func pageAfter(c echo.Context, more bool, last int64) pager {
	q := url.Values{}
	for k, v := range c.QueryParams() {
		if k != "after" && k != "done" && len(v) > 0 && v[0] != "" {
			q.Set(k, v[0])
		}
	}
	p := pager{}
	path := c.Request().URL.EscapedPath()
	if c.QueryParam("after") != "" {
		p.First = path + "?" + q.Encode()
	}
	if more {
		q.Set("after", strconv.FormatInt(last, 10))
		p.Next = path + "?" + q.Encode()
	}
	return p
}

func cursorOf(c echo.Context) int64 {
	n, _ := strconv.ParseInt(c.QueryParam("after"), 10, 64)
	return max(n, 0)
}

// choice is one entry of a filter or of a select.
type choice struct {
	Value, Name string
	N           int64
	On          bool
}

// idParam reads a row number from the path.
func idParam(c echo.Context) (int64, error) {
	n, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil || n <= 0 {
		return 0, &newsletter.Error{Kind: newsletter.NotFound}
	}
	return n, nil
}
