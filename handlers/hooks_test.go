package handlers_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"techissue/handlers"
	"techissue/mailer/feedback"
	"techissue/newsletter"
)

const hookSecret = "a-secret-of-sixteen-characters"

// hooked is a house that takes providers' notices.
func hooked(t *testing.T) *house {
	t.Helper()
	return newHouse(t, func(o *handlers.Options) {
		hooks := &feedback.Hooks{
			Intake: feedback.Intake{Taker: o.Service, House: func(context.Context) (feedback.House, error) { return feedback.House{}, nil }},
			Store:  o.Service, Now: o.Now, Log: o.Log, Tokens: []string{hookSecret}, Mailgun: "key",
		}
		o.Feedback = hooks.Take
	})
}

func TestProviderNoticesComeIn(t *testing.T) {
	t.Parallel()
	h := hooked(t)
	h.reader("a@example.com")
	b := h.browser()
	bounce := `{"RecordType":"Bounce","ID":1,"Type":"HardBounce","MessageID":"x","Details":"smtp;550 5.1.1 no such user","Email":"a@example.com"}`
	from := http.Header{"Content-Type": {"application/json"}, "Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://elsewhere.example"}}
	post := func(path, body string, want int) answer {
		t.Helper()
		a := b.do("POST", path, strings.NewReader(body), from)
		if a.StatusCode != want {
			t.Errorf("POST %s: %d %s, want %d", path, a.StatusCode, a.text, want)
		}
		return a
	}
	if a := post("/hooks/feedback/postmark/"+hookSecret, bounce, 200); a.text != "{\"status\":\"ok\"}\n" || a.Header.Get("Set-Cookie") != "" {
		t.Errorf("answered %q with %v", a.text, a.Header)
	}
	post("/hooks/feedback/postmark/"+hookSecret+"x", bounce, 404)
	post("/hooks/feedback/sparkpost/"+hookSecret, bounce, 404)
	post("/hooks/feedback/postmark/"+hookSecret, "{", 422)
	post("/hooks/feedback/mailgun/"+hookSecret, `{"signature":{"timestamp":"1","token":"t","signature":"00"}}`, 401)
	post("/hooks/feedback/sendgrid/"+hookSecret, "[]", 503) // its key is not set: it comes again
	post("/hooks/feedback/postmark/"+hookSecret, fmt.Sprintf(`{"RecordType":"%s"}`, strings.Repeat("x", 1<<20)), 413)
	b.get("/hooks/feedback/postmark/"+hookSecret).must(t, http.StatusMethodNotAllowed)
	if log, _, err := h.svc.FeedbackLog(t.Context(), "", 0, 9); err != nil || len(log) != 1 || log[0].Outcome != newsletter.FeedbackStranger {
		t.Errorf("the log is %+v, %v", log, err)
	}
	if strings.Contains(h.log.String(), hookSecret) {
		t.Error("the secret stands in the log")
	}
	closed := newHouse(t)
	closed.browser().do("POST", "/hooks/feedback/postmark/"+hookSecret, strings.NewReader(bounce), from).must(t, http.StatusNotFound)
}
