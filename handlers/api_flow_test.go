package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

func TestReadersThroughTheAPI(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *house) {
		p := h.program(t, newsletter.ScopeSubscribersWrite, newsletter.ScopeSubscribersRead)
		made := p.do("POST", "/subscribers", `{"email":"Hong@Example.com","name":"홍길동","tags":["vip","dev"]}`).must(201, `"status":"pending"`)
		where := strings.TrimPrefix(made.header.Get("Location"), "/api/v1")
		if _, ok := h.newest(newsletter.NoticeConfirm, "hong@example.com"); !ok {
			t.Error("no confirmation was queued")
		}
		p.do("POST", "/subscribers", `{"email":"hong@example.com"}`).refused(409, "exists")
		active := p.do("POST", "/subscribers", `{"email":"kim@example.com","status":"active","ad_consent":true,
			"consent":{"source":"2026 모임 신청서","at":"2026-11-01T00:00:00Z","text_version":"v3"}}`).must(201, `"status":"active"`, `"ad_consent":true`, `"consent_at":"2026-11-01T00:00:00Z"`)
		kim := strings.TrimPrefix(active.header.Get("Location"), "/api/v1")
		p.get(kim+"/events").must(200, `"kind":"subscribed"`, `"source":"2026 모임 신청서"`, `"text_version":"v3"`)
		p.get("/subscribers?status=active").must(200, "kim@example.com")
		if a := p.get("/subscribers?status=active&q=hong").must(200); strings.Contains(a.text, "Hong") || !strings.Contains(a.text, `"data":[]`) {
			t.Error("the filters do not join: " + a.text)
		}
		p.do("PATCH", kim, `{"name":"김철수","tags":[],"paused_until":"2027-01-01T00:00:00Z"}`).must(200, `"name":"김철수"`, `"tags":[]`, `"paused_until":"2027-01-01T00:00:00Z"`, `"status":"active"`)
		p.do("PATCH", kim, `{"name":"김영수"}`).must(200, `"paused_until":"2027-01-01T00:00:00Z"`)
		p.do("PATCH", kim, `{"paused_until":null}`).must(200, `"paused_until":null`)
		p.do("PATCH", kim, `{"email":"hong@example.com"}`).refused(409, "exists")
		p.do("PATCH", kim, `{"email":"new@example.com"}`).must(200, `"email":"new@example.com"`)
		p.get(kim+"/events").must(200, `"kind":"address_changed"`)
		if log, _, err := h.svc.AuditLog(t.Context(), 0, 50); err != nil || !strings.Contains(fmt.Sprint(log), "address_changed") {
			t.Errorf("the change of address was not audited: %v %v", log, err)
		}
		p.do("POST", kim+"/unsubscribe", "").must(200, `"status":"unsubscribed"`)
		p.do("POST", kim+"/unsubscribe", "").must(200, `"status":"unsubscribed"`)
		p.do("POST", "/subscribers", `{"email":"new@example.com","status":"active","consent":{"source":"x"}}`).refused(409, "exists")
		p.do("DELETE", where, "").must(204)
		p.get(where).refused(404, "not_found")

		sup := p.do("POST", "/suppressions", `{"email":"angry@example.com","reason":"complaint","evidence":"전화"}`).must(201, `"reason":"complaint"`).object()
		p.get("/suppressions?q=angry").must(200, `"evidence":"전화"`)
		p.do("POST", "/subscribers", `{"email":"angry@example.com"}`).refused(409, "suppressed")
		p.do("DELETE", fmt.Sprintf("/suppressions/%v", sup["id"]), "").must(204)
		p.do("POST", "/subscribers", `{"email":"angry@example.com"}`).must(201)
	})
}

func TestImportsThroughTheAPI(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *house) {
		p := h.program(t, newsletter.ScopeSubscribersWrite, newsletter.ScopeSubscribersRead)
		const file = "email,name\na@example.com,가\nbroken,나\n\"=cmd\",다\nb@example.com,라\na@example.com,마\n"
		fields := map[string]string{"as": "active", "consent_source": "Stibee 2024"}
		p.file("/imports", "1", "readers.csv", file, map[string]string{"as": "active"}).refused(422, "invalid", "consent_source")
		p.file("/imports", "2", "", "", fields).refused(422, "invalid", "file")
		p.file("/imports", "3", "readers.csv", file, map[string]string{"as": "everybody", "consent_source": "x"}).refused(422, "invalid", "as")
		p.file("/imports", "4", "readers.csv", file, map[string]string{"as": "active", "consent_source": "x", "dry_run": "perhaps"}).refused(422, "invalid", "dry_run")

		dry := p.file("/imports", "5", "readers.csv", file, map[string]string{"as": "active", "consent_source": "x", "dry_run": "true"}).must(202)
		p.get(strings.TrimPrefix(dry.header.Get("Location"), "/api/v1")).must(200, `"state":"done"`, `"dry_run":true`, `"created":2`)
		p.get("/subscribers").must(200, `"data":[]`)

		begun := p.file("/imports", "6", "readers.csv", file, fields).must(202, `"id":`)
		where := strings.TrimPrefix(begun.header.Get("Location"), "/api/v1")
		done := p.get(where).must(200, `"state":"done"`, `"rows":5`, `"created":2`, `"rejected":3`, `"file":"readers.csv"`).object()
		lines := p.get(strings.TrimPrefix(done["rejected_url"].(string), "/api/v1")).must(200, "line,value,reason\n3,broken,", "\n4,'=cmd,", "\n6,a@example.com,")
		if got := lines.header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") {
			t.Errorf("content disposition %q", got)
		}
		p.get("/subscribers?status=active").must(200, "a@example.com", "b@example.com")
		// The same form under another boundary is the same request.
		again := p.file("/imports", "6", "readers.csv", file, fields).must(202)
		if again.header.Get("Idempotency-Replayed") != "true" || again.text != begun.text {
			t.Errorf("the file was taken again: %s", again.text)
		}
		p.file("/imports", "6", "readers.csv", file+"c@example.com,바\n", fields).refused(422, "idempotency_key_reused")
		p.do("POST", "/imports", `{"as":"active"}`, "Idempotency-Key", "7").refused(415, "unsupported_media_type")
	})
}

func TestArticlesAndIssuesThroughTheAPI(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *house) {
		p := h.program(t, newsletter.ScopeAll)
		art := p.do("POST", "/articles", `{"title":"AI 반도체 지형도","summary":"요약","body":"## 시작\n\n본문","tags":["ai"]}`).must(201, `"slug":"ai-반도체-지형도"`, `"status":"draft"`)
		where := strings.TrimPrefix(art.header.Get("Location"), "/api/v1")
		if where != "/articles/"+url.PathEscape("ai-반도체-지형도") {
			t.Errorf("Location %s", where)
		}
		p.get(where).must(200, `"body":"## 시작\n\n본문"`)
		if a := p.get("/articles?status=draft&tag=ai").must(200, "ai-반도체-지형도"); strings.Contains(a.text, `"body"`) {
			t.Error("the list carries bodies")
		}
		tag := art.header.Get("ETag")
		changed := p.do("PATCH", where, `{"status":"published"}`, "If-Match", tag).must(200, `"status":"published"`, `"summary":"요약"`)
		p.do("PATCH", where, `{"title":"x"}`, "If-Match", tag).refused(412, "version")
		p.do("PATCH", where, `{"title":"x"}`, "If-Match", "W/"+changed.header.Get("ETag")).refused(412, "version")
		p.do("PATCH", where, `{"title":"새 제목"}`, "If-Match", `"99", `+changed.header.Get("ETag")).must(200, "새 제목")
		p.do("PATCH", where, `{"summary":""}`, "If-Match", "*").must(200, `"summary":""`)
		p.do("POST", "/articles", `{"title":"x","slug":"ai-반도체-지형도","body":"y"}`).refused(409, "exists")
		p.do("POST", "/articles", `{"title":"","body":""}`).refused(422, "invalid", "title", "body")

		made := p.do("POST", "/issues", `{"number":101,"subject":"이번 주","kind":"ad","sponsor":"협찬 글","without_ad_consent":"info_edition",
			"expires_at":"2026-12-31T00:00:00Z","uncertain":"hold","intro":"안녕하세요","outro":"또 만나요","articles":["ai-반도체-지형도"],
			"links":[{"url":"https://news.example.com/1","title":"소식","source":"예시일보","summary":"한 줄"}],
			"audience":{"tags":["vip"],"tags_mode":"all"}}`).must(201)
		issue := strings.TrimPrefix(made.header.Get("Location"), "/api/v1")
		p.get(issue).must(200, `"number":101`, `"sponsor":"협찬 글"`, `"without_ad_consent":"info_edition"`, `"expires_at":"2026-12-31T00:00:00Z"`, `"uncertain":"hold"`,
			`"tags_mode":"all"`, `"source":"예시일보"`, `"state":"draft"`)
		p.do("PATCH", issue, `{"kind":"info","sponsor":"","audience":{},"expires_at":null}`, "If-Match", made.header.Get("ETag")).
			must(200, `"kind":"info"`, `"expires_at":null`, `"outro":"또 만나요"`, `"audience":{}`)
		p.do("PATCH", issue, `{"subject":"x"}`, "If-Match", made.header.Get("ETag")).refused(412, "version")
		p.do("PATCH", issue, `{"subject":"x"}`, "If-Match", "garbage").refused(412, "version")
		p.do("POST", "/issues", `{"number":101,"subject":"x"}`).refused(409, "exists")
		p.do("POST", issue+"/check", "").must(200, `"code":"empty_audience"`)
		p.do("POST", issue+"/send", "", "Idempotency-Key", "nobody").must(422, "받을 사람이 없어요")
		p.do("POST", issue+"/test", `{"to":[]}`).refused(422, "invalid", "to")
		p.do("POST", issue+"/test", `{"to":["ok@example.com","nobody"]}`).refused(422, "invalid", "to[1]")
		p.do("POST", issue+"/test", `{"to":["me@example.com"]}`).must(202, `"queued":1`, "me@example.com")
		p.do("POST", issue+"/schedule", `{"at":"2020-01-01T00:00:00Z"}`).must(422)
		p.do("POST", issue+"/schedule", `{}`).refused(422, "invalid", "at")

		h.reader("reader@example.com")
		p.do("POST", issue+"/schedule", `{"at":"2026-12-01T22:30:00+09:00"}`).must(200, `"state":"scheduled"`, `"scheduled_at":"2026-12-01T13:30:00Z"`)
		p.do("PATCH", issue, `{"subject":"x"}`).refused(409, "state")
		p.do("POST", issue+"/cancel", "").must(200, `"state":"cancelled"`)
		p.do("DELETE", issue, "").refused(409, "state")

		past := p.do("POST", "/issues", `{"number":7,"subject":"지난 호","archived":true,"sent_at":"2024-05-01T00:00:00Z"}`).must(201, `"state":"done"`, `"archived":true`, `"sent_at":"2024-05-01T00:00:00Z"`)
		p.do("POST", strings.TrimPrefix(past.header.Get("Location"), "/api/v1")+"/send", "", "Idempotency-Key", "past").refused(409, "state")
	})
}

// The letters of an issue, as far as they go without a mailer: the gate and its settlement by hand.
func TestLettersThroughTheAPI(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		p := h.program(t, newsletter.ScopeAll)
		for _, name := range []string{"a", "b", "c"} {
			h.reader(name + "@example.com")
		}
		p.do("POST", "/issues", `{"subject":"보내는 호","intro":"안녕하세요"}`).must(201)
		sent := p.do("POST", "/issues/1/send", "", "Idempotency-Key", "send").must(202, `"number":1`)
		if got := sent.header.Get("Location"); got != "/api/v1/issues/1/progress" {
			t.Errorf("Location %q", got)
		}
		if again := p.do("POST", "/issues/1/send", "", "Idempotency-Key", "send").must(202); again.header.Get("Idempotency-Replayed") != "true" {
			t.Error("the send was not replayed")
		}
		p.do("POST", "/issues/1/send", "", "Idempotency-Key", "another").refused(409, "state")
		if err := h.svc.Advance(ctx); err != nil {
			t.Fatal(err)
		}
		p.get("/issues/1/progress").must(200, `"state":"sending"`, `"recipients":3`, `"queued":3`, `"alerts":[]`)
		p.get("/issues/1/deliveries").must(200, `"message_id":""`)
		node, err := h.store.RegisterNode(ctx, "test", h.clock.now())
		if err != nil {
			t.Fatal(err)
		}
		letters, err := h.store.ClaimDeliveries(ctx, node, 10, h.clock.now())
		if err != nil || len(letters) != 3 {
			t.Fatal(letters, err)
		}
		for n, state := range []newsletter.DeliveryState{newsletter.Sent, newsletter.Failed, newsletter.Uncertain} {
			if err := h.store.Gate(ctx, letters[n].Ticket, h.clock.now()); err != nil {
				t.Fatal(err)
			}
			code := map[newsletter.DeliveryState]int{newsletter.Sent: 250, newsletter.Failed: 554}[state]
			err := h.store.Settle(ctx, newsletter.Settlement{
				Ticket: letters[n].Ticket, State: state, Charge: true, Outcome: string(state), At: h.clock.now(), Relay: "mx.example.com:25",
				Reply: newsletter.Reply{Stage: newsletter.StageDot, Code: code, Text: "said so"},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		p.get("/issues/1/deliveries?state=sent").must(200, `"message_id":"<1.`, `@letter.example.com`)
		path := func(n int) string { return fmt.Sprintf("/deliveries/%d", letters[n].ID) }
		p.get(path(0)).must(200, `"attempt_log":[{`, `"code":250`, `"outcome":"sent"`, `"attempts":1`, `"issue":1`)
		p.do("POST", path(0)+"/resend", "").refused(409, "state")
		p.do("POST", path(0)+"/mark-sent", "").refused(409, "state")
		p.do("POST", path(1)+"/resend", `{"copy":true}`).refused(409, "state")
		p.do("POST", path(0)+"/resend", `{"copy":true}`).must(202, `"state":"sent"`)
		sendCopy(t, h, node, letters[0])
		p.get(path(0)).must(200, `"state":"sent"`, `"attempts":1`, `"outcome":"sent"`, `"outcome":"copy"`)
		p.do("POST", path(2)+"/mark-sent", "").must(200, `"state":"sent"`)
		p.get("/issues/1/report").must(200, `"recipients":3`, `"sent":2`, `"failed":1`, `"unsubscribed":0`)
		p.do("POST", "/issues/1/resend", `{"states":["sent"]}`).refused(422, "invalid", "states[0]")
		p.do("POST", "/issues/1/resend", `{"states":["failed"],"reasons":["nothing"]}`).must(202, `"queued":0`)
		p.do("POST", "/issues/1/resend", `{"states":["failed"]}`).must(202, `"queued":1`)
		p.do("POST", "/issues/1/pause", "").must(200, `"state":"paused"`)
		p.do("POST", "/issues/1/pause", "").refused(409, "state")
		p.do("POST", "/issues/1/resume", "").must(200, `"state":"sending"`)
		err = h.store.View(ctx, func(tx newsletter.Tx) error {
			broken, err := tx.Violations(ctx)
			if len(broken) > 0 {
				t.Error(broken)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestSettingsAndKeyThroughTheAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.program(t, newsletter.ScopeSettingsRead, newsletter.ScopeSettingsWrite)
	p.get("/settings").must(200, `"site_name":"테크잇슈"`, `"legal_phone":"02-000-0000"`, `"from":"letter@example.com"`)
	p.do("PATCH", "/settings", `{"tagline":"새 소개","author":"홍길동"}`).must(200, `"tagline":"새 소개"`, `"site_name":"테크잇슈"`)
	p.do("PATCH", "/settings", `{"tagline":"x","author":"a\u0000b"}`).refused(422, "invalid", "author")
	p.get("/settings").must(200, `"tagline":"새 소개"`)
	p.do("PATCH", "/settings", `{"tagline":""}`).must(200, `"tagline":"쉽고 친근한 IT 트렌드 레터"`)
	expires := h.clock.now().Add(time.Hour)
	key := program{t, p.base, h.key(t, expires, newsletter.ScopeLinksWrite)}
	key.get("/me").must(200, `"name":"program"`, `"scopes":["links:write"]`, `"expires_at":"`+expires.Format(time.RFC3339))
	if a := p.send("HEAD", "/api/v1/settings", nil, nil); a.status != http.StatusOK || a.text != "" {
		t.Errorf("HEAD: %d %q", a.status, a.text)
	}
}

func TestThePileOfLinks(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *house) {
		p := h.program(t, newsletter.ScopeLinksWrite)
		one := p.do("POST", "/links", `{"url":" https://news.example.com/1 ","title":"새 소식","source":"예시일보","summary":"한 줄"}`).must(201, `"url":"https://news.example.com/1"`).object()
		p.do("POST", "/links", `{"url":"https://news.example.com/1"}`).refused(409, "exists")
		p.do("POST", "/links", `{"url":"ftp://example.com/","title":"a\nb"}`).refused(422, "invalid", "url", "title")
		p.do("POST", "/links", `{"url":"https://example.com/`+strings.Repeat("a", 2000)+`"}`).refused(422, "invalid", "url")
		p.do("POST", "/links", `{}`).refused(422, "invalid", "url")
		p.do("POST", "/links", `{"url":"https://news.example.com/2?a=1&b=2"}`).must(201)
		p.get("/links?q=소식").must(200, `"source":"예시일보"`)
		p.do("DELETE", fmt.Sprintf("/links/%v", one["id"]), "").must(204)
		p.do("DELETE", fmt.Sprintf("/links/%v", one["id"]), "").refused(404, "not_found")
		p.do("DELETE", "/links?url="+url.QueryEscape("https://news.example.com/2?a=1&b=2"), "").must(204)
		p.do("DELETE", "/links", "").refused(422, "invalid", "url")
		p.get("/links").must(200, `"data":[]`)
	})
}

// An import whose process died does not run for ever.
func TestAnImportThatDied(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *house) {
		p := h.program(t, newsletter.ScopeSubscribersRead)
		i, err := h.svc.StartImport(t.Context(), "test", newsletter.ImportOptions{File: "x.csv", ConsentSource: "test"})
		if err != nil {
			t.Fatal(err)
		}
		path := fmt.Sprintf("/imports/%d", i.ID)
		p.get(path).must(200, `"state":"running"`, `"done_at":null`)
		h.clock.add(11 * time.Minute)
		p.get(path).must(200, `"state":"failed"`, "다시 가져오면")
	})
}

// sendCopy takes the copy of a letter through its gate, as a worker would.
func sendCopy(t *testing.T, h *house, node int64, letter newsletter.Claimed) {
	t.Helper()
	ctx := t.Context()
	singles, err := h.store.ClaimNotices(ctx, node, 100, h.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range singles {
		if c.Notice.Kind != newsletter.NoticeCopy {
			continue
		}
		if c.Edition != letter.Edition || c.Issue != letter.Issue || c.Subscriber != letter.Subscriber || c.Email != letter.Email ||
			c.Notice.Payload.Delivery != newsletter.DeliveryID(letter.ID) || !c.PreparedAt.Equal(letter.PreparedAt) {
			t.Errorf("the copy is not of the letter: %+v of %+v", c, letter)
		}
		if err := h.store.Gate(ctx, c.Ticket, h.clock.now()); err != nil {
			t.Fatal(err)
		}
		err := h.store.Settle(ctx, newsletter.Settlement{
			Ticket: c.Ticket, State: newsletter.Sent, Charge: true, Outcome: "sent", At: h.clock.now(),
			Reply: newsletter.Reply{Stage: newsletter.StageDot, Code: 250, Text: "again"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("no copy was queued")
}
