package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// uploads keeps the files that were checked and wait for the word to take them in. They are readers' addresses, so they
// lie in files of our own eyes only and go after uploadLife, at the end of the program, or with the import.
type uploads struct {
	mu    sync.Mutex
	files map[int64]upload // by the dry run that checked it
}

type upload struct {
	path string
	opt  newsletter.ImportOptions
	drop *time.Timer
}

const uploadLife = 30 * time.Minute

func (u *uploads) keep(id int64, path string, o newsletter.ImportOptions) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.files == nil {
		u.files = map[int64]upload{}
	}
	u.files[id] = upload{path, o, time.AfterFunc(uploadLife, func() {
		if f, ok := u.take(id); ok {
			_ = os.Remove(f.path)
		}
	})}
}

func (u *uploads) has(id int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.files[id]
	return ok
}

// take gives the file away: whoever takes it removes it.
func (u *uploads) take(id int64) (upload, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f, ok := u.files[id]
	if ok {
		f.drop.Stop()
		delete(u.files, id)
	}
	return f, ok
}

func (u *uploads) clear() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, f := range u.files {
		f.drop.Stop()
		_ = os.Remove(f.path)
		delete(u.files, id)
	}
}

type importForm struct {
	As, ConsentSource, Format string
	Formats                   []string
	Faults                    faults
}

func (s *server) importForm(c echo.Context) error {
	return s.askImport(c, http.StatusOK, importForm{As: string(newsletter.ImportActive)})
}

func (s *server) askImport(c echo.Context, status int, v importForm) error {
	v.Formats = newsletter.ImportFormats()
	return s.deskPage(c, status, "admin/import_new", "readers", "파일로 추가", v)
}

// readUpload streams the form: the file to disk, the small fields to memory.
func readUpload(r *http.Request) (path string, o newsletter.ImportOptions, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return "", o, &newsletter.Error{Kind: newsletter.Invalid, Field: "file", Msg: "파일을 골라 주세요.", Err: err}
	}
	fields := map[string]string{}
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			path, err = readPart(p, path, fields)
		}
		if err != nil {
			if path != "" {
				_ = os.Remove(path)
			}
			return "", o, err
		}
	}
	o = newsletter.ImportOptions{
		File: fields["file"], As: newsletter.ImportAs(fields["as"]), ConsentSource: fields["consent_source"], Format: fields["format"], DryRun: true,
	}
	return path, o, nil
}

const smallField = 4 << 10

func readPart(p *multipart.Part, path string, fields map[string]string) (string, error) {
	if p.FormName() != "file" {
		text, err := io.ReadAll(io.LimitReader(p, smallField))
		fields[p.FormName()] = string(text)
		return path, err
	}
	if path != "" || p.FileName() == "" { // one file is enough; none chosen comes without a name
		_, err := io.Copy(io.Discard, p)
		return path, err
	}
	f, err := os.CreateTemp("", "techissue-upload-*") // 0600
	if err != nil {
		return "", err
	}
	fields["file"] = p.FileName()
	_, err = io.Copy(f, p)
	return f.Name(), errors.Join(err, f.Close())
}

// checkImport takes the file and begins the dry run, whose page then asks whether to go on.
func (s *server) checkImport(c echo.Context) error {
	path, o, err := readUpload(c.Request())
	if err == nil && path == "" {
		err = &newsletter.Error{Kind: newsletter.Invalid, Field: "file", Msg: "파일을 골라 주세요."}
	}
	var run newsletter.Import
	if err == nil {
		run, err = s.svc.StartImport(c.Request().Context(), actorOf(c), o)
	}
	if err != nil && path != "" {
		_ = os.Remove(path)
	}
	if wrong, status, ok := faultsFrom(err); ok {
		return s.askImport(c, status, importForm{As: string(o.As), ConsentSource: o.ConsentSource, Format: o.Format, Faults: wrong})
	}
	if err != nil {
		return err
	}
	s.uploads.keep(run.ID, path, o)
	s.runImport(run.ID, path, o, false)
	return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/imports/%d", run.ID))
}

// startImport takes in for good what a dry run has checked.
func (s *server) startImport(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	checked, err := s.svc.Import(c.Request().Context(), id)
	if err != nil {
		return err
	}
	if checked.State != "done" {
		return &newsletter.Error{Kind: newsletter.Conflict, Msg: "아직 검사하고 있어요. 검사가 끝난 뒤에 시작해 주세요."}
	}
	f, ok := s.uploads.take(id)
	if !ok {
		return &newsletter.Error{Kind: newsletter.Gone, Msg: "올린 파일을 더는 갖고 있지 않아요. 파일을 다시 올려 주세요."}
	}
	f.opt.DryRun = false
	run, err := s.svc.StartImport(c.Request().Context(), actorOf(c), f.opt)
	if err != nil {
		_ = os.Remove(f.path)
		return err
	}
	s.runImport(run.ID, f.path, f.opt, true)
	return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/imports/%d", run.ID))
}

// runImport reads the file beside the request. A stop of the server ends it; run again, it goes on where it was.
func (s *server) runImport(id int64, path string, o newsletter.ImportOptions, last bool) {
	ctx, cancel := context.WithCancel(context.Background())
	s.work.Go(func() {
		defer cancel()
		if last {
			defer os.Remove(path)
		}
		f, err := os.Open(path)
		if err == nil {
			defer f.Close()
			_, err = s.svc.RunImport(ctx, id, f, o)
		}
		if err != nil && newsletter.KindOf(err) == newsletter.Internal {
			s.log.Error("import failed", "import", id, "cause", err)
		}
	})
	go func() { // ends with the import at the latest
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
}

type importView struct {
	newsletter.Import
	Running, Checked, CanStart bool
	Refused                    []newsletter.Reject
	AsWord                     string
	Takes                      int64 // readers that a start would bring in or change
}

var importWords = map[newsletter.ImportAs]string{
	newsletter.ImportActive: "구독 중", newsletter.ImportPending: "미확인(확인 메일을 보내요)", newsletter.ImportUnsubscribed: "수신거부", newsletter.ImportSuppressed: "발송 차단",
}

const refusedShown = 20

func (s *server) importPage(c echo.Context) error {
	ctx := c.Request().Context()
	id, err := idParam(c)
	if err != nil {
		return err
	}
	run, err := s.svc.Import(ctx, id)
	if err != nil {
		return err
	}
	v := importView{Import: run, Running: run.State == "running", Checked: run.DryRun && run.State == "done", AsWord: importWords[run.As], Takes: run.Created + run.Updated}
	v.CanStart = v.Checked && run.Created+run.Updated > 0 && s.uploads.has(id)
	if v.Refused, err = s.svc.FirstRejects(ctx, id, refusedShown); err != nil {
		return err
	}
	title := "파일로 추가"
	if run.DryRun {
		title = "검사 결과"
	}
	p := templates.Page{Title: title, Body: v}
	if v.Running {
		p.Refresh = 2
	}
	return s.deskFrame(c, http.StatusOK, "admin/import", "readers", p)
}

func (s *server) importRejected(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	if _, err := s.svc.Import(c.Request().Context(), id); err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/csv; charset=utf-8")
	h.Set(echo.HeaderContentDisposition, fmt.Sprintf(`attachment; filename="rejected-%d.csv"`, id))
	return s.svc.ImportRejects(c.Request().Context(), id, c.Response())
}
