package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// repairIssue shows the composer for an issue that has begun to leave: only its content may change, and why is written beside it.
func (s *server) repairIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	i, err := s.svc.Issue(c.Request().Context(), n)
	if err != nil {
		return err
	}
	if !repairable(i) {
		return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d/send", n))
	}
	return s.compose(c, http.StatusOK, composeView{issueForm: formOf(i, s.loc), Stored: n, Repair: repairOf(i)})
}

func repairable(i newsletter.Issue) bool { return repairOf(i) != "" }

// repairOf says what mending an issue means now: letters that wait, or the page alone.
func repairOf(i newsletter.Issue) string {
	switch {
	case i.State == newsletter.IssuePaused && !i.AcceptedAt.IsZero():
		return "letters"
	case i.Public() && !i.Archived && (i.State == newsletter.IssueDone || i.State == newsletter.IssueCancelled):
		return "page"
	}
	return ""
}

func (s *server) saveRepair(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	i, err := s.svc.Issue(ctx, n)
	if err != nil {
		return err
	}
	values, err := c.FormParams()
	if err != nil {
		return err
	}
	f, reason := readForm(values), c.FormValue("reason")
	again := composeView{issueForm: f, Stored: n, Repair: repairOf(i), Reason: reason}
	if id, ok := cutPile(values.Get("do")); ok {
		if again.At, err = s.takeFromPile(c, &again.issueForm, id); err != nil {
			return err
		}
		again.Unsaved = true
		return s.compose(c, http.StatusOK, again)
	}
	if anchor, ok := f.step(values.Get("do"), values.Get("article_pick")); ok {
		again.issueForm, again.At, again.Unsaved = f, anchor, true
		return s.compose(c, http.StatusOK, again)
	}
	mend := s.svc.CorrectIssue
	if again.Repair == "page" {
		mend = s.svc.AmendIssue
	}
	_, err = mend(ctx, actorOf(c), n, reason, func(i *newsletter.Issue) error {
		kept := *i
		if err := f.apply(i, s.loc); err != nil {
			return err
		}
		kept.Content, kept.Kind = i.Content, i.Kind // who gets it was settled when the send began
		*i = kept
		return nil
	})
	if wrong, status, ok := faultsFrom(err); ok {
		again.Faults = wrong
		return s.compose(c, status, again)
	}
	if err != nil {
		return err
	}
	if values.Get("do") == "resume" {
		return s.step(c, n, s.svc.ResumeIssue)
	}
	return doneAt(c, fmt.Sprintf("/admin/issues/%d/send", n), "corrected")
}

// draftCorrection begins a letter to those who were sent the wrong edition.
func (s *server) draftCorrection(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	i, err := s.svc.DraftCorrection(c.Request().Context(), actorOf(c), n)
	if err != nil {
		return s.refusedSend(c, n, err, sendView{})
	}
	return doneAt(c, fmt.Sprintf("/admin/issues/%d", i.Number), "correction")
}

// repointLink sends readers of letters that have left to another address than the one in them.
func (s *server) repointLink(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	link, err := strconv.ParseInt(c.FormValue("link"), 10, 64)
	if err != nil {
		return &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 링크예요."}
	}
	if err := s.svc.RepointLink(c.Request().Context(), actorOf(c), n, link, c.FormValue("target")); err != nil {
		return err
	}
	return doneAt(c, fmt.Sprintf("/admin/issues/%d/report", n), "repointed")
}

// repairState is what the page of a sending says about mending it.
type repairState struct {
	Can       string // letters, page, ""
	Wrong     int64  // letters of an edition that was corrected since
	Editions  []newsletter.EditionTally
	Corrected bool
}

func (s *server) repairState(ctx context.Context, i newsletter.Issue) (r repairState, err error) {
	r.Can = repairOf(i)
	if r.Can == "" { // it is asked each second while letters leave
		return r, nil
	}
	if r.Editions, err = s.svc.EditionTallies(ctx, i.Number); err != nil {
		return r, err
	}
	newest := map[int]int{}
	for _, e := range r.Editions {
		newest[e.Variant] = max(newest[e.Variant], e.Number)
	}
	for _, e := range r.Editions {
		if e.Number < newest[e.Variant] {
			r.Wrong += e.Sent
			r.Corrected = true
		}
	}
	return r, nil
}
