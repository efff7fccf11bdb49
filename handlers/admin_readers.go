package handlers

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

var readerBadges = map[newsletter.Status]stateBadge{
	newsletter.Active: {"구독 중", "good"}, newsletter.Pending: {"미확인", "wait"}, newsletter.Unsubscribed: {"수신거부", "off"}, newsletter.Suppressed: {"자동삭제", "bad"},
}

var readerStatuses = []newsletter.Status{newsletter.Active, newsletter.Pending, newsletter.Unsubscribed, newsletter.Suppressed}

type readerRow struct {
	ID           newsletter.SubscriberID
	Email, Name  string
	State        stateBadge
	Tags         []string
	At           time.Time
	Paused, Adok bool
}

func (s *server) rowOfReader(r newsletter.Subscriber) readerRow {
	return readerRow{
		ID: r.ID, Email: r.Email.String(), Name: r.Name, State: readerBadges[r.Shown()], Tags: r.Tags, At: r.CreatedAt,
		Paused: r.Paused(s.now()), Adok: r.AdConsent,
	}
}

type readersView struct {
	Query, Tag, Status string
	Statuses           []choice
	Tags               []string
	Rows               []readerRow
	Matching           int64
	Filtered, Any      bool
	Pager              pager
	Faults             faults
}

func (s *server) readers(c echo.Context) error {
	ctx := c.Request().Context()
	totals, err := s.svc.CountSubscribers(ctx)
	if err != nil {
		return err
	}
	f := newsletter.SubscriberFilter{Query: query(c), Tag: strings.TrimSpace(c.QueryParam("tag")), Cursor: cursorOf(c), Limit: 50}
	v := readersView{Query: f.Query, Tag: f.Tag, Statuses: []choice{{Name: "전체"}}}
	for _, st := range readerStatuses {
		on := c.QueryParam("status") == string(st)
		if on {
			f.Status, v.Status = st, string(st)
		}
		v.Statuses = append(v.Statuses, choice{string(st), readerBadges[st].Name, totals[st], on})
		v.Statuses[0].N += totals[st]
	}
	v.Statuses[0].On, v.Any = f.Status == "", v.Statuses[0].N > 0
	v.Filtered = f.Query != "" || f.Tag != "" || f.Status != ""
	if v.Matching, err = s.svc.CountMatching(ctx, f); err != nil {
		return err
	}
	if v.Tags, err = s.svc.SubscriberTags(ctx); err != nil {
		return err
	}
	list, more, err := s.svc.Subscribers(ctx, f)
	if err != nil {
		return err
	}
	for _, r := range list {
		v.Rows = append(v.Rows, s.rowOfReader(r))
	}
	if len(list) > 0 {
		v.Pager = pageAfter(c, more, int64(list[len(list)-1].ID))
	}
	return s.deskPage(c, http.StatusOK, "admin/readers", "readers", "구독자", v)
}

// exportReaders streams the readers that the list shows. It is a POST, for it is written to the audit log.
func (s *server) exportReaders(c echo.Context) error {
	f := newsletter.SubscriberFilter{Query: c.FormValue("q"), Tag: c.FormValue("tag")}
	for _, st := range readerStatuses {
		if c.FormValue("status") == string(st) {
			f.Status = st
		}
	}
	format := c.FormValue("format")
	switch format {
	case newsletter.ExportCSV, newsletter.ExportSafe, newsletter.ExportStibee:
	default:
		return &newsletter.Error{Kind: newsletter.Invalid, Field: "format", Msg: "내보낼 형식을 골라 주세요."}
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/csv; charset=utf-8")
	h.Set(echo.HeaderContentDisposition, fmt.Sprintf(`attachment; filename="subscribers-%s.csv"`, s.now().In(s.loc).Format("20060102")))
	_, err := s.svc.ExportSubscribers(c.Request().Context(), actorOf(c), c.Response(), f, format)
	if err != nil && c.Response().Committed {
		s.log.Error("export broke off", "request", requestID(c), "cause", err)
		panic(http.ErrAbortHandler) // half a file must not look like a whole one
	}
	return err
}

type readerForm struct {
	Email, Name, Tags, Status, Evidence string
	AdConsent                           bool
	Faults                              faults
}

func (s *server) newReader(c echo.Context) error {
	return s.deskPage(c, http.StatusOK, "admin/reader_new", "readers", "구독자 추가", readerForm{Status: string(newsletter.Pending)})
}

func (s *server) addReader(c echo.Context) error {
	v := readerForm{
		Email: c.FormValue("email"), Name: c.FormValue("name"), Tags: c.FormValue("tags"), Status: c.FormValue("status"),
		Evidence: c.FormValue("consent_source"), AdConsent: c.FormValue("ad_consent") != "",
	}
	made, err := s.svc.AddSubscriber(c.Request().Context(), actorOf(c), newsletter.NewSubscriber{
		Email: v.Email, Name: v.Name, Tags: splitTags(v.Tags), Status: newsletter.Status(v.Status), ConsentSource: v.Evidence, AdConsent: v.AdConsent,
		TextVersion: newsletter.ConsentVersion, Via: "admin",
	})
	if wrong, status, ok := faultsFrom(err); ok {
		v.Faults = wrong
		return s.deskPage(c, status, "admin/reader_new", "readers", "구독자 추가", v)
	}
	if err != nil {
		return err
	}
	done := "asked"
	if made.Status == newsletter.Active {
		done = "added"
	}
	return doneAt(c, fmt.Sprintf("/admin/subscribers/%d", made.ID), done)
}
