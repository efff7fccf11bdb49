package handlers

import (
	"context"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// FeedbackHook takes one notice of a mail provider: who sends it, the secret of the address, and the bytes as they came, which
// may be signed. Its errors are the domain's: NotFound for a wrong secret, Unauthorized for a bad signature.
type FeedbackHook func(ctx context.Context, provider, token string, header http.Header, body []byte) error

// hookBody is the largest notice (S37): SendGrid gathers events up to 768 KB.
const hookBody = 1 << 20

// feedbackHook answers a provider. Nothing is decoded here: what is signed is the body.
func (s *server) feedbackHook(c echo.Context) error {
	if s.opt.Feedback == nil {
		return &newsletter.Error{Kind: newsletter.NotFound}
	}
	body, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return err
	}
	if err := s.opt.Feedback(c.Request().Context(), c.Param("provider"), c.Param("token"), c.Request().Header, body); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}
