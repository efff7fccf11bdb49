package handlers

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/danielgtaylor/huma/v2/validation"

	"techissue/newsletter"
)

// isMissing ends huma's message about a field that was left out; its place is that of the object around it.
const isMissing = " 항목이 필요해요."

// ownErrors makes huma's errors ours: a stable code, Korean words, and never a cause. huma keeps all this in package variables.
var ownErrors = sync.OnceFunc(func() {
	huma.NewError = humaProblem
	huma.NewErrorWithContext = func(hc huma.Context, status int, msg string, errs ...error) huma.StatusError {
		err := humaProblem(status, msg, errs...)
		if p, ok := err.(*apiProblem); ok && hc != nil {
			p.Request = requestID(humaecho.Unwrap(hc))
		}
		return err
	}
	for text, korean := range map[*string]string{
		&validation.MsgUnexpectedProperty:       "모르는 항목이에요.",
		&validation.MsgExpectedRFC3339DateTime:  "시각은 2026-11-24T09:00:00Z처럼 RFC 3339로 적어 주세요.",
		&validation.MsgExpectedBoolean:          "true나 false를 적어 주세요.",
		&validation.MsgExpectedNumber:           "숫자를 적어 주세요.",
		&validation.MsgExpectedInteger:          "정수를 적어 주세요.",
		&validation.MsgExpectedString:           "글자(문자열)를 적어 주세요.",
		&validation.MsgExpectedArray:            "목록(배열)을 적어 주세요.",
		&validation.MsgExpectedObject:           "항목이 있는 객체를 적어 주세요.",
		&validation.MsgExpectedOneOf:            "다음 가운데 하나를 적어 주세요: %s",
		&validation.MsgExpectedMinimumNumber:    "%v 이상이어야 해요.",
		&validation.MsgExpectedMaximumNumber:    "%v 이하여야 해요.",
		&validation.MsgExpectedMinLength:        "%d자 이상이어야 해요.",
		&validation.MsgExpectedMaxLength:        "%d자까지 쓸 수 있어요.",
		&validation.MsgExpectedMinItems:         "%d개 이상이어야 해요.",
		&validation.MsgExpectedMaxItems:         "%d개까지 쓸 수 있어요.",
		&validation.MsgExpectedRequiredProperty: "%s" + isMissing,
	} {
		*text = korean
	}
})

// humaProblem is what huma found wrong before a handler of ours was asked.
func humaProblem(status int, _ string, errs ...error) huma.StatusError {
	if status >= http.StatusInternalServerError {
		return &apiProblem{problem: problemOf(faultOf(errors.Join(errs...)), "")}
	}
	f := fault{status: status, code: "bad_request", detail: "요청을 읽을 수 없어요. 보낸 내용의 형식을 확인해 주세요."}
	switch status {
	case http.StatusUnprocessableEntity:
		f = kinds[newsletter.Invalid]
		f.code = newsletter.Invalid.String()
	case http.StatusUnsupportedMediaType:
		f.code, f.detail = "unsupported_media_type", "받지 않는 형식이에요. JSON은 application/json, 파일은 multipart/form-data로 보내 주세요."
	case http.StatusRequestEntityTooLarge:
		f.code, f.detail = "too_large", "보낸 내용이 너무 커요. 크기를 줄여서 다시 보내 주세요."
	}
	p := problemOf(f, "")
	inPath := len(errs) > 0
	for _, err := range errs {
		var d *huma.ErrorDetail
		if !errors.As(err, &d) {
			continue
		}
		inPath = inPath && strings.HasPrefix(d.Location, "path.")
		if name, ok := strings.CutSuffix(d.Message, isMissing); ok {
			d = &huma.ErrorDetail{Location: d.Location + "." + name, Message: "필요한 항목이에요."}
		}
		p.Errors = append(p.Errors, problemField{pathOfField(d.Location), inKorean(d.Message)})
	}
	if inPath { // an id that cannot be one names nothing
		f = kinds[newsletter.NotFound]
		f.code, f.detail = newsletter.NotFound.String(), "찾으시는 것이 없어요."
		p = problemOf(f, "")
	}
	return &apiProblem{problem: p}
}

// inKorean keeps our words and replaces those of huma and encoding/json that have no variable.
func inKorean(msg string) string {
	for _, r := range msg {
		if unicode.Is(unicode.Hangul, r) {
			return msg
		}
	}
	return "형식이 올바르지 않아요."
}

// pathOfField takes huma's place of a value (body.links[0].url, query.limit) to the name that the caller knows.
func pathOfField(location string) string {
	for _, where := range []string{"body.", "form.", "query.", "header.", "path."} {
		if name, ok := strings.CutPrefix(location, where); ok {
			return name
		}
	}
	return location
}

// apiProblem is a problem as huma writes it.
type apiProblem struct {
	problem
	after int // seconds of Retry-After, 0 for none
}

var _ huma.StatusError = (*apiProblem)(nil)

func (p *apiProblem) Error() string             { return p.Code }
func (p *apiProblem) GetStatus() int            { return p.Status }
func (p *apiProblem) ContentType(string) string { return "application/problem+json" }

// GetHeaders tells when to come back.
func (p *apiProblem) GetHeaders() http.Header {
	if p.after == 0 {
		return nil
	}
	return http.Header{"Retry-After": {strconv.Itoa(p.after)}}
}

// apiFault answers an error of the domain by the same table as everywhere.
func apiFault(err error, requestID string) *apiProblem {
	f := faultOf(err)
	p := &apiProblem{problem: problemOf(f, requestID)}
	switch f.status {
	case http.StatusNotFound:
		if f.detail == kinds[newsletter.NotFound].detail {
			p.Detail = "찾으시는 것이 없어요."
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		p.after = retryAfter(err)
	}
	return p
}

// protocolError is refused for how it was asked, not for what; the domain has no kind for it.
type protocolError struct{ fault }

func (e *protocolError) Error() string { return e.code }

func refuse(status int, code, detail string) error {
	return &protocolError{fault{status: status, code: code, title: "요청을 처리할 수 없어요", detail: detail}}
}
