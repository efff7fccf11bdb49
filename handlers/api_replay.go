package handlers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

const (
	idempotencyKey      = "Idempotency-Key"
	idempotencyReplayed = "Idempotency-Replayed"
)

// keptHeaders come back with a remembered answer.
var keptHeaders = []string{echo.HeaderContentType, echo.HeaderLocation, "ETag"}

// replay runs a POST of the API once per Idempotency-Key, and answers a repeated one from memory. What was refused is
// remembered too; what failed on our side (5xx) or came too early (429) is not, and may be tried again with the same key.
func (s *server) replay(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		rule, ok := s.ruleOf(c)
		r := c.Request()
		if !ok || rule.access.kind != byKey || r.Method != http.MethodPost {
			return next(c)
		}
		given := r.Header.Get(idempotencyKey)
		switch {
		case given == "" && rule.keyed:
			return refuse(http.StatusBadRequest, "idempotency_key_required", "이 요청에는 Idempotency-Key 헤더가 필요해요. 요청마다 새 UUID를 넣어 주세요.")
		case given == "":
			return next(c)
		case !plainKey(given):
			return refuse(http.StatusBadRequest, "idempotency_key_invalid", "Idempotency-Key는 255자까지의 영문, 숫자, 기호로 적어 주세요.")
		}
		hash, err := hashRequest(r)
		if err != nil {
			return err
		}
		key := fmt.Sprintf("%d %s", apiKeyOf(c).ID, given)
		kept, answered, err := s.svc.BeginReplay(r.Context(), key, hash)
		if err != nil {
			return err
		}
		if answered {
			return writeReplay(c, kept)
		}
		return s.runOnce(c, kept, next)
	}
}

// plainKey takes 1 to 255 visible ASCII characters.
func plainKey(k string) bool {
	for i := range len(k) {
		if k[i] < '!' || k[i] > '~' {
			return false
		}
	}
	return len(k) <= 255
}

func (s *server) runOnce(c echo.Context, kept newsletter.Replay, next echo.HandlerFunc) error {
	lasting := context.WithoutCancel(c.Request().Context())
	c.SetRequest(c.Request().WithContext(newsletter.WithReplay(c.Request().Context(), kept.Key)))
	res := c.Response()
	t := &tee{ResponseWriter: res.Writer}
	res.Writer = t
	finished := false
	defer func() {
		res.Writer = t.ResponseWriter
		if finished {
			return
		}
		if err := s.svc.CancelReplay(lasting, kept); err != nil {
			s.log.ErrorContext(lasting, "give an idempotency key back", "request", requestID(c), "cause", err)
		}
	}()
	if err := next(c); err != nil {
		return err
	}
	if res.Status >= http.StatusInternalServerError || res.Status == http.StatusTooManyRequests {
		return nil
	}
	kept.Status, kept.Body, kept.Header = res.Status, t.body.Bytes(), headersKept(res.Header())
	if err := s.svc.EndReplay(lasting, kept); err != nil {
		s.log.ErrorContext(lasting, "remember an answer", "request", requestID(c), "cause", err)
		return nil // it has been given; a second call hears that the answer is lost
	}
	finished = true
	return nil
}

func headersKept(h http.Header) string {
	kept := map[string]string{}
	for _, name := range keptHeaders {
		if v := h.Get(name); v != "" {
			kept[name] = v
		}
	}
	b, _ := json.Marshal(kept) // a map of strings
	return string(b)
}

func writeReplay(c echo.Context, kept newsletter.Replay) error {
	var header map[string]string
	if err := json.Unmarshal([]byte(kept.Header), &header); err != nil {
		return fmt.Errorf("read the headers of a remembered answer: %w", err)
	}
	h := c.Response().Header()
	for name, v := range header {
		h.Set(name, v)
	}
	h.Set(idempotencyReplayed, "true")
	c.Response().WriteHeader(kept.Status)
	_, err := c.Response().Write(kept.Body)
	return err
}

// tee keeps what is written.
type tee struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (t *tee) Write(p []byte) (int, error) {
	t.body.Write(p)
	return t.ResponseWriter.Write(p)
}

func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// hashRequest is the same for requests that ask the same. A form's boundary differs each time, so its fields and files count.
func hashRequest(r *http.Request) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s?%s\n", r.Method, r.URL.Path, r.URL.RawQuery)
	if isForm(r) {
		if err := r.ParseMultipartForm(8 << 10); err != nil {
			return "", unreadable(err)
		}
		err := hashForm(h, r.MultipartForm)
		return hex.EncodeToString(h.Sum(nil)), err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", unreadable(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)), nil
}

func isForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	return err == nil && kind == echo.MIMEMultipartForm
}

func hashForm(h io.Writer, f *multipart.Form) error {
	for _, name := range slices.Sorted(maps.Keys(f.Value)) {
		for _, v := range f.Value[name] {
			fmt.Fprintf(h, "%q=%q\n", name, v)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.File)) {
		for _, part := range f.File[name] {
			fmt.Fprintf(h, "%q=%q %d\n", name, part.Filename, part.Size)
			file, err := part.Open()
			if err != nil {
				return fmt.Errorf("open the file %q of a form: %w", name, err)
			}
			_, err = io.Copy(h, file)
			_ = file.Close()
			if err != nil {
				return fmt.Errorf("read the file %q of a form: %w", name, err)
			}
		}
	}
	return nil
}

// unreadable is the caller's fault, unless the body was only too large.
func unreadable(err error) error {
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return err
	}
	return refuse(http.StatusBadRequest, "bad_request", "보낸 내용을 끝까지 읽을 수 없어요. 형식을 확인해 주세요.")
}
