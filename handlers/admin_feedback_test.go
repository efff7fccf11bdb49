package handlers_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"techissue/handlers"
	"techissue/newsletter"
)

func (h *house) take(f newsletter.Feedback, want string) {
	h.t.Helper()
	r, err := h.svc.TakeFeedback(h.t.Context(), f)
	if err != nil || r.Outcome != want {
		h.t.Fatalf("%+v came out as %+v, %v", f, r, err)
	}
}

// confirmation is the newest single letter to an address, whose bounce the house can match.
func (h *house) confirmationTo(email string) newsletter.Notice {
	h.t.Helper()
	n, ok := h.newest(newsletter.NoticeConfirm, email)
	if !ok {
		h.t.Fatalf("no confirmation to %s", email)
	}
	return n
}

func TestTheBounceBox(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *house) {
		b := h.desk(newsletter.Editor)
		b.get("/admin").must(t, 200, "반송을 받을 길이 없어요", "길 열기")
		b.get("/admin/feedback").must(t, 200, "반송을 받을 길이 없어요", "TECHISSUE_FEEDBACK_IMAP_URL", "길을 열면 여기에 소식이 쌓여요")

		for _, email := range []string{"gone@example.com", "angry@example.com"} {
			b.post("/admin/subscribers/new", url.Values{"email": {email}, "status": {"pending"}}).must(t, 303)
		}
		asker := h.active("ask@example.com", "김하나")
		bounce := func(email string, kind newsletter.FeedbackKind, said string) newsletter.Feedback {
			return newsletter.Feedback{
				Kind: kind, Via: "listener", Reply: newsletter.ReportReply(said, ""),
				Envelope: []string{h.keys.NoticeBounceAddress(int64(h.confirmationTo(email).ID), "bounce.example.com")},
			}
		}
		h.take(bounce("gone@example.com", newsletter.BounceHard, "550 5.1.1 <script>alert(1)</script> no such user"), newsletter.FeedbackTaken)
		h.take(bounce("angry@example.com", newsletter.Complaint, ""), newsletter.FeedbackTaken)
		h.take(newsletter.Feedback{Kind: newsletter.BounceHard, Via: "pipe", Envelope: []string{"b+1.aaaaaaaaaaaaaaaa@bounce.example.com"}}, newsletter.FeedbackForged)
		h.take(newsletter.Feedback{Kind: newsletter.FeedbackNone, Why: "auto_reply", Via: "imap"}, newsletter.FeedbackIgnored)
		h.take(newsletter.Feedback{Kind: newsletter.FeedbackAsk, Via: "imap", Sender: "ask@example.com", Mark: "<1@x>", Text: "수신거부 <b>부탁</b>드려요"}, newsletter.FeedbackTaken)

		b.get("/admin").must(t, 200, "수신거부를 부탁한 답장이 1통 있어요", "스팸으로 신고했어요", "반송함 보기")
		page := b.get("/admin/feedback").must(t, 200, "gone@example.com", "없는 주소", "<code>550 5.1.1</code>", "발송을 막았어요: 없는 주소라고 서버가 답했어요", "스팸 신고", "위조된 표식",
			"자동 응답", "반송을 받는 메일 서버", "수신거부를 부탁한 답장", "&lt;b&gt;부탁").mustNot(t, "<script>alert", "<b>부탁")
		if n := strings.Count(page.text, "/lift\""); n != 1 { // a complaint is not the editor's to take back
			t.Errorf("%d undo buttons", n)
		}
		b.get("/admin/feedback?outcome=forged").must(t, 200, "위조된 표식").mustNot(t, "gone@example.com")
		b.get("/admin/feedback?outcome=%27--").must(t, 200, "gone@example.com")

		gone := h.subscriber("gone@example.com")
		b.get(fmt.Sprintf("/admin/subscribers/%d", gone.ID)).must(t, 200, "편지가 돌아왔어요", "no such user").mustNot(t, "<script>alert")
		log, _, err := h.svc.FeedbackLog(t.Context(), "", 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		lift := fmt.Sprintf("/admin/feedback/suppressions/%d/lift", log[len(log)-1].Suppression)
		b.post(lift, nil).must(t, 303)
		b.post(lift, nil).must(t, 404)
		if s := h.subscriber("gone@example.com"); s.Shown() != newsletter.Pending {
			t.Errorf("after the undo the reader is %s", s.Shown())
		}

		offers, err := h.svc.LeaveOffers(t.Context())
		if err != nil || len(offers) != 1 {
			t.Fatalf("offers %+v, %v", offers, err)
		}
		at := fmt.Sprintf("/admin/feedback/offers/%d", offers[0].ID)
		b.post(at, url.Values{"do": {"accept"}}).must(t, 303)
		b.post(at, url.Values{"do": {"accept"}}).must(t, 404)
		if s := h.subscriber("ask@example.com"); s.Status != newsletter.Unsubscribed || s.ID != asker.ID {
			t.Errorf("the asker is %+v", s)
		}
	})
}

func TestAnOfferIsPutAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	h.active("ask@example.com", "김하나")
	h.take(newsletter.Feedback{Kind: newsletter.FeedbackAsk, Via: "imap", Sender: "ask@example.com", Mark: "<1@x>", Text: "수신거부 기능이 좋네요"}, newsletter.FeedbackTaken)
	offers, err := h.svc.LeaveOffers(t.Context())
	if err != nil || len(offers) != 1 {
		t.Fatalf("offers %+v, %v", offers, err)
	}
	b.post(fmt.Sprintf("/admin/feedback/offers/%d", offers[0].ID), url.Values{"do": {"dismiss"}}).must(t, 303)
	b.get("/admin/feedback?done=dismissed").must(t, 200, "답장을 치웠어요").mustNot(t, "수신거부 기능이")
	if s := h.subscriber("ask@example.com"); s.Status != newsletter.Active {
		t.Errorf("the reader is %s", s.Status)
	}
}

// A house that has a way says nothing of it on the dashboard, and the demo has nowhere for anything to come back from.
func TestTheDashboardMissesAWay(t *testing.T) {
	t.Parallel()
	const missing = "반송을 받을 길이 없어요"
	with := newHouseWith(t, func(o *newsletter.Options) { o.FeedbackWays = []string{"imap"} })
	reading := with.desk(newsletter.Editor)
	reading.get("/admin").must(t, 200).mustNot(t, missing)
	reading.get("/admin/feedback").must(t, 200, "보낸 사람의 메일함", "아직 돌아온 편지가 없어요").mustNot(t, missing)
	demo := newHouse(t, func(o *handlers.Options) { o.Demo = &handlers.Demo{Bar: "데모"} })
	demo.desk(newsletter.Editor).get("/admin").must(t, 200).mustNot(t, missing)
	// A door counts for as long as something comes by it.
	door := newHouseWith(t, func(o *newsletter.Options) { o.FeedbackDoors = []string{"postmark"} })
	b := door.desk(newsletter.Editor)
	b.get("/admin").must(t, 200, missing)
	door.take(newsletter.Feedback{Kind: newsletter.FeedbackNone, Why: "other", Via: "postmark"}, newsletter.FeedbackIgnored)
	b.get("/admin").must(t, 200).mustNot(t, missing)
	door.clock.add(91 * 24 * time.Hour)
	door.desk(newsletter.Owner).get("/admin").must(t, 200, missing)
}

func TestTheTrustedAccountIsForgotten(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if err := h.svc.PutFeedbackMark(t.Context(), newsletter.SESAccountMark, "arn:aws:sns:ap-northeast-2:123456789012"); err != nil {
		t.Fatal(err)
	}
	editor, owner := h.desk(newsletter.Editor), h.desk(newsletter.Owner)
	editor.get("/admin/feedback").must(t, 200, "123456789012").mustNot(t, "/admin/settings/ses/forget")
	editor.post("/admin/settings/ses/forget", nil).must(t, 403)
	owner.post("/admin/settings/ses/forget", nil).must(t, 303)
	owner.get("/admin/feedback").must(t, 200).mustNot(t, "123456789012")
}
