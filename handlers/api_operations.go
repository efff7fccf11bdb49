package handlers

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

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

// ownErrors makes huma's errors ours: a stable code, and never a cause. huma keeps this in a package variable.
var ownErrors = sync.OnceFunc(func() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		p := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: msg, Code: "bad_request"}
		switch {
		case status == http.StatusUnprocessableEntity:
			p.Code = newsletter.Invalid.String()
		case status >= http.StatusInternalServerError:
			return &apiProblem{problemOf(faultOf(errors.Join(errs...)), "")}
		}
		for _, err := range errs {
			var d *huma.ErrorDetail
			if errors.As(err, &d) {
				p.Errors = append(p.Errors, problemField{strings.TrimPrefix(d.Location, "body."), d.Message})
			}
		}
		return &apiProblem{p}
	}
	huma.NewErrorWithContext = func(_ huma.Context, status int, msg string, errs ...error) huma.StatusError {
		return huma.NewError(status, msg, errs...)
	}
})

// mountAPI puts the described operations under echo and declares the access of each.
func (s *server) mountAPI(e *echo.Echo) {
	ownErrors()
	cfg := huma.DefaultConfig("테크잇슈", "1")
	cfg.DocsPath, cfg.SchemasPath, cfg.CreateHooks = "", "", nil // the docs page loads from elsewhere; the hooks print the Host header
	for _, path := range []string{"/openapi.json", "/openapi.yaml", "/openapi-3.0.json", "/openapi-3.0.yaml"} {
		s.declare("GET", path, public(), trait{})
	}
	a := &api{s: s, huma: humaecho.New(e, cfg)}
	s.mountIssues(a)
	s.mountReaders(a)
}

var _ huma.StatusError = (*apiProblem)(nil)

// apiProblem is a problem as huma writes it.
type apiProblem struct{ problem }

func (p *apiProblem) Error() string             { return p.Code }
func (p *apiProblem) GetStatus() int            { return p.Status }
func (p *apiProblem) ContentType(string) string { return "application/problem+json" }

// operation registers one call. Errors of the domain pass through the same table as everywhere.
func operation[I, O any](a *api, method, path string, scope newsletter.Scope, status int, do func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		OperationID: strings.ToLower(method) + strings.NewReplacer("/", "-", "{", "", "}", "").Replace(path), Method: method, Path: apiPrefix + path,
		DefaultStatus: status, Security: []map[string][]string{{"key": {string(scope)}}}, MaxBodyBytes: adminBody,
	}
	echoPath := strings.NewReplacer("{", ":", "}", "").Replace(op.Path)
	a.s.declare(method, echoPath, key(scope), trait{body: adminBody})
	op.Middlewares = huma.Middlewares{func(hc huma.Context, next func(huma.Context)) {
		c := humaecho.Unwrap(hc)
		next(huma.WithValue(hc, actorKey{}, actorOf(c)))
	}}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			f := faultOf(err)
			if f.status >= http.StatusInternalServerError {
				a.s.log.ErrorContext(ctx, "request failed", "route", op.Path, "status", f.status, "cause", err)
			}
			return nil, &apiProblem{problemOf(f, "")}
		}
		return out, nil
	})
}

type actorKey struct{}

func actorIn(ctx context.Context) string {
	who, _ := ctx.Value(actorKey{}).(string)
	return who
}

// ListInput is what every list understands.
type ListInput struct {
	Limit  int    `query:"limit" minimum:"0" maximum:"200"`
	Cursor string `query:"cursor"`
	Q      string `query:"q"`
}

func (l ListInput) cursor() int64 {
	n, err := strconv.ParseInt(l.Cursor, 36, 64)
	if err != nil {
		return 0
	}
	return n
}

type listOutput[T any] struct {
	Body struct {
		Data       []T    `json:"data"`
		HasMore    bool   `json:"has_more"`
		NextCursor string `json:"next_cursor,omitempty"`
	}
}

func listAnswer[D, T any](rows []D, more bool, err error, view func(D) T, id func(D) int64) (*listOutput[T], error) {
	if err != nil {
		return nil, err
	}
	out := &listOutput[T]{}
	out.Body.Data, out.Body.HasMore = make([]T, len(rows)), more
	for n, r := range rows {
		out.Body.Data[n] = view(r)
	}
	if more {
		out.Body.NextCursor = strconv.FormatInt(id(rows[len(rows)-1]), 36)
	}
	return out, nil
}
