package handlers

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

const apiPrefix = "/api/v1"

// api is where operations are put: under echo, in OpenAPI, and in the registry with the scope each needs.
type api struct {
	s    *server
	huma huma.API
}

const apiIntroduction = "뉴스레터의 구독자, 아티클, 호를 다루는 API예요. 모든 요청에 `Authorization: Bearer <키>`가 필요해요. " +
	"키는 `techissue key create NAME --scopes …`나 관리 화면에서 만들어요.\n\n" +
	"시각은 RFC 3339 UTC, 목록은 `limit`와 `cursor`로 나눠 받아요. 오류는 RFC 9457 `application/problem+json`이고 `code`는 바뀌지 않아요. " +
	"모든 POST에 `Idempotency-Key`를 쓸 수 있어요."

// mountAPI puts the described operations under echo and declares the access of each.
func (s *server) mountAPI(e *echo.Echo) {
	s.describeAPI(e)
	for _, path := range []string{"/openapi.json", "/openapi.yaml", "/openapi-3.0.json", "/openapi-3.0.yaml"} {
		s.declare("GET", path, public(), trait{})
	}
}

func (s *server) describeAPI(e *echo.Echo) *huma.OpenAPI {
	ownErrors()
	cfg := huma.DefaultConfig("테크잇슈", "1")
	cfg.DocsPath, cfg.SchemasPath, cfg.CreateHooks = "", "", nil // the docs page loads from elsewhere; the hooks print the Host header
	cfg.Info.Description = apiIntroduction
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "API 키. `ti_`로 시작해요."},
	}
	for _, t := range apiTags {
		cfg.Tags = append(cfg.Tags, &huma.Tag{Name: t.name, Description: t.doc})
	}
	a := &api{s: s, huma: humaecho.New(e, cfg)}
	s.mountMe(a)
	s.mountReaders(a)
	s.mountImports(a)
	s.mountSuppressions(a)
	s.mountArticles(a)
	s.mountIssues(a)
	s.mountLetters(a)
	s.mountLinks(a)
	s.mountComments(a)
	s.mountWebhooks(a)
	s.mountSettings(a)
	return a.huma.OpenAPI()
}

// OpenAPI is the document of the API, without a house behind it.
func OpenAPI() ([]byte, error) {
	s := &server{rules: map[string]route{}}
	return s.describeAPI(echo.New()).MarshalJSON()
}

var apiTags = []struct{ name, doc string }{
	{"subscribers", "구독자"}, {"imports", "파일로 가져오기"}, {"suppressions", "보내지 않기로 한 주소"}, {"articles", "아티클"}, {"comments", "댓글"},
	{"issues", "호: 쓰고, 확인하고, 보내요"}, {"deliveries", "구독자마다 한 통씩인 편지"}, {"links", "다음 호에 모을 링크"},
	{"settings", "설정"}, {"me", "지금 쓰는 키"},
}

// call describes one operation.
type call struct {
	method, path string
	scope        newsletter.Scope // "" is any key
	status       int              // of the answer, 0 is 200
	summary, doc string
	keyed        bool  // without an Idempotency-Key it is refused
	form         bool  // a file comes as multipart/form-data
	errors       []int // beyond those that every call may answer
}

// operation registers one call. Errors of the domain pass through the same table as everywhere.
func operation[I, O any](a *api, k call, do func(context.Context, *I) (*O, error)) {
	op := k.describe()
	a.s.declare(k.method, strings.NewReplacer("{", ":", "}", "").Replace(op.Path), key(k.scope), trait{body: op.MaxBodyBytes, keyed: k.keyed})
	op.Middlewares = huma.Middlewares{func(hc huma.Context, next func(huma.Context)) {
		c := humaecho.Unwrap(hc)
		if k.form && !isForm(c.Request()) {
			_ = huma.WriteErr(a.huma, hc, http.StatusUnsupportedMediaType, "") // it logs what it cannot write
			return
		}
		next(huma.WithValue(huma.WithValue(hc, actorKey{}, actorOf(c)), callerKey{}, c))
	}}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			p := apiFault(err, requestID(callerIn(ctx)))
			if p.Status >= http.StatusInternalServerError {
				a.s.log.ErrorContext(ctx, "request failed", "request", p.Request, "route", op.Path, "status", p.Status, "cause", err)
			}
			return nil, p
		}
		return out, nil
	})
}

// describe is what OpenAPI says beyond the shapes, which huma reads from the types.
func (k call) describe() huma.Operation {
	tag, _, _ := strings.Cut(strings.TrimPrefix(k.path, "/"), "/")
	if strings.Contains(k.path, "deliveries") {
		tag = "deliveries"
	}
	op := huma.Operation{
		OperationID: strings.ToLower(k.method) + strings.NewReplacer("/", "-", "{", "", "}", "").Replace(k.path), Method: k.method, Path: apiPrefix + k.path,
		DefaultStatus: k.status, MaxBodyBytes: adminBody, Summary: k.summary, Description: k.doc, Tags: []string{tag},
		Errors: append([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity}, k.errors...),
	}
	if k.form {
		op.MaxBodyBytes = importBody
	}
	scopes := []string{}
	if k.scope != "" {
		scopes = append(scopes, string(k.scope))
		op.Description = strings.TrimSpace(op.Description + "\n\n권한: `" + string(k.scope) + "`")
	}
	op.Security = []map[string][]string{{"key": scopes}}
	if strings.Contains(k.path, "{") {
		op.Errors = append(op.Errors, http.StatusNotFound)
	}
	if k.method == http.MethodPost {
		op.Errors = append(op.Errors, http.StatusConflict)
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Required: k.keyed, Example: "5f0c7a52-4a0b-4a55-9b0e-0c6a1f3b7d11",
			Description: "같은 키와 본문으로 다시 보내면 다시 하지 않고 같은 답을 줘요(`Idempotency-Replayed: true`). 24시간 동안 기억해요.",
			Schema:      &huma.Schema{Type: huma.TypeString, MinLength: ptr(1), MaxLength: ptr(255)},
		})
	}
	slices.Sort(op.Errors)
	op.Errors = slices.Compact(op.Errors)
	return op
}

func ptr[T any](v T) *T { return &v }

type actorKey struct{}

func actorIn(ctx context.Context) string {
	who, _ := ctx.Value(actorKey{}).(string)
	return who
}

type callerKey struct{}

func callerIn(ctx context.Context) echo.Context {
	c, _ := ctx.Value(callerKey{}).(echo.Context)
	return c
}

// ListInput is what every list understands.
type ListInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"한 번에 받을 개수"`
	Cursor string `query:"cursor" doc:"앞 쪽의 next_cursor"`
	Q      string `query:"q" maxLength:"200" doc:"찾을 말"`

	after position
}

// position is where a page of a list begins: behind the row with this id, and in lists by time, this time. It names
// values and not a row, so that it stays good when the row is gone.
type position struct {
	id int64
	at time.Time
}

func (p position) String() string {
	s := strconv.FormatInt(p.id, 36)
	if !p.at.IsZero() {
		s += "." + strconv.FormatInt(p.at.UnixMilli(), 36)
	}
	return s
}

// Resolve reads the cursor; huma asks for it.
func (l *ListInput) Resolve(huma.Context) []error {
	if l.Cursor == "" {
		return nil
	}
	id, at, timed := strings.Cut(l.Cursor, ".")
	n, err := strconv.ParseInt(id, 36, 64)
	if err == nil && timed {
		var t int64
		t, err = strconv.ParseInt(at, 36, 64)
		l.after.at = time.UnixMilli(t).UTC()
	}
	if l.after.id = n; err != nil || n <= 0 {
		return []error{&huma.ErrorDetail{Location: "query.cursor", Message: "앞 쪽의 next_cursor를 그대로 넣어 주세요."}}
	}
	return nil
}

type listOutput[T any] struct {
	Body struct {
		Data       []T    `json:"data" nullable:"false"`
		HasMore    bool   `json:"has_more" doc:"다음 쪽이 있는지"`
		NextCursor string `json:"next_cursor,omitempty" doc:"다음 쪽의 cursor"`
	}
}

func listAnswer[D, T any](rows []D, more bool, err error, view func(D) T, last func(D) position) (*listOutput[T], error) {
	if err != nil {
		return nil, err
	}
	out := &listOutput[T]{}
	out.Body.Data, out.Body.HasMore = make([]T, len(rows)), more
	for n, r := range rows {
		out.Body.Data[n] = view(r)
	}
	if more && len(rows) > 0 {
		out.Body.NextCursor = last(rows[len(rows)-1]).String()
	}
	return out, nil
}

func byID[D any, I ~int64](id func(D) I) func(D) position {
	return func(d D) position { return position{id: int64(id(d))} }
}

// IDInput names one thing. Like all embedded inputs it is exported because huma looks into them only then.
type IDInput struct {
	ID int64 `path:"id" minimum:"1" doc:"번호"`
}

// bodyOf answers with one thing.
type bodyOf[T any] struct{ Body T }

func answer[T any](v T, err error) (*bodyOf[T], error) {
	if err != nil {
		return nil, err
	}
	return &bodyOf[T]{v}, nil
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
