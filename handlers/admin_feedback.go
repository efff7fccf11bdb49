package handlers

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// wayWords name the ways of feedback.
var wayWords = map[string]string{
	"listener": "반송을 받는 메일 서버", "pipe": "메일 서버의 파이프", "imap": "보낸 사람의 메일함", "ses": "Amazon SES의 알림", "mailgun": "Mailgun의 알림",
	"postmark": "Postmark의 알림", "sendgrid": "SendGrid의 알림",
}

var outcomeWords = map[string]string{
	newsletter.FeedbackTaken: "반영했어요", newsletter.FeedbackKnown: "이미 아는 소식", newsletter.FeedbackForged: "위조된 표식", newsletter.FeedbackStranger: "우리 편지가 아님",
	newsletter.FeedbackGone: "지워진 독자", newsletter.FeedbackIgnored: "지나쳤어요",
}

// outcomeOrder is that of the filter.
var outcomeOrder = []string{
	newsletter.FeedbackTaken, newsletter.FeedbackKnown, newsletter.FeedbackStranger, newsletter.FeedbackForged, newsletter.FeedbackGone, newsletter.FeedbackIgnored,
}

var outcomeTones = map[string]string{newsletter.FeedbackTaken: "good", newsletter.FeedbackForged: "bad"}

var newsWords = map[newsletter.FeedbackKind]string{
	newsletter.BounceHard: "없는 주소", newsletter.BounceUnsure: "이유를 알 수 없는 거절", newsletter.BounceSoft: "이번 편지만 못 받음", newsletter.BounceBlocked: "저희를 막음",
	newsletter.Complaint: "스팸 신고", newsletter.FeedbackLeave: "메일로 수신거부", newsletter.FeedbackAsk: "수신거부를 부탁하는 답장",
}

var whyWords = map[string]string{
	"auto_reply": "자동 응답", "delayed": "아직 배달하는 중이라는 소식", "delivered": "배달했다는 소식", "loop": "되돌아온 우리 편지", "other": "반송도 신고도 아닌 메일",
}

type feedbackView struct {
	Nothing  string // NoFeedbackText when there is no way in
	Ways     []wayLine
	Offers   []newsletter.LeaveOffer
	Outcomes []choice
	Rows     []newsLine
	Pager    pager
	Account  string // whose topics of Amazon SNS are trusted
}

type wayLine struct {
	Name, Sums string
	Set        bool
	LastAt     time.Time
}

type newsLine struct {
	At          time.Time
	Way, News   string
	Said        string // code and enhanced code
	Outcome     stateBadge
	Email       string
	Reader      newsletter.SubscriberID
	Number      int
	Barred      string // why the address is barred now
	Suppression int64  // to lift, 0 for none or one that only the reader can lift
}

// feedbackPage shows what came back about letters, by which way, and what became of it.
func (s *server) feedbackPage(c echo.Context) error {
	ctx := c.Request().Context()
	ways, err := s.svc.FeedbackWays(ctx)
	if err != nil {
		return err
	}
	v := feedbackView{}
	if len(ways) == 0 {
		v.Nothing = newsletter.NoFeedbackText
	}
	for _, w := range ways {
		v.Ways = append(v.Ways, wayOf(w))
	}
	if v.Offers, err = s.svc.LeaveOffers(ctx); err != nil {
		return err
	}
	if v.Account, err = s.svc.FeedbackMark(ctx, newsletter.SESAccountMark); err != nil {
		return err
	}
	outcome := c.QueryParam("outcome")
	if _, known := outcomeWords[outcome]; !known {
		outcome = ""
	}
	v.Outcomes = append(v.Outcomes, choice{Name: "모두", On: outcome == ""})
	for _, o := range outcomeOrder {
		v.Outcomes = append(v.Outcomes, choice{Value: o, Name: outcomeWords[o], On: o == outcome})
	}
	log, more, err := s.svc.FeedbackLog(ctx, outcome, cursorOf(c), 50)
	if err != nil {
		return err
	}
	var last int64
	for _, e := range log {
		v.Rows, last = append(v.Rows, newsOf(e)), e.ID
	}
	v.Pager = pageAfter(c, more, last)
	return s.deskPage(c, http.StatusOK, "admin/feedback", "readers", "반송함", v)
}

func wayOf(w newsletter.FeedbackWay) wayLine {
	line := wayLine{Name: either(wayWords[w.Name], w.Name), Set: w.Set, LastAt: w.LastAt}
	var sums []string
	for _, o := range outcomeOrder {
		if n := w.Outcomes[o]; n > 0 {
			sums = append(sums, fmt.Sprintf("%s %d건", outcomeWords[o], n))
		}
	}
	line.Sums = strings.Join(sums, " · ")
	return line
}

func newsOf(e newsletter.FeedbackEntry) newsLine {
	line := newsLine{
		At: e.At, Way: either(wayWords[e.Via], e.Via), News: either(newsWords[e.Kind], either(whyWords[e.Why], e.Why)), Email: e.Email, Reader: e.Subscriber, Number: e.Number,
		Outcome: stateBadge{Name: either(outcomeWords[e.Outcome], e.Outcome), Tone: either(outcomeTones[e.Outcome], "off")},
	}
	if e.Code != 0 {
		line.Said = strings.TrimSpace(strconv.Itoa(e.Code) + " " + e.Enhanced)
	}
	if e.Email == "" {
		line.Reader = 0
	}
	if e.Suppression != 0 {
		line.Barred = suppressionWords[e.Reason]
		if e.Reason == newsletter.SuppressedHard || e.Reason == newsletter.SuppressedSoft {
			line.Suppression = e.Suppression
		}
	}
	return line
}

// decideOffer does what a reader's answer asked for, or puts it away.
func (s *server) decideOffer(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	accept := c.FormValue("do") == "accept"
	if err := s.svc.DecideLeaveOffer(c.Request().Context(), actorOf(c), id, accept); err != nil {
		return err
	}
	if accept {
		return doneAt(c, "/admin/feedback", "left")
	}
	return doneAt(c, "/admin/feedback", "dismissed")
}

// liftBounce takes back what a bounce brought: the address may be written to again.
func (s *server) liftBounce(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	if err := s.svc.LiftSuppression(c.Request().Context(), actorOf(c), id); err != nil {
		return err
	}
	return doneAt(c, "/admin/feedback", "lifted")
}

// forgetAccount lets the next account's topics be trusted.
func (s *server) forgetAccount(c echo.Context) error {
	if err := s.svc.ForgetSESAccount(c.Request().Context(), actorOf(c)); err != nil {
		return err
	}
	return doneAt(c, "/admin/feedback", "forgotten")
}
