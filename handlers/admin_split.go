package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// splitView offers to send in daily portions: chosen already, or proposed because mail services do not know the domain.
type splitView struct {
	Days   int // 0: nothing to offer
	Chosen bool
	Domain string
	Parts  []splitPart
}

type splitPart struct {
	Day string
	N   int64
}

func (s *server) splitOf(ctx context.Context, i newsletter.Issue, recipients int64) (splitView, error) {
	days, err := s.svc.WarmUp(ctx, i.Number)
	if err != nil {
		return splitView{}, err
	}
	v := splitView{Days: days, Chosen: i.Portions > 1}
	if v.Chosen {
		v.Days = i.Portions
	}
	if v.Days <= 1 {
		return splitView{}, nil
	}
	h, err := s.svc.House(ctx)
	if err != nil {
		return splitView{}, err
	}
	_, v.Domain, _ = strings.Cut(h.From, "@")
	for n, size := range newsletter.PortionSizes(recipients, v.Days) {
		v.Parts = append(v.Parts, splitPart{fmt.Sprintf("%d일째", n+1), size})
	}
	return v, nil
}

// splitIssue sets over how many days an issue goes out, and shows the page again.
func (s *server) splitIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	days, err := strconv.Atoi(c.FormValue("portions"))
	if err != nil {
		days = 1
	}
	_, err = s.svc.UpdateIssue(c.Request().Context(), actorOf(c), n, func(i *newsletter.Issue) error {
		i.Portions = days
		return nil
	}, 0)
	if err != nil {
		return s.refusedSend(c, n, err, sendView{})
	}
	return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d/send#split", n))
}
