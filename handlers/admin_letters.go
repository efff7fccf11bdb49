package handlers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

var letterBadges = map[newsletter.DeliveryState]stateBadge{
	newsletter.Queued: {"대기", "wait"}, newsletter.Leased: {"대기", "wait"}, newsletter.Handing: {"보내는 중", "live"}, newsletter.Sent: {"발송", "good"},
	newsletter.Uncertain: {"불확실", "warn"}, newsletter.Failed: {"실패", "bad"}, newsletter.Expired: {"기한 지남", "bad"},
	newsletter.Skipped: {"건너뜀", "off"}, newsletter.Cancelled: {"취소", "off"},
}

// reasonWords say why a letter ended as it did, where the server's answer does not.
var reasonWords = map[string]string{
	newsletter.ReasonUnsubscribed: "수신을 거부했어요", newsletter.ReasonSuppressed: "보내지 않기로 한 주소예요", newsletter.ReasonPaused: "쉬는 중이에요",
	newsletter.ReasonErased: "지운 구독자예요", newsletter.ReasonAddress: "주소가 바뀌었어요", newsletter.ReasonCancelled: "발송을 취소했어요",
	newsletter.ReasonRefused: "받는 서버가 거절했어요", newsletter.ReasonCompose: "편지를 만들지 못했어요", newsletter.ReasonLost: "보내는 도중에 연결이 자꾸 끊겼어요", "marked": "직접 보낸 것으로 표시했어요", "expired": "기한이 지났어요",
}

type letterLine struct {
	ID            newsletter.DeliveryID
	Number        int
	Reader        newsletter.SubscriberID
	Email, Reply  string
	State         stateBadge
	Why           string
	Attempts      int
	At            time.Time
	Next          time.Time // of a letter that waits to be tried again
	Doubt, Resend bool
}

func lineOf(d newsletter.Delivery) letterLine {
	l := letterLine{
		ID: d.ID, Number: d.Number, Reader: d.Subscriber, Email: d.Email, Reply: d.Reply, State: letterBadges[d.State], Why: reasonWords[d.Reason],
		Attempts: d.Attempts, At: d.DoneAt, Doubt: d.State == newsletter.Uncertain,
		Resend: d.State == newsletter.Failed || d.State == newsletter.Expired || d.State == newsletter.Uncertain,
	}
	if l.Email == "" {
		l.Email = "(지운 주소)"
	}
	if d.State == newsletter.Queued && d.Attempts > 0 {
		l.State, l.Next = stateBadge{"보류", "warn"}, d.DueAt
	}
	if l.At.IsZero() {
		l.At = d.FirstAt
	}
	return l
}

func letterLines(list []newsletter.Delivery) []letterLine {
	lines := make([]letterLine, len(list))
	for n, d := range list {
		lines[n] = lineOf(d)
	}
	return lines
}

type lettersView struct {
	Number                int
	Subject, Query, State string
	States                []choice
	Rows                  []letterLine
	Pager                 pager
	Doubt, Failed         int64
	Back                  string // the address that a button leads back to
	Notice                string
}

// letters lists an issue's letters, and is where letters in doubt are decided.
func (s *server) letters(c echo.Context) error { return s.showLetters(c, http.StatusOK, "") }

func (s *server) showLetters(c echo.Context, status int, notice string) error {
	ctx := c.Request().Context()
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	i, err := s.svc.Issue(ctx, n)
	if err != nil {
		return err
	}
	p, err := s.svc.Progress(ctx, n)
	if err != nil {
		return err
	}
	f := newsletter.DeliveryFilter{Query: query(c), Cursor: cursorOf(c), Limit: 50}
	v := lettersView{Number: n, Subject: i.Subject, Query: f.Query, Notice: notice, States: []choice{{Name: "전체", N: p.Recipients}}}
	for _, st := range newsletter.DeliveryStates {
		if p.Counts[st] == 0 && c.QueryParam("state") != string(st) {
			continue
		}
		on := c.QueryParam("state") == string(st)
		if on {
			f.State, v.State = st, string(st)
		}
		v.States = append(v.States, choice{string(st), letterBadges[st].Name, p.Counts[st], on})
	}
	v.States[0].On = f.State == ""
	v.Doubt, v.Failed = p.Counts[newsletter.Uncertain], p.Counts[newsletter.Failed]+p.Counts[newsletter.Expired]
	list, more, err := s.svc.Deliveries(ctx, n, f)
	if err != nil {
		return err
	}
	v.Rows = letterLines(list)
	if len(list) > 0 {
		v.Pager = pageAfter(c, more, int64(list[len(list)-1].ID))
	}
	return s.deskPage(c, status, "admin/letters", "issues", fmt.Sprintf("%d호 편지", n), v)
}

// decide settles one letter: sent again, or taken for sent.
func (s *server) decide(what string, do func(context.Context, string, newsletter.DeliveryID) (newsletter.Delivery, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := idParam(c)
		if err != nil {
			return err
		}
		d, err := do(c.Request().Context(), actorOf(c), newsletter.DeliveryID(id))
		if err != nil {
			return err
		}
		return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/admin/issues/%d/letters?state=%s&done=%s", d.Number, lettersBack(c), what))
	}
}

// lettersBack is the list that the person came from.
func lettersBack(c echo.Context) newsletter.DeliveryState {
	st := newsletter.DeliveryState(c.FormValue("state"))
	if slices.Contains(newsletter.DeliveryStates[:], st) {
		return st
	}
	return ""
}

// resendIssue queues again what failed, or what is in doubt.
func (s *server) resendIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	states := []newsletter.DeliveryState{newsletter.Failed, newsletter.Expired}
	if c.FormValue("state") == string(newsletter.Uncertain) {
		states = []newsletter.DeliveryState{newsletter.Uncertain}
	}
	if _, err := s.svc.ResendIssue(c.Request().Context(), actorOf(c), n, states, nil); err != nil {
		return s.refusedSend(c, n, err, sendView{})
	}
	return doneAt(c, fmt.Sprintf("/admin/issues/%d/send", n), "resent")
}
