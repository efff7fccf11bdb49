package handlers

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"techissue/newsletter"
)

type apiImport struct {
	ID            int64      `json:"id"`
	State         string     `json:"state" enum:"running,done,failed"`
	File          string     `json:"file"`
	Format        string     `json:"format"`
	As            string     `json:"as" enum:"active,pending,unsubscribed,suppressed"`
	ConsentSource string     `json:"consent_source"`
	DryRun        bool       `json:"dry_run"`
	Rows          int64      `json:"rows" doc:"읽은 줄"`
	Created       int64      `json:"created"`
	Updated       int64      `json:"updated" doc:"이미 있던 사람. 그대로인 사람도 세요."`
	Unsubscribed  int64      `json:"unsubscribed" doc:"created와 updated 가운데 수신거부로 온 사람"`
	Rejected      int64      `json:"rejected"`
	RejectedURL   *string    `json:"rejected_url" doc:"거절된 줄의 CSV. 없으면 null"`
	Error         string     `json:"error"`
	CreatedAt     time.Time  `json:"created_at"`
	DoneAt        *time.Time `json:"done_at"`
}

func importPath(id int64) string { return fmt.Sprintf("%s/imports/%d", apiPrefix, id) }

func apiImportOf(i newsletter.Import) apiImport {
	out := apiImport{
		ID: i.ID, State: i.State, File: i.File, Format: i.Format, As: string(i.As), ConsentSource: i.ConsentSource, DryRun: i.DryRun,
		Rows: i.Rows, Created: i.Created, Updated: i.Updated, Unsubscribed: i.Unsubscribed, Rejected: i.Rejected, Error: i.Error,
		CreatedAt: i.CreatedAt.UTC(), DoneAt: timeOrNil(i.DoneAt),
	}
	if i.Rejected > 0 {
		out.RejectedURL = ptr(importPath(i.ID) + "/rejected")
	}
	return out
}

type apiImportForm struct {
	File          huma.FormFile `form:"file" doc:"CSV. 50MB까지"`
	As            string        `form:"as" required:"false" enum:"active,pending,unsubscribed,suppressed" doc:"줄에 다른 말이 없을 때 무엇이 되는지. 적지 않으면 active"`
	ConsentSource string        `form:"consent_source" required:"false" doc:"동의를 어디서 어떻게 받았는지. active에는 있어야 해요."`
	DryRun        bool          `form:"dry_run" required:"false" doc:"모든 줄을 살펴보기만 해요."`
	Format        string        `form:"format" required:"false" doc:"파일 형식. 적지 않으면 auto"`
}

type importOutput struct {
	Location string `header:"Location"`
	Body     apiImport
}

func (s *server) mountImports(a *api) {
	read, write := newsletter.ScopeSubscribersRead, newsletter.ScopeSubscribersWrite
	operation(a, call{
		method: "POST", path: "/imports", scope: write, status: http.StatusAccepted, keyed: true, form: true, summary: "파일로 구독자 가져오기",
		doc:    "받아 두고 뒤에서 가져와요. `Location`에서 어디까지 했는지 볼 수 있어요. 떠난 사람은 되살아나지 않아요.",
		errors: []int{http.StatusRequestEntityTooLarge},
	}, s.postImport)
	operation(a, call{method: "GET", path: "/imports/{id}", scope: read, summary: "가져오기 보기"}, func(ctx context.Context, in *IDInput) (*bodyOf[apiImport], error) {
		i, err := s.svc.Import(ctx, in.ID)
		return answer(apiImportOf(i), err)
	})
	operation(a, call{method: "GET", path: "/imports/{id}/rejected", scope: read, summary: "거절된 줄", doc: "CSV: line, value, reason. 줄 번호는 파일에서의 번호이고 머리글이 1이에요."}, s.rejectedLines)
}

func (s *server) postImport(ctx context.Context, in *struct {
	RawBody huma.MultipartFormFiles[apiImportForm]
}) (*importOutput, error) {
	f := in.RawBody.Data()
	if !f.File.IsSet {
		return nil, &newsletter.Error{Kind: newsletter.Invalid, Field: "file", Msg: "가져올 CSV 파일을 넣어 주세요."}
	}
	o := newsletter.ImportOptions{File: f.File.Filename, Format: f.Format, As: newsletter.ImportAs(f.As), ConsentSource: f.ConsentSource, DryRun: f.DryRun}
	i, err := s.svc.StartImport(ctx, actorIn(ctx), o)
	if err != nil {
		_ = f.File.Close()
		return nil, err
	}
	// The open file outlives the request, which only takes its name away.
	s.opt.Background(func(ctx context.Context) {
		defer f.File.Close()
		if _, err := s.svc.RunImport(ctx, i.ID, f.File, o); err != nil {
			s.log.WarnContext(ctx, "import ended early", "import", i.ID, "cause", err)
		}
	})
	return &importOutput{Location: importPath(i.ID), Body: apiImportOf(i)}, nil
}

func (s *server) rejectedLines(ctx context.Context, in *IDInput) (*huma.StreamResponse, error) {
	if _, err := s.svc.Import(ctx, in.ID); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "text/csv; charset=utf-8")
		hc.SetHeader("Content-Disposition", fmt.Sprintf(`attachment; filename="import-%d-rejected.csv"`, in.ID))
		if err := s.svc.ImportRejects(hc.Context(), in.ID, hc.BodyWriter()); err != nil {
			s.log.ErrorContext(hc.Context(), "write refused lines", "import", in.ID, "cause", err)
			panic(http.ErrAbortHandler) // half a file must not look whole
		}
	}}, nil
}
