package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"techissue/handlers"
	"techissue/newsletter"
)

var noTime time.Time

func TestSignUp(t *testing.T) {
	t.Parallel()
	with := func(change func(url.Values)) url.Values {
		v := signup("reader@example.com")
		change(v)
		return v
	}
	for _, row := range []struct {
		name     string
		form     url.Values
		status   int
		want     []string
		forbid   []string
		letterTo string
	}{
		{"a whole form is sent on", signup("reader@example.com"), 303, nil, nil, "reader@example.com"},
		{"no address says so and keeps the name", with(func(v url.Values) { v.Set("email", "") }), 422,
			[]string{`href="#signup-email"`, `aria-invalid="true"`, `aria-describedby="signup-email-fault"`, `value="홍길동"`}, nil, ""},
		{"a broken address is kept for mending", with(func(v url.Values) { v.Set("email", "hong@@example") }), 422, []string{`value="hong@@example"`}, nil, ""},
		{"consent is needed", with(func(v url.Values) { v.Del("consent") }), 422, []string{"개인정보 수집·이용에 동의해 주세요.", `id="signup-consent-fault"`}, nil, ""},
		{"age is needed", with(func(v url.Values) { v.Del("age14") }), 422, []string{`id="signup-age14-fault"`}, nil, ""},
		{"all faults at once", url.Values{}, 422, []string{"#signup-email", "#signup-consent", "#signup-age14"}, nil, ""},
		{"markup in a name stays text", with(func(v url.Values) { v.Set("email", "x"); v.Set("name", `"><script>alert(1)</script>`) }), 422, nil,
			[]string{"<script>alert"}, ""},
		{"a robot fills the trap and learns nothing", with(func(v url.Values) { v.Set("website", "http://spam.example") }), 303, nil, nil, ""},
		{"fields that are not ours change nothing", with(func(v url.Values) { v.Set("status", "active"); v.Set("id", "1"); v.Set("confirmed", "1") }), 303,
			nil, nil, "reader@example.com"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			a := h.browser().post("/subscribe", row.form).must(t, row.status, row.want...).mustNot(t, row.forbid...)
			if row.status == 303 && a.Header.Get("Location") != "/subscribe/sent" {
				t.Errorf("sent to %s", a.Header.Get("Location"))
			}
			_, mailed := h.newest(newsletter.NoticeConfirm, "reader@example.com")
			if mailed != (row.letterTo != "") {
				t.Errorf("a letter was queued: %v", mailed)
			}
			if s := h.subscriber("reader@example.com"); s.Status == newsletter.Active {
				t.Error("active without a confirmation")
			}
		})
	}
}

// S11: a stranger learns nothing about who reads.
func TestSignUpAnswersTheSameForEveryAddress(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.reader("active@example.com")
	h.browser().post("/subscribe", signup("pending@example.com"))
	var first string
	for _, email := range []string{"new-one@example.com", "active@example.com", "pending@example.com"} {
		b := h.browser()
		a := b.post("/subscribe", signup(email)).must(t, 303)
		page := b.get(a.Header.Get("Location")).must(t, 200, "받은편지함을 확인해 주세요", email)
		text := strings.ReplaceAll(page.text, email, "ADDRESS")
		text = regexp.MustCompile(`name="started" value="[^"]*"`).ReplaceAllString(text, "")
		if first == "" {
			first = text
		} else if text != first {
			t.Errorf("%s gets another page", email)
		}
		j := b.do("POST", "/subscribe", strings.NewReader(`{"email":"`+email+`","consent":true,"age14":"on"}`), http.Header{"Content-Type": {"application/json"}})
		if j.StatusCode != 202 || strings.TrimSpace(j.text) != `{"status":"sent"}` {
			t.Errorf("%s by JSON: %d %s", email, j.StatusCode, j.text)
		}
	}
}

func TestSignUpByJSONAnswersWithProblems(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	header := http.Header{"Content-Type": {"application/json"}, "Origin": {"https://blog.example"}, "Sec-Fetch-Site": {"cross-site"}}
	a := h.browser().do("POST", "/subscribe", strings.NewReader(`{"email":"no","consent":false}`), header)
	if a.StatusCode != 422 || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d %s", a.StatusCode, a.Header.Get("Content-Type"))
	}
	var p struct {
		Status int
		Code   string
		Errors []struct{ Field, Message string }
	}
	if err := json.Unmarshal([]byte(a.text), &p); err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	for _, e := range p.Errors {
		fields[e.Field] = e.Message != ""
	}
	if p.Status != 422 || p.Code != "invalid" || !fields["email"] || !fields["consent"] || !fields["age14"] {
		t.Errorf("problem %+v", p)
	}
	h.browser().do("POST", "/subscribe", strings.NewReader(`{"email":`), header).must(t, 400)
	big := strings.NewReader(`{"email":"` + strings.Repeat("x", 70<<10) + `"}`)
	h.browser().do("POST", "/subscribe", big, header).must(t, 413)
}

// A form that comes back within a second was not filled in by a person; one from elsewhere carries no moment.
func TestFormsAreTimed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	page := b.get("/").must(t, 200, `name="website"`, `action="/subscribe"`)
	m := regexp.MustCompile(`name="started" value="([^"]+)"`).FindStringSubmatch(page.text)
	if m == nil {
		t.Fatal("the form has no moment")
	}
	form := signup("timed@example.com")
	form.Set("started", m[1])
	b.post("/subscribe", form).must(t, 422, "한 번 더 눌러 주세요", m[1])
	h.clock.add(2 * time.Second)
	b.post("/subscribe", form).must(t, 303)
	form.Set("email", "forged@example.com")
	form.Set("started", strings.Repeat("z", len(m[1])))
	b.post("/subscribe", form).must(t, 303)
}

func TestATypoInTheDomainIsAskedAbout(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.get("/subscribe/sent").must(t, 200, "적어 주신 주소로")
	timed := func(email string) url.Values {
		v := signup(email)
		v.Set("started", h.moment(b))
		h.clock.add(2 * time.Second)
		return v
	}
	mailed := func(email string) bool {
		_, ok := h.newest(newsletter.NoticeConfirm, email)
		return ok
	}
	form := timed("hong@naver.con")
	form.Set("ad_consent", "on")
	ask := b.post("/subscribe", form).must(t, 422, "혹시 <bdi>hong@naver.com</bdi> 인가요?", "그대로 보내기", `name="ad_consent"`, form.Get("started"))
	if mailed("hong@naver.con") || len(ask.Cookies()) != 0 {
		t.Fatal("a letter went to a mistyped address before anybody was asked")
	}
	form.Set("keep", "hong@naver.con")
	b.post("/subscribe", form).must(t, 303)
	if !mailed("hong@naver.con") {
		t.Error("the address could not be kept")
	}
	b.get("/subscribe/sent").must(t, 200, "hong@naver.con").mustNot(t, "혹시") // nothing is asked twice
	form = timed("hong@naver.com")                                           // the other button
	b.post("/subscribe", form).must(t, 303)
	b.get("/subscribe/sent").must(t, 200, "hong@naver.com", "https://mail.naver.com/").mustNot(t, "혹시")
	if !mailed("hong@naver.com") {
		t.Error("the suggestion could not be taken")
	}
	b.post("/subscribe", timed("hong@gamil.com")).must(t, 422, "hong@gmail.com") // another slip is asked about again
	bad := timed("hong@naver.con")
	bad.Del("consent")
	b.post("/subscribe", bad).must(t, 422, "signup-consent").mustNot(t, "그대로 보내기") // faults come first
	member := h.reader("reader@nate.con")
	if member.ID == 0 {
		t.Fatal("no reader")
	}
	known := b.post("/subscribe", timed("reader@nate.con")).must(t, 422)
	unknown := b.post("/subscribe", timed("strange@nate.con")).must(t, 422)
	if text(known) != strings.ReplaceAll(text(unknown), "strange@", "reader@") {
		t.Error("the question tells who reads")
	}

	embedded := h.browser() // a form on another site cannot be shown again: its answer asks
	embedded.post("/subscribe", signup("kim@naver.con")).must(t, 303)
	embedded.get("/subscribe/sent").must(t, 200, "혹시 <bdi>kim@naver.com</bdi> 인가요?", "네, 이 주소로 다시 신청할게요", "아니요, 적은 주소가 맞아요")
	j := b.do("POST", "/subscribe", strings.NewReader(`{"email":"lee@naver.con","consent":true,"age14":true}`), http.Header{"Content-Type": {"application/json"}})
	if j.must(t, 202); strings.TrimSpace(j.text) != `{"hint":"lee@naver.com","status":"sent"}` {
		t.Errorf("by JSON: %s", j.text)
	}
}

// moment is the signed moment of the form on the first page.
func (h *house) moment(b *browser) string {
	h.t.Helper()
	m := regexp.MustCompile(`name="started" value="([^"]+)"`).FindStringSubmatch(b.get("/").must(h.t, 200).text)
	if m == nil {
		h.t.Fatal("the form has no moment")
	}
	return m[1]
}

// text is a page without the moments in its forms.
func text(a answer) string {
	return regexp.MustCompile(`name="started" value="[^"]*"`).ReplaceAllString(a.text, "")
}

func TestTheSentPageHelps(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.post("/subscribe", signup("hong@naver.com")).must(t, 303)
	b.get("/subscribe/sent").must(t, 200, "메일 다시 보내기", " disabled", "15분</span> 뒤에 다시 보낼 수 있어요", "고친 주소로 받기", "스팸함", "letter@example.com",
		`class="button primary" href="https://mail.naver.com/"`, "https://mail.google.com/", "https://mail.daum.net/")
	h.clock.add(14*time.Minute + 30*time.Second)
	b.post("/subscribe", signup("hong@naver.com")).must(t, 303) // too early: no letter, and no new quarter of an hour
	b.get("/subscribe/sent").must(t, 200, " disabled", "30초</span> 뒤에")
	h.clock.add(30 * time.Second)
	b.get("/subscribe/sent").must(t, 200, "메일 다시 보내기").mustNot(t, " disabled")
	b.post("/subscribe", signup("hong@naver.com")).must(t, 303)
	if n := h.count(newsletter.NoticeConfirm, "hong@naver.com"); n != 2 {
		t.Errorf("%d letters, want 2", n)
	}
	b.post("/subscribe", signup("kim@naver.com")).must(t, 303) // a mended address at once
	b.get("/subscribe/sent").must(t, 200, "kim@naver.com", "15분</span> 뒤에")
	if n := h.count(newsletter.NoticeConfirm, "kim@naver.com"); n != 1 {
		t.Errorf("%d letters to the mended address", n)
	}
	b.post("/subscribe", signup("hong@nаver.com")).must(t, 303) // a Cyrillic а (S43)
	b.get("/subscribe/sent").must(t, 200, "xn--nver-53d.com").mustNot(t, `<bdi class="address">hong@nаver.com`)
}

// S28: scanners open links; only a button confirms, and once.
func TestConfirm(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.post("/subscribe", signup("reader@example.com")).must(t, 303)
	path := "/confirm/" + h.link(newsletter.NoticeConfirm, newsletter.PurposeConfirm, "reader@example.com")
	for range 3 {
		b.get(path).must(t, 200, "구독 확인하기", `method="post" action="`+path+`"`).mustNot(t, "reader@example.com")
	}
	if s := h.subscriber("reader@example.com"); s.Status != newsletter.Pending {
		t.Fatalf("looking confirmed: %s", s.Status)
	}
	b.post(path, nil).must(t, 200, "구독이 시작됐어요", "홍길동님", "2026년 11월 24일 (화) 오후 6:00")
	if s := h.subscriber("reader@example.com"); s.Status != newsletter.Active {
		t.Fatalf("status %s", s.Status)
	}
	b.get(path).must(t, 410, "이미 사용한 링크예요")
	b.post(path, nil).must(t, 410, "이미 사용한 링크예요")
	b.get("/confirm/x").must(t, 404).mustNot(t, "bad_token")
	b.post(path[:len(path)-1]+"x", nil).must(t, 404)
}

func TestAnExpiredConfirmationOffersANewOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.post("/subscribe", signup("late@example.com"))
	path := "/confirm/" + h.link(newsletter.NoticeConfirm, newsletter.PurposeConfirm, "late@example.com")
	h.clock.add(8 * 24 * time.Hour)
	b.get(path).must(t, 410, "링크가 만료됐어요", "새 확인 메일 받기")
	b.post(path, nil).must(t, 410)
	b.post(path+"/resend", nil).must(t, 200, "새 확인 메일을 보냈어요")
	fresh := "/confirm/" + h.link(newsletter.NoticeConfirm, newsletter.PurposeConfirm, "late@example.com")
	if fresh == path {
		t.Fatal("no new letter")
	}
	b.post(fresh, nil).must(t, 200, "구독이 시작됐어요")
}

// After seven days the sign-up is removed; its link leads to a new one.
func TestALinkOutlivesItsSignUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.post("/subscribe", signup("late@example.com")).must(t, 303)
	path := "/confirm/" + h.link(newsletter.NoticeConfirm, newsletter.PurposeConfirm, "late@example.com")
	if err := h.svc.EraseReader(t.Context(), "test", h.subscriber("late@example.com").ID); err != nil {
		t.Fatal(err)
	}
	for _, a := range []answer{b.get(path), b.post(path, nil), b.post(path+"/resend", nil)} {
		a.must(t, 410, "다시 신청하기").mustNot(t, "l***@")
	}
}

func oneClickMultipart(t *testing.T) (*bytes.Buffer, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.WriteField("List-Unsubscribe", "One-Click"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b, w.FormDataContentType()
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	multi, multiType := oneClickMultipart(t)
	for _, row := range []struct {
		name, body, kind, via string
	}{
		{"a person's button", "", "application/x-www-form-urlencoded", "page"},
		{"RFC 8058, urlencoded", "List-Unsubscribe=One-Click", "application/x-www-form-urlencoded", "one-click"},
		{"RFC 8058, multipart", multi.String(), multiType, "one-click"},
		{"a body nobody can read", "\xff%zz", "multipart/form-data; boundary=x", "page"},
		{"no body at all", "", "", "page"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			sub := h.reader("reader@example.com")
			path := "/u/" + h.keys.Sign(newsletter.PurposeUnsubscribe, int64(sub.ID), noTime)
			b := h.browser()
			b.get(path).must(t, 200, "수신을 중단할까요?", "수신거부하기").mustNot(t, "reader@example.com", "이유를")
			for range 2 { // doing it again is no error
				header := http.Header{"Origin": {"https://mail.example"}, "Sec-Fetch-Site": {"cross-site"}}
				if row.kind != "" {
					header.Set("Content-Type", row.kind)
				}
				a := b.do("POST", path, strings.NewReader(row.body), header).must(t, 200)
				if len(a.Cookies()) != 0 || a.Header.Get("Location") != "" {
					t.Errorf("cookies %v, Location %q", a.Cookies(), a.Header.Get("Location"))
				}
				if row.via == "page" {
					a.must(t, 200, "수신거부가 처리됐어요", "테크잇슈", "다시 구독하기", "2026년 11월 24일 (화) 오후 6:00").mustNot(t, "reader@example.com")
				}
			}
			if s := h.subscriber("reader@example.com"); s.Status != newsletter.Unsubscribed {
				t.Fatalf("status %s", s.Status)
			}
			_, _, consents := h.events(sub.ID)
			if last := consents[len(consents)-1]; last.Granted || last.Form != row.via {
				t.Errorf("the ledger says %+v", last)
			}
		})
	}
}

func (h *house) events(id newsletter.SubscriberID) (kinds []string, n int, consents []newsletter.Consent) {
	h.t.Helper()
	err := h.store.View(h.t.Context(), func(tx newsletter.Tx) (err error) {
		events, err := tx.Events(h.t.Context(), id)
		if err != nil {
			return err
		}
		for _, e := range events {
			kinds = append(kinds, e.Kind)
		}
		consents, err = tx.Consents(h.t.Context(), id)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return kinds, len(kinds), consents
}

func TestAfterLeaving(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	sub := h.reader("reader@example.com")
	path := "/u/" + h.keys.Sign(newsletter.PurposeUnsubscribe, int64(sub.ID), noTime)
	b := h.browser()
	b.post(path+"/reason", url.Values{"reason": {"싫어요"}}).must(t, 409)
	b.post(path, nil).must(t, 200)
	b.post(path+"/reason", url.Values{"reason_text": {strings.Repeat("가", 51)}}).must(t, 422, "50자까지")
	b.post(path+"/reason", url.Values{"reason": {"내용이 저와 맞지 않아요"}}).must(t, 200, "의견을 보내 주셔서 고마워요")
	if s := h.subscriber("reader@example.com"); s.UnsubscribeReason != "내용이 저와 맞지 않아요" {
		t.Errorf("reason %q", s.UnsubscribeReason)
	}
	h.clock.add(time.Hour)
	b.post(path+"/resubscribe", nil).must(t, 200, "확인 메일을 보냈어요")
	if s := h.subscriber("reader@example.com"); s.Status != newsletter.Unsubscribed {
		t.Error("a forwarded letter signed somebody up again")
	}
	b.post("/confirm/"+h.link(newsletter.NoticeConfirm, newsletter.PurposeConfirm, "reader@example.com"), nil).must(t, 200)
	if s := h.subscriber("reader@example.com"); s.Status != newsletter.Active {
		t.Errorf("status %s", s.Status)
	}
}

// S27: a token for one thing opens nothing else, and a broken one offers the other way out.
func TestTokensOpenOneThingOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	sub := h.reader("reader@example.com")
	for _, row := range []struct {
		path    string
		purpose newsletter.Purpose
	}{
		{"/u/", newsletter.PurposePreferences}, {"/u/", newsletter.PurposeConfirm}, {"/u/", newsletter.PurposeBounce},
		{"/me/", newsletter.PurposeUnsubscribe}, {"/me/", newsletter.PurposeConfirm},
		{"/confirm/", newsletter.PurposeUnsubscribe}, {"/confirm/", newsletter.PurposePreferences}, {"/confirm/", newsletter.PurposeManage},
	} {
		tok := h.keys.Sign(row.purpose, int64(sub.ID), noTime)
		for _, method := range []string{"GET", "POST"} {
			a := h.browser().do(method, row.path+tok, nil, http.Header{"Accept": {"text/html"}, "Sec-Fetch-Site": {"same-origin"}})
			if a.StatusCode != 404 {
				t.Errorf("%s %s with a %s token: %d", method, row.path, row.purpose, a.StatusCode)
			}
			a.mustNot(t, "reader@example.com", "r***@")
		}
	}
	good := h.keys.Sign(newsletter.PurposeUnsubscribe, int64(sub.ID), noTime)
	for i := range len(good) {
		flipped := good[:i] + string(rune(good[i]^1)) + good[i+1:]
		if a := h.browser().post("/u/"+url.PathEscape(flipped), nil); a.StatusCode == 200 {
			t.Fatalf("byte %d flipped still opens", i)
		}
	}
	h.browser().get("/u/broken").must(t, 404, "관리 링크 받기", `action="/me"`)
	if s := h.subscriber("reader@example.com"); s.Status != newsletter.Active {
		t.Errorf("status %s", s.Status)
	}
}

// S53: a forwarded letter's link reads no more than the masked address, and can only refuse.
func TestAnIssuesLinkCanOnlyRefuse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	sub := h.reader("reader@example.com")
	tok := h.keys.Sign(newsletter.PurposePreferences, int64(sub.ID), noTime)
	b := h.browser()
	secrets := []string{"reader@example.com", "홍길동", "/me/export", "/me/settings"}
	b.get("/me/"+tok).must(t, 200, "4주 쉬기", "기록 거부하기", "수신거부하기").mustNot(t, secrets...)
	b.post("/me/"+tok, nil).must(t, 404).mustNot(t, secrets...)
	for _, p := range []string{"/me/settings/name", "/me/settings/address", "/me/settings/ad-consent", "/me/settings/erase", "/me/settings/unsubscribe"} {
		form := url.Values{"name": {"남"}, "email": {"other@example.com"}, "confirm": {"on"}, "ad_consent": {"on"}, "token": {tok}}
		for _, cookie := range []string{"", tok} {
			c := h.browser()
			if cookie != "" {
				c.cookies["me"] = cookie
			}
			c.post(p, form).must(t, 401).mustNot(t, secrets...)
		}
	}
	for _, p := range []string{"/me/export.json", "/me/export.csv"} {
		c := h.browser()
		c.cookies["me"] = tok
		c.get(p).must(t, 401).mustNot(t, secrets...)
	}
	b.post("/me/"+tok+"/pause", url.Values{"weeks": {"4"}}).must(t, 200, "쉬어 갈게요", "2026년 12월 22일까지").mustNot(t, secrets...)
	b.post("/me/"+tok+"/resume", nil).must(t, 200, "다시 보내 드릴게요")
	b.post("/me/"+tok+"/tracking", url.Values{"refuse": {"on"}}).must(t, 200, "기록하지 않고 있어요")
	s := h.subscriber("reader@example.com")
	if s.Name != "홍길동" || s.AdConsent || s.Status != newsletter.Active || !s.NoTracking {
		t.Errorf("the reader is now %+v", s)
	}
	b.post("/me/"+tok+"/unsubscribe", nil).must(t, 200, "수신거부가 처리됐어요")
	if s := h.subscriber("reader@example.com"); s.Status != newsletter.Unsubscribed {
		t.Errorf("status %s", s.Status)
	}
}

func TestTheReadersOwnPage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.reader("reader@example.com")
	b := h.browser()
	b.get("/me").must(t, 200, "관리 링크 받기")
	known := b.post("/me", url.Values{"email": {"reader@example.com"}}).must(t, 200, "관리 링크를 보내 드렸어요")
	unknown := b.post("/me", url.Values{"email": {"nobody@example.com"}}).must(t, 200)
	if known.text != unknown.text {
		t.Error("the answer tells who reads")
	}
	b.post("/me", url.Values{"email": {"nonsense"}}).must(t, 422, `value="nonsense"`)
	path := "/me/" + h.link(newsletter.NoticeManage, newsletter.PurposeManage, "reader@example.com")
	b.get(path).must(t, 200, "내 구독 열기").mustNot(t, "reader@example.com")
	b.get(path).must(t, 200) // scanners do not use it up
	a := b.post(path, nil).must(t, 303)
	c := a.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.MaxAge != 1800 || a.Header.Get("Location") != "/me" {
		t.Errorf("cookie %v to %s", c, a.Header.Get("Location"))
	}
	b.get("/me").must(t, 200, "reader@example.com", "홍길동", "뉴스레터 수신", "/me/export.json")
	h.browser().post(path, nil).must(t, 410) // single use

	b.post("/me/settings/name", url.Values{"name": {"성춘향"}}).must(t, 303)
	b.get("/me?saved=name").must(t, 200, "이름을 저장했어요", "성춘향")
	b.get("/me?saved=%3Cscript%3E").must(t, 200).mustNot(t, "&lt;script", "<script>")
	b.post("/me/settings/name", url.Values{"name": {"http://spam.example"}}).must(t, 422, `id="me-name-fault"`)
	b.post("/me/settings/ad-consent", url.Values{"ad_consent": {"on"}}).must(t, 303)
	b.post("/me/settings/pause", url.Values{"weeks": {"4"}}).must(t, 303)
	s := h.subscriber("reader@example.com")
	if s.Name != "성춘향" || !s.AdConsent || !s.Paused(h.clock.now()) {
		t.Errorf("the reader is now %+v", s)
	}
	b.post("/me/settings/resume", nil).must(t, 303)

	var data map[string]any
	j := b.get("/me/export.json").must(t, 200)
	if err := json.Unmarshal([]byte(j.text), &data); err != nil || data["email"] != "reader@example.com" || !strings.Contains(j.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("export %v: %v", err, data)
	}
	b.get("/me/export.csv").must(t, 200, "email,reader@example.com", "consents.0.kind,")

	b.post("/me/settings/erase", nil).must(t, 422, "되돌릴 수 없어요")
	b.post("/me/settings/erase", url.Values{"confirm": {"on"}}).must(t, 200, "모두 지웠어요")
	if s := h.subscriber("reader@example.com"); s.ID != 0 {
		t.Errorf("still there: %+v", s)
	}
	b.get("/me").must(t, 200, "관리 링크 받기")
}

func TestTheOwnPageClosesAfterHalfAnHour(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.reader("reader@example.com")
	b := h.browser()
	b.post("/me", url.Values{"email": {"reader@example.com"}})
	path := "/me/" + h.link(newsletter.NoticeManage, newsletter.PurposeManage, "reader@example.com")
	b.post(path, nil).must(t, 303)
	h.clock.add(31 * time.Minute)
	b.get("/me").must(t, 401, "새 링크를 메일로").mustNot(t, "reader@example.com")
	b.post("/me/settings/name", url.Values{"name": {"x"}}).must(t, 401)
	h.browser().get(path).must(t, 410)
}

func TestAChangeOfAddressIsProved(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.reader("old@example.com")
	b := h.browser()
	b.post("/me", url.Values{"email": {"old@example.com"}})
	b.post("/me/"+h.link(newsletter.NoticeManage, newsletter.PurposeManage, "old@example.com"), nil).must(t, 303)
	b.post("/me/settings/address", url.Values{"email": {"no"}}).must(t, 422, `id="me-email-fault"`)
	b.post("/me/settings/address", url.Values{"email": {"new@example.com"}}).must(t, 303)
	if h.subscriber("old@example.com").ID == 0 {
		t.Fatal("changed without proof")
	}
	path := "/me/" + h.link(newsletter.NoticeAddress, newsletter.PurposeManage, "new@example.com")
	h.browser().get(path).must(t, 200, "새 주소로 받기", "n***@example.com").mustNot(t, "new@example.com", "old@example.com")
	h.browser().post(path, nil).must(t, 200, "주소를 바꿨어요", "n***@example.com")
	if s := h.subscriber("new@example.com"); s.Status != newsletter.Active {
		t.Errorf("the reader is now %+v", s)
	}
	h.browser().post(path, nil).must(t, 410)
	h.browser().get(path).must(t, 410, "이미 사용한 링크예요")
}

func TestHomeAndArticles(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.get("/").must(t, 200, `lang="ko"`, "아직 발행한 글이 없어요. 첫 호를 메일로 받아 보세요.", `name="email"`, `name="consent"`, `name="ad_consent"`, `name="age14"`).
		mustNot(t, " checked")
	b.get("/articles").must(t, 200, "아직 발행한 글이 없어요")
	a := h.article("반도체 인재, 어디로 갈까", "첫 문단이에요.\n\n## 소제목\n\n**\"화수분 야구\"**라는 말\n\n<script>alert(1)</script>", "반도체", "AI")
	draft, err := h.svc.CreateArticle(t.Context(), "test", newsletter.Article{Title: "아직 쓰는 글", Body: "비밀", Status: newsletter.ArticleDraft})
	if err != nil {
		t.Fatal(err)
	}
	h.past(3, "세 번째 편지", a.Slug)
	b.get("/").must(t, 200, "반도체 인재, 어디로 갈까", "세 번째 편지").mustNot(t, "아직 쓰는 글")
	page := b.get("/articles/"+url.PathEscape(a.Slug)).must(t, 200,
		"<h1>반도체 인재, 어디로 갈까</h1>", "2026년 11월 24일", "조회 0", "아직 구독 전이신가요?", "이재훈", "3호</a>에 실렸어요", "</strong>라는 말",
		`rel="canonical" href="http://localhost:8080/articles/`, `property="og:title"`, "application/ld+json")
	page.mustNot(t, "<script>alert", "aria-invalid")
	b.get("/articles/"+url.PathEscape(draft.Slug)).must(t, 404).mustNot(t, "비밀")
	b.get("/articles/"+url.PathEscape("없는-글")).must(t, 404, `action="/search"`)
	b.get("/tags/"+url.PathEscape("반도체")).must(t, 200, "#반도체", a.Title)
	b.get("/tags/none").must(t, 404)
	b.get("/articles?q="+url.QueryEscape("인재")).must(t, 200, "반도체 <mark>인재</mark>, 어디로 갈까")
	b.get("/articles?q="+url.QueryEscape("없는말'\"<b>")).must(t, 200, "맞는 글이 없어요").mustNot(t, "<b>")
	b.get("/search?q="+url.QueryEscape("인재")).must(t, 200, "반도체 <mark>인재</mark>, 어디로 갈까")
	b.get("/search").must(t, 200, "찾고 싶은 낱말", `action="/search"`, "noindex")
	b.get("/search?q="+url.QueryEscape("소식")).must(t, 200, "3호의 링크", `href="/issues/3#link-1"`, "새 <mark>소식</mark>", `href="https://news.example.com/1" rel="noopener"`, "1개를 찾았어요")
	b.get("/search?kind=article&q="+url.QueryEscape("소식")).must(t, 200, "맞는 글이 없어요", "전체에서 찾기")
	b.get("/search?page=999999&q="+url.QueryEscape("소식")).must(t, 200)
	for _, p := range []string{"/about", "/privacy", "/issues", "/subscribe", "/me"} {
		b.get(p).must(t, 200)
	}
	b.get("/privacy").must(t, 200, newsletter.ConsentVersion, "처리 목적", "보유 기간", "위탁", "정보주체의 권리", "02-000-0000")
}

// A reader counts once a day; robots, previews and HEAD do not.
func TestViewsAreCountedOncePerReaderAndDay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.article("제목", "글")
	path := "/articles/" + url.PathEscape(a.Slug)
	b := h.browser()
	b.get(path)
	b.get(path)
	b.do("HEAD", path, nil, nil)
	b.do("GET", path, nil, http.Header{"Sec-Purpose": {"prefetch"}})
	robot := h.browser()
	for _, agent := range []string{"Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)", "Googlebot/2.1", "facebookexternalhit/1.1; kakaotalk-scrap/1.0;", ""} {
		robot.agent = agent
		robot.get(path)
	}
	other := h.browser()
	other.ip = "203.0.113.77"
	other.get(path)
	if got := h.views(a.Slug); got != 2 {
		t.Errorf("%d views, want 2", got)
	}
	h.clock.add(24 * time.Hour)
	b.get(path)
	if got := h.views(a.Slug); got != 3 {
		t.Errorf("%d views the next day, want 3", got)
	}
}

func (h *house) views(slug string) int64 {
	h.t.Helper()
	if err := h.svc.FlushViews(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	a, err := h.svc.Article(h.t.Context(), slug)
	if err != nil {
		h.t.Fatal(err)
	}
	return a.Views
}

func TestIssues(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.get("/issues").must(t, 200, "아직 보낸 호가 없어요")
	a := h.article("긴 글", strings.Repeat("가나다라마바사 아자차카타파하. ", 40)+"\n\n## 끝\n\n숨은 뒷부분")
	h.past(11, "열한 번째")
	h.past(12, "열두 번째 <b>", a.Slug)
	draft, err := h.svc.CreateIssue(t.Context(), "test", newsletter.Issue{Content: newsletter.Content{Subject: "쓰는 중", Kind: newsletter.KindInfo}})
	if err != nil {
		t.Fatal(err)
	}
	b.get("/issues").must(t, 200, "12호", "열한 번째").mustNot(t, "쓰는 중", "<b>")
	b.get("/issues/12").must(t, 200, "열두 번째", `id="link-1"`, "https://news.example.com/1", "예시일보", "이어 읽기", "이전 호", "열한 번째", "/issues/12/letter").
		mustNot(t, "숨은 뒷부분", "<b>")
	b.get("/issues/11").must(t, 200, "다음 호")
	letter := b.get("/issues/12/letter").must(t, 200, `style="color:#222"`)
	csp := letter.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "style-src 'unsafe-inline'") || !strings.Contains(csp, "default-src 'none'") || letter.Header.Get("X-Robots-Tag") != "noindex" {
		t.Errorf("CSP %q, robots %q", csp, letter.Header.Get("X-Robots-Tag"))
	}
	for _, p := range []string{"/issues/" + itoa(draft.Number), "/issues/" + itoa(draft.Number) + "/letter", "/issues/999", "/issues/x", "/issues/999/letter"} {
		b.get(p).must(t, 404).mustNot(t, "쓰는 중")
	}
}

func TestFeeds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	for _, p := range []string{"/feed.xml", "/atom.xml", "/feed.json", "/sitemap.xml"} {
		b.get(p).must(t, 200) // of an empty house
	}
	a := h.article("첫 글 & 둘", "전문이 ]]> 다 있어요.\n\n끝 문단", "태그")
	link := "http://localhost:8080/articles/" + url.PathEscape(a.Slug)
	for _, row := range []struct{ path, kind, want string }{
		{"/feed.xml", "application/rss+xml; charset=utf-8", "끝 문단"}, {"/atom.xml", "application/atom+xml; charset=utf-8", "끝 문단"},
		{"/feed.json", "application/feed+json; charset=utf-8", "끝 문단"}, {"/sitemap.xml", "application/xml; charset=utf-8", link},
	} {
		f := b.get(row.path).must(t, 200, row.want, link)
		if got := f.Header.Get("Content-Type"); got != row.kind {
			t.Errorf("%s is %s", row.path, got)
		}
		if strings.HasSuffix(row.path, ".xml") {
			d := xml.NewDecoder(strings.NewReader(f.text))
			for {
				if _, err := d.Token(); err != nil {
					if err.Error() != "EOF" {
						t.Errorf("%s: %v", row.path, err)
					}
					break
				}
			}
		} else if !json.Valid([]byte(f.text)) {
			t.Errorf("%s is no JSON", row.path)
		}
		again := b.do("GET", row.path, nil, http.Header{"If-None-Match": {f.Header.Get("ETag")}})
		if again.StatusCode != 304 || again.text != "" {
			t.Errorf("%s again: %d", row.path, again.StatusCode)
		}
	}
	b.get("/feed.xml").must(t, 200, `isPermaLink="true"`, "<content:encoded>", `rel="self"`)
	b.get("/robots.txt").must(t, 200, "Sitemap: http://localhost:8080/sitemap.xml", "Disallow: /u/")
}

// Rule 12: readers never see internals.
func TestErrorsTellReadersNothingOfTheInside(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *handlers.Options) { o.Ready = func(context.Context) error { return errBroken } })
	b := h.browser()
	b.get("/healthz").must(t, 200, "ok")
	b.get("/readyz").must(t, 503).mustNot(t, "fire", "secret")
	if !strings.Contains(h.log.String(), "fire") {
		t.Error("the log does not know why")
	}
	b.get("/nowhere").must(t, 404, "찾으시는 페이지가 없어요", "테크잇슈")
	p := b.do("GET", "/api/v1/nowhere", nil, nil)
	if p.StatusCode != 404 || p.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(p.text, `"code":"not_found"`) {
		t.Errorf("%d %s %s", p.StatusCode, p.Header.Get("Content-Type"), p.text)
	}
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/articles", "/articles/x", "/issues/1"} {
		a := b.get(path)
		if a.StatusCode < 500 {
			t.Errorf("%s without a store: %d", path, a.StatusCode)
		}
		a.must(t, a.StatusCode, a.Header.Get("X-Request-Id")).mustNot(t, "sql", "database", "closed", "goroutine", ".go:")
	}
}

// S45: no token and no address in the log.
func TestTheLogKeepsSecrets(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	sub := h.reader("secretive@example.com")
	tok := h.keys.Sign(newsletter.PurposeUnsubscribe, int64(sub.ID), noTime)
	b := h.browser()
	b.get("/u/" + tok)
	b.get("/u/" + tok + "/nowhere")
	b.get("/me/" + tok)
	b.get("/articles?q=secretive@example.com")
	b.get("/u/evil%0Alevel=ERROR")
	b.get("/x%0Alevel=ERROR+msg=forged")
	for _, secret := range []string{tok, "secretive", "\nlevel=ERROR"} {
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	if !strings.Contains(h.log.String(), "path=/u/…") {
		t.Error("requests are not logged")
	}
}

// S31, S32: neither the Host header nor a forged X-Forwarded-For is believed.
func TestForgedHeadersAreNotBelieved(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *handlers.Options) {
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	})
	h.article("제목", "글")
	r := h.browser()
	a := r.do("GET", "/feed.xml", nil, http.Header{"X-Forwarded-Host": {"evil.example"}, "Host": {"evil.example"}})
	a.mustNot(t, "evil.example")
	ipOf := func(remote, forwarded string) string {
		b := h.browser()
		b.ip = remote
		email := "ip" + strings.NewReplacer(".", "-").Replace(remote+"-"+forwarded[:3]) + "@example.com"
		b.do("POST", "/subscribe", strings.NewReader(signup(email).Encode()), http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}, "X-Forwarded-For": {forwarded},
		})
		_, _, consents := h.events(h.subscriber(email).ID)
		return consents[0].IP
	}
	if got := ipOf("203.0.113.5", "198.51.100.1"); got != "203.0.113.5" {
		t.Errorf("a stranger's X-Forwarded-For was believed: %s", got)
	}
	if got := ipOf("10.1.2.3", "198.51.100.1"); got != "198.51.100.1" {
		t.Errorf("the proxy's X-Forwarded-For was not believed: %s", got)
	}
	if got := ipOf("10.1.2.3", "66.6.6.6, 198.51.100.1"); got != "198.51.100.1" {
		t.Errorf("what a client wrote before the proxy was believed: %s", got)
	}
}

func TestAssetsAreCachedForEver(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	page := b.get("/").must(t, 200)
	m := regexp.MustCompile(`href="(/assets/[0-9a-f]+/site\.css)"`).FindStringSubmatch(page.text)
	if m == nil {
		t.Fatal("the page has no style sheet")
	}
	a := b.get(m[1]).must(t, 200)
	if a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/css") {
		t.Errorf("%s, %s", a.Header.Get("Cache-Control"), a.Header.Get("Content-Type"))
	}
	if c := b.get("/assets/old/site.css").must(t, 200).Header.Get("Cache-Control"); c != "no-cache" {
		t.Errorf("under another hash: %s", c)
	}
	z := b.do("GET", m[1], nil, http.Header{"Accept-Encoding": {"gzip"}})
	if z.Header.Get("Content-Encoding") != "gzip" {
		t.Error("not compressed")
	}
}

func TestSmallRules(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/admin/issues?x=1": "/admin/issues?x=1", "//evil.example": "/", "/\\evil.example": "/", "https://evil.example": "/", "/%09/evil": "/%09/evil",
		"/\t/evil.example": "/", "": "/", "admin": "/",
	} {
		if got := handlers.LocalPath(in, "/"); got != want {
			t.Errorf("LocalPath(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"/u/abc": "/u/…", "/me/abc/pause": "/me/…", "/me": "/me", "/articles/x": "/articles/x", "/confirm/x": "/confirm/…"} {
		if got := handlers.MaskPath(in); got != want {
			t.Errorf("MaskPath(%q) = %q", in, got)
		}
	}
	for in, want := range map[string]string{"=cmd": "'=cmd", "＝1": "'＝1", "a=b": "a=b", "": "", "@x": "'@x"} {
		if got := handlers.Harmless(in); got != want {
			t.Errorf("Harmless(%q) = %q", in, got)
		}
	}
	if got := handlers.LeadOf("# 제목\n\n첫째\n\n둘째\n\n## 소제목\n\n셋째"); got != "첫째\n\n둘째" {
		t.Errorf("LeadOf: %q", got)
	}
	if handlers.IsBot("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0) DaumApps/5.0") || !handlers.IsBot("Yeti/1.1") {
		t.Error("Daum's app is people, Yeti is none")
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

// Where readers come from is told by the place of the form, by a link, and by a pasted form; nobody can write anything else with it.
func TestSourcesOfSignUps(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.article("출처", "본문")
	h.past(3, "세 번째 편지", a.Slug)
	b := h.browser()
	for n, row := range []struct{ page, want string }{
		{"/", "home"}, {"/subscribe", "subscribe"}, {"/subscribe?from=brunch-1", "brunch-1"}, {"/articles/" + url.PathEscape(a.Slug), "article:" + a.Slug}, {"/issues/3", "issue:3"},
		{"/subscribe?from=" + url.QueryEscape(`"><script>x</script>`+strings.Repeat("가", 200)), "scriptx/script" + strings.Repeat("가", 46)},
	} {
		page := b.get(row.page).must(t, 200)
		m := regexp.MustCompile(`name="source" value="([^"]*)"`).FindStringSubmatch(page.text)
		if m == nil || m[1] != row.want {
			t.Errorf("%s says %q, want %q", row.page, m, row.want)
			continue
		}
		form := signup("s" + strconv.Itoa(n) + "@example.com")
		form.Set("source", m[1])
		b.post("/subscribe", form).must(t, 303)
		if got := h.subscriber("s" + strconv.Itoa(n) + "@example.com").Source; got != row.want {
			t.Errorf("kept as %q", got)
		}
	}
	embed := b.get("/subscribe/embed").must(t, 200, "&lt;form method=&#34;post&#34; action=&#34;http://localhost:8080/subscribe&#34;", "noindex")
	if strings.Contains(embed.text, `action="http://localhost:8080/subscribe"`) {
		t.Error("the snippet is a form of the page itself")
	}
	b.get("/subscribe").must(t, 200, "먼저 읽어 보고 정해도 좋아요", "세 번째 편지")
}
