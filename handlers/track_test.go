package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"techissue/handlers"
	"techissue/newsletter"
)

// tracked is a house with one sent letter whose issue has one counted link; it gives the letter's two addresses.
func tracked(t *testing.T, change ...func(*handlers.Options)) (h *house, number int, click, open string) {
	t.Helper()
	h = newHouse(t, change...)
	ctx := t.Context()
	if _, err := h.svc.AddSubscriber(ctx, "admin:1", newsletter.NewSubscriber{
		Email: "reader@example.com", Status: newsletter.Active, ConsentSource: "시험", Via: "admin",
	}); err != nil {
		t.Fatal(err)
	}
	i, err := h.svc.CreateIssue(ctx, "admin:1", newsletter.Issue{Tracking: true, Content: newsletter.Content{
		Subject: "소식", Intro: "안녕하세요.", Links: []newsletter.RoundupLink{{URL: "https://news.example/a?b=1&c=%ED%95%9C", Title: "소식"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.SendIssue(ctx, "admin:1", i.Number, 0); err != nil {
		t.Fatal(err)
	}
	if err := h.svc.Advance(ctx); err != nil {
		t.Fatal(err)
	}
	letters, err := h.store.ClaimDeliveries(ctx, 1, 1, h.clock.now())
	if err != nil || len(letters) != 1 {
		t.Fatalf("claimed %v, %v", letters, err)
	}
	if err := h.store.Gate(ctx, letters[0].Ticket, h.clock.now()); err != nil {
		t.Fatal(err)
	}
	if err := h.store.Settle(ctx, newsletter.Settlement{
		Ticket: letters[0].Ticket, State: newsletter.Sent, Charge: true, Outcome: "sent", Reply: newsletter.Reply{Code: 250}, At: h.clock.now(),
	}); err != nil {
		t.Fatal(err)
	}
	h.clock.add(time.Hour)
	id := letters[0].ID
	return h, i.Number, "/l/" + h.keys.Sign(newsletter.PurposeClick, id, time.Time{}) + ".1", "/o/" + h.keys.Sign(newsletter.PurposeOpen, id, time.Time{}) + ".gif"
}

func (h *house) tally(number int) newsletter.Tally {
	h.t.Helper()
	if err := h.svc.FlushHits(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	r, err := h.svc.Report(h.t.Context(), number)
	if err != nil {
		h.t.Fatal(err)
	}
	return r.Tally
}

func TestTrackersCountAndLeadOn(t *testing.T) {
	t.Parallel()
	h, number, click, open := tracked(t)
	b := h.browser()
	for _, path := range []string{click, open} {
		b.do("HEAD", path, nil, nil)
	}
	if got := h.tally(number); got != (newsletter.Tally{}) {
		t.Fatalf("HEAD counted: %+v", got)
	}
	res := b.get(open).must(t, http.StatusOK)
	if res.Header.Get("Content-Type") != "image/gif" || !strings.HasPrefix(res.text, "GIF89a") || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the picture: %v", res.Header)
	}
	if got := h.tally(number); got.PeopleOpened != 1 || got.Clicked != 0 {
		t.Errorf("after the picture: %+v", got)
	}
	res = b.get(click).must(t, http.StatusFound)
	if to := res.Header.Get("Location"); to != "https://news.example/a?b=1&c=%ED%95%9C" {
		t.Errorf("leads to %q", to)
	}
	if res.Header.Get("Referrer-Policy") != "no-referrer" || len(b.cookies) != 0 {
		t.Errorf("the way on: %v, cookies %v", res.Header, b.cookies)
	}
	if got := h.tally(number); got.PeopleClicked != 1 {
		t.Errorf("after the click: %+v", got)
	}
	if log := h.log.String(); strings.Contains(log, click[3:]) || strings.Contains(log, open[3:]) {
		t.Error("a token is in the log")
	}
}

func TestTrackersKnowMachines(t *testing.T) {
	t.Parallel()
	for _, agent := range []string{"", "Mozilla/5.0", "Mozilla/5.0 (Windows NT 5.1) Firefox/11.0 (via ggpht.com GoogleImageProxy)", "YahooMailProxy; https://help.yahoo.com", "python-requests/2", "BarracudaCentral"} {
		h, number, click, open := tracked(t)
		b := h.browser()
		b.agent = agent
		b.get(click).must(t, http.StatusFound)
		b.get(open).must(t, http.StatusOK)
		if got := h.tally(number); got.Clicked != 1 || got.Opened != 1 || got.PeopleClicked != 0 || got.PeopleOpened != 0 {
			t.Errorf("%q: %+v", agent, got)
		}
	}
}

func TestTrackersRefuseWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	h, number, click, open := tracked(t)
	b := h.browser()
	for _, path := range []string{
		click + "x", click[:len(click)-1] + "2", click[:len(click)-2], click[:len(click)-1] + "https://evil.example", "/l/https://evil.example", "/l/%2F%2Fevil.example",
		"/l/%5C%5Cevil.example", "/l/%09//evil.example", "/l/x?url=https://evil.example", "/l/" + open[3:], "/o/" + click[3:] + ".gif", strings.TrimSuffix(open, ".gif"), "/o/x.gif", "/l/", "/o/",
	} {
		res := b.get(path)
		if res.StatusCode != http.StatusNotFound || res.Header.Get("Location") != "" {
			t.Errorf("%s: %d to %q", path, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if got := h.tally(number); got != (newsletter.Tally{}) {
		t.Errorf("counted all the same: %+v", got)
	}
}
