package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"techissue/newsletter"
)

// sent sends an issue to one reader as the queue would.
func (h *house) sent(subject string) newsletter.Issue {
	h.t.Helper()
	ctx := h.t.Context()
	h.active("reader@example.com", "하나")
	i, err := h.svc.CreateIssue(ctx, "test", newsletter.Issue{Tracking: true, Content: newsletter.Content{
		Subject: subject, Preheader: "미리", Intro: "안녕하세요.", Links: []newsletter.RoundupLink{{URL: "https://a.example/1", Title: "하나"}},
	}})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.svc.SendIssue(ctx, "test", i.Number, 0); err != nil {
		h.t.Fatal(err)
	}
	if err := h.svc.Advance(ctx); err != nil {
		h.t.Fatal(err)
	}
	letters, err := h.store.ClaimDeliveries(ctx, 1, 10, h.clock.now())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, l := range letters {
		if err := h.store.Gate(ctx, l.Ticket, h.clock.now()); err != nil {
			h.t.Fatal(err)
		}
		if err := h.store.Settle(ctx, newsletter.Settlement{Ticket: l.Ticket, State: newsletter.Sent, Charge: true, Outcome: "sent", Reply: newsletter.Reply{Code: 250}, At: h.clock.now()}); err != nil {
			h.t.Fatal(err)
		}
	}
	return i
}

// Repair: pause, correct, go on; the page says what was mended; a letter to those who got the wrong edition.
func TestRepairAtTheDesk(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	i := h.sent("오자가 있는 제모")
	at := fmt.Sprintf("/admin/issues/%d", i.Number)
	if to := b.get(at + "/repair").Header.Get("Location"); to != at+"/send" {
		t.Errorf("an issue that is sending leads to %q", to)
	}
	b.post(at+"/pause", nil).must(t, http.StatusSeeOther)
	b.get(at+"/send").must(t, 200, "고쳐서 이어 보내기", at+"/repair")
	b.get(at+"/repair").must(t, 200, "고치고 이어 보내기", "무엇을 고쳤나요", "오자가 있는 제모").mustNot(t, "테스트 발송하기", "data-autosave=\"/admin")
	form := url.Values{"subject": {"오자가 없는 제목"}, "preheader": {"미리"}, "kind": {"info"}, "intro": {"안녕하세요."}, "number": {fmt.Sprint(i.Number)},
		"link_url": {"https://a.example/1"}, "link_title": {"하나"}, "tracking": {"on"}, "do": {"resume"}}
	b.post(at+"/repair", form).must(t, 422, "무엇을 고쳤는지 한 줄로", "오자가 없는 제목")
	form.Set("reason", "제목의 오자")
	b.post(at+"/repair", form).must(t, http.StatusSeeOther)
	if err := h.svc.Advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.get(at+"/send").must(t, 200, "발송완료", "웹 글 고치기", "고치기 전 판을 받은 1명에게 정정 편지 쓰기", "제목의 오자")
	h.browser().get(fmt.Sprintf("/issues/%d", i.Number)).must(t, 200, "오자가 없는 제목", "정정", "제목의 오자")

	h.clock.add(time.Minute)
	form.Set("reason", "인사말의 오자")
	form.Set("intro", "웹에서만 고친 인사")
	form.Set("do", "save")
	b.post(at+"/repair", form).must(t, http.StatusSeeOther)
	h.browser().get(fmt.Sprintf("/issues/%d", i.Number)).must(t, 200, "웹에서만 고친 인사", "인사말의 오자")
	to := b.post(at+"/correction", nil).Header.Get("Location")
	draft := regexp.MustCompile(`^/admin/issues/\d+`).FindString(to)
	b.get(draft).must(t, 200, "[정정] 오자가 없는 제목", `name="received" value="1:1 2"`, "지금 조건으로 1명")
}

// The undo time is the admin's, and a segment goes through the form as it was chosen.
func TestUndoTimeAndSegments(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	owner := h.desk(newsletter.Owner)
	h.active("a@example.com", "하나")
	i := h.draft("보낼 호")
	at := fmt.Sprintf("/admin/issues/%d", i.Number)
	owner.post("/admin/settings", url.Values{"undo_seconds": {"9999"}}).must(t, 422, "0에서 1,800 사이")
	owner.post("/admin/settings", url.Values{"undo_seconds": {"120"}}).must(t, http.StatusSeeOther)
	owner.get(at+"/send").must(t, 200, "120초 뒤에")
	form := url.Values{"subject": {"보낼 호"}, "preheader": {"미리"}, "kind": {"info"}, "intro": {"글"}, "number": {"1"}, "opened_least": {"2"}, "opened_of": {"5"}, "source": {"친구"}, "do": {"save"}}
	owner.post(at, form).must(t, http.StatusSeeOther)
	got, err := h.svc.Issue(t.Context(), i.Number)
	if err != nil || got.Audience.Opened == nil || *got.Audience.Opened != (newsletter.Engagement{Least: 2, Of: 5}) || got.Audience.Source != "친구" {
		t.Errorf("the audience is %+v, %v", got.Audience, err)
	}
	owner.get(at).must(t, 200, `name="opened_least" value="2"`, `name="opened_of" value="5"`, `value="친구"`)
	form.Set("opened_least", "여섯")
	owner.post(at, form).must(t, 422, "숫자로 적어 주세요", `value="여섯"`)
}

// The report says what became of an issue; a counted link leads elsewhere from its page; the file is for a spreadsheet.
func TestTheReport(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	i := h.sent("읽힌 호")
	at := fmt.Sprintf("/admin/issues/%d", i.Number)
	h.clock.add(time.Hour)
	_, e, err := h.svc.IssueEdition(t.Context(), i.Number)
	if err != nil {
		t.Fatal(err)
	}
	link := e.Snapshot.TrackedLinks[0].ID
	letters, _, err := h.svc.Deliveries(t.Context(), i.Number, newsletter.DeliveryFilter{})
	if err != nil {
		t.Fatal(err)
	}
	h.svc.CountHit(newsletter.Hit{Delivery: letters[0].ID, Link: link, At: h.clock.now()})
	if err := h.svc.FlushHits(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.get(at+"/report").must(t, 200, "발송 성공", "100.0%", "열람(추정)", "하나", "사람으로 봤어요", "example.com", "1호", "첫 24시간", `data-chart="hours-table"`)
	b.get(at+"/clickmap").must(t, 200, "읽힌 호")
	if csv := b.get(at+"/report.csv").must(t, 200, "reader@example.com,sent"); csv.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("the file is %q", csv.Header.Get("Content-Type"))
	}
	b.post(at+"/repoint", url.Values{"link": {fmt.Sprint(link)}, "target": {"https://right.example/"}}).must(t, http.StatusSeeOther)
	b.get(at+"/report").must(t, 200, "https://right.example/")
	b.post(at+"/repoint", url.Values{"link": {fmt.Sprint(link)}, "target": {"javascript:x"}}).must(t, 422)
	b.get("/admin").must(t, 200, "지난 30일", "어디에서 왔을까요")
	draft := h.draft("아직인 호")
	b.get(fmt.Sprintf("/admin/issues/%d/report", draft.Number)).must(t, 404)
}

// A send that is out of the ordinary is confirmed by the number of its readers.
func TestAnUnusualSendIsConfirmed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.desk(newsletter.Editor)
	h.sent("지난 호")
	next := h.draft("같은 사람들에게")
	at := fmt.Sprintf("/admin/issues/%d", next.Number)
	b.get(at+"/send").must(t, 200, "지금 1명에게 발송하기").mustNot(t, `name="count"`)
	h.active("b@example.com", "둘")
	b.get(at+"/send").must(t, 200, "받는 사람이 1호(1명)와 많이 달라요", `name="count"`)
	b.post(at+"/send", nil).must(t, 422, "받는 사람 수를 그대로 적어 주세요")
	b.post(at+"/send", url.Values{"count": {"1"}}).must(t, 422, `value="1"`)
	when := h.clock.now().Add(time.Hour).In(h.options.Location).Format("2006-01-02T15:04")
	b.post(at+"/schedule", url.Values{"at": {when}}).must(t, 422, "받는 사람 수를 그대로")
	b.post(at+"/send", url.Values{"count": {"2명"}}).must(t, http.StatusSeeOther)
	old := h.draft("오래된 글")
	h.clock.add(8 * 24 * time.Hour)
	why, n, err := h.svc.Unusual(t.Context(), old.Number)
	if err != nil || n != 2 || why != "받는 사람이 1호(1명)와 많이 달라요." {
		t.Errorf("%q for %d, %v", why, n, err)
	}
}
