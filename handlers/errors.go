package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// fault is what a reader or a program is told: never the cause, which goes to the log under the request's id.
type fault struct {
	status int
	code   string // stable, for programs
	title  string // Korean, for people
	detail string
	fields []*newsletter.Error
}

// kinds is the one table from what went wrong to how it is answered.
var kinds = map[newsletter.Kind]fault{
	newsletter.Internal:     {status: http.StatusInternalServerError, title: "일시적인 문제가 생겼어요", detail: "저희 쪽 문제예요. 잠시 뒤에 다시 시도해 주세요."},
	newsletter.Invalid:      {status: http.StatusUnprocessableEntity, title: "입력을 확인해 주세요", detail: "고칠 곳이 있어요."},
	newsletter.NotFound:     {status: http.StatusNotFound, title: "찾으시는 페이지가 없어요", detail: "주소가 바뀌었거나 사라진 페이지예요."},
	newsletter.Gone:         {status: http.StatusGone, title: "더는 쓸 수 없는 링크예요", detail: "이미 사용했거나 만료된 링크예요."},
	newsletter.Conflict:     {status: http.StatusConflict, title: "지금은 할 수 없어요", detail: "그사이 상태가 바뀌었어요. 새로 고친 뒤에 다시 해 주세요."},
	newsletter.Unauthorized: {status: http.StatusUnauthorized, title: "로그인이 필요해요", detail: "로그인한 뒤에 다시 시도해 주세요."},
	newsletter.Forbidden:    {status: http.StatusForbidden, title: "권한이 없어요", detail: "이 일을 할 수 있는 권한이 없어요."},
	newsletter.TooMany:      {status: http.StatusTooManyRequests, title: "요청이 너무 많아요", detail: "조금 뒤에 다시 해 주세요."},
	newsletter.Unavailable:  {status: http.StatusServiceUnavailable, title: "지금은 처리할 수 없어요", detail: "잠시 뒤에 다시 시도해 주세요. 보내 주신 내용은 저장되지 않았어요."},
}

// retrySeconds is told with 429 and 503 when the error itself names no time.
const retrySeconds = 60

// faultOf judges an error. Only the Msg of a newsletter.Error passes through to the answer.
func faultOf(err error) fault {
	if f, ok := protocolFault(err); ok {
		return f
	}
	kind := newsletter.KindOf(err)
	f := kinds[kind]
	f.code = kind.String()
	var e *newsletter.Error
	if errors.As(err, &e) && kind != newsletter.Internal {
		if e.Msg != "" {
			f.detail = e.Msg
		}
		if e.Code != "" {
			f.code = e.Code
		}
	}
	if kind == newsletter.Invalid {
		f.fields = newsletter.FaultsOf(err)
		if len(f.fields) > 1 {
			f.detail = kinds[kind].detail
		}
	}
	return f
}

// protocolFault knows the errors of echo and net/http: wrong paths, methods, bodies.
func protocolFault(err error) (fault, bool) {
	var pe *protocolError
	if errors.As(err, &pe) {
		return pe.fault, true
	}
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return fault{http.StatusRequestEntityTooLarge, "too_large", "보낸 내용이 너무 커요", "크기를 줄여서 다시 보내 주세요.", nil}, true
	}
	if errors.Is(err, context.DeadlineExceeded) {
		f := kinds[newsletter.Unavailable]
		f.code = newsletter.Unavailable.String()
		return f, true
	}
	var he *echo.HTTPError
	if !errors.As(err, &he) {
		return fault{}, false
	}
	switch he.Code {
	case http.StatusNotFound:
		f := kinds[newsletter.NotFound]
		f.code = newsletter.NotFound.String()
		return f, true
	case http.StatusMethodNotAllowed:
		return fault{he.Code, "method_not_allowed", "할 수 없는 요청이에요", "이 주소에서는 그렇게 할 수 없어요.", nil}, true
	case http.StatusRequestEntityTooLarge:
		return fault{he.Code, "too_large", "보낸 내용이 너무 커요", "크기를 줄여서 다시 보내 주세요.", nil}, true
	}
	if he.Code >= 500 {
		return fault{}, false
	}
	return fault{he.Code, "bad_request", "요청을 읽을 수 없어요", "보낸 내용의 형식을 확인해 주세요.", nil}, true
}

// answerError is the one place where an error becomes an answer.
func (s *server) answerError(err error, c echo.Context) {
	f := faultOf(err)
	id := requestID(c)
	if f.status >= 500 && !errors.Is(err, context.Canceled) {
		s.log.LogAttrs(c.Request().Context(), slog.LevelError, "request failed",
			slog.String("request", id), slog.String("route", c.Path()), slog.Int("status", f.status), slog.Any("cause", err))
	}
	if c.Response().Committed {
		return
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	h.Del("Last-Modified")
	switch f.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(retryAfter(err)))
	case http.StatusUnauthorized:
		if !atDesk(c) {
			h.Set("WWW-Authenticate", `Bearer realm="techissue"`)
		}
	}
	if wantsJSON(c) {
		writeProblem(c, problemOf(f, id))
		return
	}
	if f.status == http.StatusUnauthorized && atDesk(c) && c.Request().Method == http.MethodGet {
		s.redirectToLogin(c)
		return
	}
	s.errorPage(c, f, id)
}

func retryAfter(err error) int {
	var e *newsletter.Error
	if errors.As(err, &e) && e.After > 0 {
		return int(e.After.Seconds()) + 1
	}
	return retrySeconds
}

// problem is RFC 9457's body, with a stable code and the faulty fields.
type problem struct {
	Type    string         `json:"type"`
	Title   string         `json:"title"`
	Status  int            `json:"status"`
	Detail  string         `json:"detail,omitempty"`
	Code    string         `json:"code"`
	Errors  []problemField `json:"errors,omitempty"`
	Request string         `json:"request_id,omitempty"`
}

type problemField struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

func problemOf(f fault, requestID string) problem {
	p := problem{Type: "about:blank", Title: http.StatusText(f.status), Status: f.status, Detail: f.detail, Code: f.code, Request: requestID}
	for _, e := range f.fields {
		p.Errors = append(p.Errors, problemField{e.Field, e.Msg})
	}
	return p
}

func writeProblem(c echo.Context, p problem) {
	c.Response().Header().Set(echo.HeaderContentType, "application/problem+json")
	c.Response().WriteHeader(p.Status)
	_ = json.NewEncoder(c.Response()).Encode(p) // the client is gone when this fails
}

// wantsJSON tells programs from people: API paths, JSON bodies, and an Accept that names JSON but not HTML.
func wantsJSON(c echo.Context) bool {
	r := c.Request()
	if strings.HasPrefix(r.URL.Path, "/api/") {
		return true
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return true
	}
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "json") && !strings.Contains(accept, "text/html")
}

func atDesk(c echo.Context) bool {
	p := c.Request().URL.Path
	return p == "/admin" || strings.HasPrefix(p, "/admin/")
}
