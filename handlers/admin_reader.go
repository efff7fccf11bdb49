package handlers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// eventWords are the timeline's lines.
var eventWords = map[string]string{
	"subscribed": "구독을 신청했어요", "confirmed": "확인 메일의 링크를 눌렀어요", "unsubscribed": "수신을 거부했어요", "renamed": "이름을 바꿨어요",
	"paused": "쉬기 시작했어요", "resumed": "다시 받기 시작했어요", "imported": "파일로 들어왔어요", "suppressed": "발송을 막았어요", "lifted": "발송 차단을 풀었어요",
	"address_changed": "주소를 바꿨어요", "tagged": "태그를 바꿨어요", "ad_consent": "광고성 정보 동의를 바꿨어요", "tracking": "열람 기록 설정을 바꿨어요",
	"bounced": "편지가 돌아왔어요", "complained": "스팸으로 신고했어요", "resubscribed": "다시 구독했어요", "asked": "확인 메일을 다시 청했어요",
}

// consentWords name what was agreed to.
var consentWords = map[newsletter.ConsentKind]string{
	newsletter.ConsentPrivacy: "개인정보 수집·이용", newsletter.ConsentLetter: "뉴스레터 수신", newsletter.ConsentAd: "광고성 정보 수신", newsletter.ConsentAge14: "만 14세 이상",
	newsletter.ConsentImported: "다른 곳에서 받은 동의", newsletter.ConsentTracking: "열람 기록", newsletter.ConsentUnsuppress: "다시 받겠다는 뜻",
}

var suppressionWords = map[newsletter.SuppressionReason]string{
	newsletter.SuppressedHard: "없는 주소라고 서버가 답했어요", newsletter.SuppressedSoft: "여러 호가 잇달아 돌아왔어요",
	newsletter.SuppressedComplaint: "스팸으로 신고했어요", newsletter.SuppressedManual: "직접 막았어요",
}

type readerView struct {
	Row         readerRow
	Tags        string
	Reader      newsletter.Subscriber
	Suppression string
	Timeline    []timelineLine
	Consents    []ledgerLine
	Letters     []letterLine
	Faults      faults
	Evidence    string
	CanLeave    bool
}

type timelineLine struct {
	At           time.Time
	Text, Detail string
}

type ledgerLine struct {
	At                             time.Time
	Kind, Version, Form, Source, C string
	Granted                        bool
	IP                             string
}

func (s *server) reader(c echo.Context) error { return s.showReader(c, http.StatusOK, nil) }

func (s *server) showReader(c echo.Context, status int, wrong faults) error {
	ctx := c.Request().Context()
	id, err := idParam(c)
	if err != nil {
		return err
	}
	sub, err := s.svc.Subscriber(ctx, newsletter.SubscriberID(id))
	if err != nil {
		return err
	}
	events, consents, letters, err := s.svc.SubscriberEvents(ctx, sub.ID)
	if err != nil {
		return err
	}
	v := readerView{
		Row: s.rowOfReader(sub), Reader: sub, Tags: strings.Join(sub.Tags, ", "), Suppression: suppressionWords[sub.Suppression], Letters: letterLines(letters),
		Faults: wrong, CanLeave: sub.Status != newsletter.Unsubscribed,
	}
	if wrong != nil {
		v.Row.Name, v.Tags, v.Evidence = either(c.FormValue("name"), v.Row.Name), either(c.FormValue("tags"), v.Tags), c.FormValue("evidence")
	}
	for _, e := range slices.Backward(events) {
		text := eventWords[e.Kind]
		if text == "" {
			text = e.Kind
		}
		v.Timeline = append(v.Timeline, timelineLine{e.At, text, e.Detail})
	}
	for _, k := range slices.Backward(consents) {
		v.Consents = append(v.Consents, ledgerLine{k.At, consentWords[k.Kind], k.TextVersion, k.Form, k.Source, k.Confirmed, k.Granted, k.IP})
	}
	return s.deskPage(c, status, "admin/reader", "readers", "구독자 "+sub.Email.String(), v)
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// readerDo runs an action on one reader: what the person can mend is shown on the page, and done leads back to it.
func (s *server) readerDo(done string, do func(ctx context.Context, c echo.Context, id newsletter.SubscriberID) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := idParam(c)
		if err != nil {
			return err
		}
		err = do(c.Request().Context(), c, newsletter.SubscriberID(id))
		if wrong, status, ok := faultsFrom(err); ok {
			return s.showReader(c, status, wrong)
		}
		if err != nil {
			return err
		}
		if done == "erased" {
			return doneAt(c, "/admin/subscribers", done)
		}
		return doneAt(c, fmt.Sprintf("/admin/subscribers/%d", id), done)
	}
}

func (s *server) changeReader(ctx context.Context, c echo.Context, id newsletter.SubscriberID) error {
	name, tags := c.FormValue("name"), splitTags(c.FormValue("tags"))
	_, err := s.svc.PatchSubscriber(ctx, actorOf(c), id, newsletter.SubscriberPatch{Name: &name, Tags: &tags})
	return err
}

func (s *server) leaveReader(ctx context.Context, c echo.Context, id newsletter.SubscriberID) error {
	_, err := s.svc.UnsubscribeReader(ctx, actorOf(c), id)
	return err
}

func (s *server) liftReader(ctx context.Context, c echo.Context, id newsletter.SubscriberID) error {
	return s.svc.LiftWithEvidence(ctx, actorOf(c), id, c.FormValue("evidence"))
}

// eraseReader wants the address once more: what is erased here comes back from nowhere.
func (s *server) eraseReader(ctx context.Context, c echo.Context, id newsletter.SubscriberID) error {
	sub, err := s.svc.Subscriber(ctx, id)
	if err != nil {
		return err
	}
	typed, err := newsletter.ParseAddress(c.FormValue("address"))
	if err != nil || typed != sub.Email {
		return &newsletter.Error{Kind: newsletter.Invalid, Field: "address", Msg: "지울 구독자의 메일 주소를 그대로 적어 주세요."}
	}
	return s.svc.EraseReader(ctx, actorOf(c), id)
}
