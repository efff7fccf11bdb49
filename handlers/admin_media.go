package handlers

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// Limits of uploads (S34, S36).
const (
	pictureBytes   = 10 << 20
	picturesAtOnce = 20
	mediaBody      = 40 << 20
	pasteBody      = 12 << 20
	pasteTime      = 10 * time.Second // for pictures that a paste leads to
)

// mediaRow is a picture in the library.
type mediaRow struct {
	ID                    int64
	Path, File, Alt, Size string
	Markdown              string
	At                    time.Time
}

func mediaRowOf(m newsletter.Media) mediaRow {
	return mediaRow{
		ID: m.ID, Path: m.Path(), File: m.File, Alt: m.Alt, At: m.CreatedAt, Markdown: markdownOf(m),
		Size: fmt.Sprintf("%d×%d · %s KB", m.Width, m.Height, newsletter.Thousands((m.Bytes+1023)>>10)),
	}
}

// markdownOf is how a text shows the picture.
func markdownOf(m newsletter.Media) string {
	return "![" + strings.NewReplacer("[", "(", "]", ")").Replace(m.Alt) + "](" + m.Path() + ")"
}

type mediaView struct {
	Query  string
	Rows   []mediaRow
	Pager  pager
	Any    bool
	Faults faults
	Alt    string
}

func (s *server) mediaPage(c echo.Context) error {
	return s.showMedia(c, http.StatusOK, mediaView{})
}

func (s *server) showMedia(c echo.Context, status int, v mediaView) error {
	v.Query = query(c)
	rows, more, err := s.svc.MediaList(c.Request().Context(), v.Query, cursorOf(c), 24)
	if err != nil {
		return err
	}
	for _, m := range rows {
		v.Rows = append(v.Rows, mediaRowOf(m))
	}
	if len(rows) > 0 {
		v.Pager = pageAfter(c, more, rows[len(rows)-1].ID)
	}
	v.Any = len(rows) > 0 || v.Query != "" || cursorOf(c) > 0
	return s.deskPage(c, status, "admin/media", "media", "그림", v)
}

// uploadMedia keeps the pictures of a form; a script gets what to write into the text.
func (s *server) uploadMedia(c echo.Context) error {
	form, err := c.MultipartForm()
	if errors.Is(err, http.ErrNotMultipart) || errors.Is(err, http.ErrMissingBoundary) {
		return badPicture("그림 파일을 골라 주세요.")
	}
	if err != nil {
		return err
	}
	defer func() { _ = form.RemoveAll() }()
	alt := strings.TrimSpace(c.FormValue("alt"))
	kept, err := s.keepPictures(c.Request().Context(), actorOf(c), form.File["file"], alt)
	if wantsJSON(c) {
		if err != nil {
			return err
		}
		list := make([]map[string]any, len(kept))
		for n, m := range kept {
			list[n] = map[string]any{"path": m.Path(), "alt": m.Alt, "markdown": markdownOf(m), "width": m.Width, "height": m.Height}
		}
		return c.JSON(http.StatusOK, map[string]any{"data": list})
	}
	if wrong, status, ok := faultsFrom(err); ok {
		return s.showMedia(c, status, mediaView{Faults: wrong, Alt: alt})
	}
	if err != nil {
		return err
	}
	return doneAt(c, "/admin/media", "uploaded")
}

func badPicture(msg string) error {
	return &newsletter.Error{Kind: newsletter.Invalid, Field: "file", Msg: msg}
}

func (s *server) keepPictures(ctx context.Context, actor string, files []*multipart.FileHeader, alt string) (kept []newsletter.Media, err error) {
	switch {
	case len(files) == 0 || files[0].Size == 0:
		return nil, badPicture("그림 파일을 골라 주세요.")
	case len(files) > picturesAtOnce:
		return nil, badPicture(fmt.Sprintf("그림은 한 번에 %d개까지 올릴 수 있어요.", picturesAtOnce))
	}
	for _, h := range files {
		if h.Size > pictureBytes {
			return kept, badPicture(h.Filename + ": 그림 하나는 10MB까지 올릴 수 있어요.")
		}
		f, err := h.Open()
		if err != nil {
			return kept, err
		}
		data, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return kept, err
		}
		m, err := s.keepPicture(ctx, actor, h.Filename, alt, data)
		if err != nil {
			return kept, err
		}
		kept = append(kept, m)
	}
	return kept, nil
}

// keepPicture draws an upload anew and puts it into the library. One at a time is drawn: a picture of 40 million pixels takes 300 MB.
func (s *server) keepPicture(ctx context.Context, actor, file, alt string, data []byte) (newsletter.Media, error) {
	s.drawing.Lock()
	p, err := templates.ReadPicture(data)
	s.drawing.Unlock()
	switch {
	case errors.Is(err, templates.ErrNoPicture):
		return newsletter.Media{}, badPicture(file + ": JPEG, PNG, GIF, WebP 그림만 올릴 수 있어요.")
	case errors.Is(err, templates.ErrPictureTooLarge):
		return newsletter.Media{}, badPicture(file + ": 그림이 너무 커요. 4천만 화소까지 올릴 수 있어요.")
	case err != nil:
		return newsletter.Media{}, err
	}
	return s.svc.AddMedia(ctx, actor, file, alt, newsletter.Picture(p))
}

func (s *server) describeMedia(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	_, err = s.svc.DescribeMedia(c.Request().Context(), actorOf(c), id, c.FormValue("alt"))
	if wrong, status, ok := faultsFrom(err); ok {
		return s.showMedia(c, status, mediaView{Faults: wrong})
	}
	if err != nil {
		return err
	}
	return doneAt(c, "/admin/media", "saved")
}

func (s *server) deleteMedia(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	err = s.svc.DeleteMedia(c.Request().Context(), actorOf(c), id)
	if wrong, status, ok := faultsFrom(err); ok {
		return s.showMedia(c, status, mediaView{Faults: wrong})
	}
	if err != nil {
		return err
	}
	return doneAt(c, "/admin/media", "deleted")
}

// media serves a picture. Its name is random and its bytes never change. What it says of itself is our own drawing's kind, and even a
// picture that were a page could do nothing (S34).
func (s *server) media(c echo.Context) error {
	m, data, err := s.svc.MediaFile(c.Request().Context(), c.Param("name"))
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("Content-Disposition", `inline; filename="`+m.Name+`"`)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // letters and other sites show it
	h.Set("X-Content-Type-Options", "nosniff")
	return c.Blob(http.StatusOK, pictureKind(m.Name), data)
}

func pictureKind(name string) string {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "jpg":
		return "image/jpeg"
	case "gif":
		return "image/gif"
	}
	return "image/png"
}

// paste turns the clipboard's HTML into Markdown, its pictures into ones of the library.
func (s *server) paste(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), pasteTime)
	defer cancel()
	source := c.FormValue("html")
	taken := s.takePictures(ctx, actorOf(c), source)
	md, err := templates.FromHTML(source, func(src, _ string) string {
		if own, ok := taken[src]; ok {
			return own
		}
		if strings.HasPrefix(src, "data:") {
			return ""
		}
		return src // its own place keeps it; the check of the letter looks whether it is still there
	})
	if err != nil {
		return badPicture("붙여 넣은 글을 읽을 수 없어요.")
	}
	return c.JSON(http.StatusOK, map[string]string{"markdown": md})
}

// takePictures brings the pictures of a pasted text into the library, all at once: those within the text, and those that it leads to,
// which programs like Google Docs keep for a few hours only.
func (s *server) takePictures(ctx context.Context, actor, source string) map[string]string {
	var mu sync.Mutex
	taken := map[string]string{}
	var sources []string
	_, _ = templates.FromHTML(source, func(src, _ string) string { // what cannot be read is told by the second reading
		if len(sources) < picturesAtOnce && !strings.HasPrefix(src, s.baseURL+"/media/") {
			sources = append(sources, src)
		}
		return src
	})
	var wg sync.WaitGroup
	for _, src := range sources {
		wg.Go(func() {
			data, err := s.pictureAt(ctx, src)
			if err != nil {
				return
			}
			m, err := s.keepPicture(ctx, actor, "", "", data)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			taken[src] = m.Path()
		})
	}
	wg.Wait()
	return taken
}

// pictureAt reads a picture out of a data: address, or by the guarded client from elsewhere.
func (s *server) pictureAt(ctx context.Context, src string) ([]byte, error) {
	if rest, ok := strings.CutPrefix(src, "data:"); ok {
		_, coded, ok := strings.Cut(rest, ";base64,")
		if !ok {
			return nil, errors.New("a data address without base64")
		}
		return io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader([]byte(coded))))
	}
	if s.opt.Fetch == nil {
		return nil, errors.New("nothing is fetched here")
	}
	return s.opt.Fetch(ctx, src, pictureBytes)
}
