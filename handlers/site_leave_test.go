package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"techissue/newsletter"
)

// leaversDisk is leavers.log on a disk that can fail. It looks at the reader while it is asked to write.
type leaversDisk struct {
	mu   sync.Mutex
	fail error
	look func() newsletter.Status
	saw  []newsletter.Status
}

func (l *leaversDisk) Append(context.Context, ...newsletter.Leaver) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saw = append(l.saw, l.look())
	return l.fail
}

// A 200 to an unsubscribe is a promise: the line is on disk before the change is, and without it there is neither.
func TestLeavingIsOnDiskBeforeItIsAnswered(t *testing.T) {
	t.Parallel()
	disk := &leaversDisk{}
	h := newHouseWith(t, func(o *newsletter.Options) { o.Leavers = disk })
	sub := h.reader("reader@example.com")
	disk.look = func() newsletter.Status { return h.subscriber("reader@example.com").Status }
	path := "/u/" + h.keys.Sign(newsletter.PurposeUnsubscribe, int64(sub.ID), noTime)
	oneClick := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	disk.fail = errors.New("fsync /secret/leavers.log: input/output error")
	for range 2 {
		a := h.browser().do("POST", path, strings.NewReader("List-Unsubscribe=One-Click"), oneClick)
		a.must(t, 503).mustNot(t, "secret", "fsync")
		if a.Header.Get("Retry-After") == "" {
			t.Error("nobody is told to come back")
		}
	}
	h.browser().post(path, nil).must(t, 503, "지금은 저장할 수 없어요").mustNot(t, "처리됐어요")
	if s := h.subscriber("reader@example.com"); s.Status != newsletter.Active || h.count(newsletter.NoticeRefusal, "reader@example.com") != 0 {
		t.Fatalf("half done: %s", s.Status)
	}
	disk.fail = nil
	h.browser().do("POST", path, strings.NewReader("List-Unsubscribe=One-Click"), oneClick).must(t, 200)
	if len(disk.saw) != 4 || disk.saw[3] != newsletter.Active {
		t.Errorf("the reader was %v when the line was written", disk.saw)
	}
	if s := h.subscriber("reader@example.com"); s.Status != newsletter.Unsubscribed || h.count(newsletter.NoticeRefusal, "reader@example.com") != 1 {
		t.Errorf("answered 200, but %s", s.Status)
	}
}

// S28, contract.md: no GET, HEAD or OPTIONS of a mailed link changes anything, whoever follows it.
func TestScannersChangeNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	sub := h.reader("reader@example.com")
	letter := h.delivered()
	b := h.browser()
	b.post("/subscribe", signup("waiting@example.com")).must(t, 303)
	b.post("/me", url.Values{"email": {"reader@example.com"}}).must(t, 200)
	links := []string{
		"/u/" + h.keys.Sign(newsletter.PurposeUnsubscribe, int64(sub.ID), noTime),
		"/me/" + h.keys.Sign(newsletter.PurposePreferences, int64(sub.ID), noTime),
		"/me/" + h.link(newsletter.NoticeManage, newsletter.PurposeManage, "reader@example.com"),
		"/confirm/" + h.link(newsletter.NoticeConfirm, newsletter.PurposeConfirm, "waiting@example.com"),
		"/f/" + h.keys.Sign(newsletter.PurposeOpinion, int64(letter.ID), noTime),
	}
	state := func() string {
		n, err := h.svc.Opinions(t.Context(), letter.Issue)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintln(h.subscriber("reader@example.com"), h.subscriber("waiting@example.com"), n)
	}
	before := state()
	scanner := h.browser()
	for _, link := range links {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "GET"} {
			for _, query := range []string{"", "?v=good", "?List-Unsubscribe=One-Click&_method=POST&confirm=on&weeks=4&refuse=on"} {
				a := scanner.do(method, link+query, nil, http.Header{"X-Http-Method-Override": {"POST"}, "Accept": {"text/html"}})
				if method != "OPTIONS" && a.StatusCode != 200 {
					t.Errorf("%s %s: %d", method, link[:4], a.StatusCode)
				}
				if len(a.Cookies()) != 0 {
					t.Errorf("%s %s sets a cookie", method, link[:4])
				}
			}
		}
	}
	if after := state(); after != before {
		t.Errorf("scanners changed\n%s into\n%s", before, after)
	}
	b.post(links[3], nil).must(t, 200) // and none of them used a link up
	b.post(links[2], nil).must(t, 303)
}

// S53, as a walk: a token printed in an issue, in every place of every route under /me and as its cookie.
func TestWalkWithAnIssuesToken(t *testing.T) {
	t.Parallel()
	h, routes := walk(t)
	sub := h.reader("reader@example.com")
	want := sub
	refusals := map[string]bool{ // all that it may do
		"POST /me/:token/pause": true, "POST /me/:token/resume": true, "POST /me/:token/tracking": true, "POST /me/:token/unsubscribe": true,
	}
	walked := 0
	for _, purpose := range []newsletter.Purpose{newsletter.PurposePreferences, newsletter.PurposeUnsubscribe} {
		tok := h.keys.Sign(purpose, int64(sub.ID), noTime)
		for _, r := range routes {
			if !strings.HasPrefix(r.Path, "/me") || refusals[r.Method+" "+r.Path] {
				continue
			}
			walked++
			for _, cookie := range []string{"", tok} {
				b := h.browser()
				if cookie != "" {
					b.cookies["me"] = cookie
				}
				form := url.Values{"token": {tok}, "name": {"남"}, "email": {"other@example.com"}, "confirm": {"on"}, "ad_consent": {"on"}, "weeks": {"4"}}
				path := strings.ReplaceAll(r.Path, ":token", tok)
				a := b.get(path)
				if r.Method == "POST" {
					a = b.post(path, form)
				}
				a.mustNot(t, "reader@example.com", "홍길동", "consents")
				if s := h.subscriber("reader@example.com"); fmt.Sprint(s) != fmt.Sprint(want) {
					t.Fatalf("%s %s with a %s token changed the reader into %+v", r.Method, r.Path, purpose, s)
				}
			}
		}
	}
	if walked < 20 {
		t.Errorf("only %d routes walked", walked)
	}
	if h.count(newsletter.NoticeAddress, "other@example.com") != 0 {
		t.Error("a proof was mailed to somebody else's address")
	}
}

// delivered is the letter of issue 7 to the one reader there is.
func (h *house) delivered() newsletter.Delivery {
	h.t.Helper()
	ctx, now := h.t.Context(), h.clock.now()
	var letters []newsletter.Delivery
	err := h.store.Update(ctx, func(tx newsletter.Tx) error {
		issue := newsletter.Issue{
			Number: 7, Content: newsletter.Content{Subject: "일곱 번째 <b>", Kind: newsletter.KindInfo}, WithoutAdConsent: newsletter.SkipWithoutAdConsent,
			Uncertain: newsletter.ResendOnce, CreatedAt: now, UpdatedAt: now,
		}
		if err := tx.PutIssue(ctx, &issue); err != nil {
			return err
		}
		if _, _, err := tx.Freeze(ctx, issue.ID, newsletter.Recipients{}, 0, 0, 10, now); err != nil {
			return err
		}
		var err error
		letters, err = tx.Deliveries(ctx, newsletter.DeliveryFilter{Issue: issue.ID, Limit: 10})
		return err
	})
	if err != nil || len(letters) != 1 {
		h.t.Fatal(letters, err)
	}
	return letters[0]
}

func TestOpinions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.reader("reader@example.com")
	letter := h.delivered()
	path := "/f/" + h.keys.Sign(newsletter.PurposeOpinion, int64(letter.ID), noTime)
	b := h.browser()
	b.get(path+"?v=bad").must(t, 200, "이번 호, 어떠셨나요?", `<button class="big primary" type="submit" name="v" value="bad">`).mustNot(t, "reader@", "홍길동", "<b>")
	b.get(path+"?v=%3Cscript%3E").must(t, 200, `value="good"`).mustNot(t, "script%3E", "&lt;script")
	count := func() (good, bad int64) {
		n, err := h.svc.Opinions(t.Context(), letter.Issue)
		if err != nil {
			t.Fatal(err)
		}
		return n["good"], n["bad"]
	}
	for range 3 {
		b.post(path, url.Values{"v": {"good"}}).must(t, 200, "의견을 보내 주셔서 고마워요", "/issues/7/share")
	}
	if good, bad := count(); good != 1 || bad != 0 {
		t.Errorf("%d good, %d bad", good, bad)
	}
	h.clock.add(time.Minute)
	h.browser().post(path+"?v=bad", nil).must(t, 200, "아쉬워요") // the last word counts
	if good, bad := count(); good != 0 || bad != 1 {
		t.Errorf("%d good, %d bad", good, bad)
	}
	b.post(path, url.Values{"v": {"great"}}).must(t, 422, "가운데 하나를 골라 주세요")
	b.get("/f/broken?v=good").must(t, 404)
	b.post("/f/broken", url.Values{"v": {"good"}}).must(t, 404)
}
