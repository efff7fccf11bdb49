package main_test

import (
	"net/url"
	"strings"
	"testing"

	"techissue/mailer/smtptest"
)

// A server forgets whoever never confirmed, by the clock of the house and by itself.
func TestStoryOfASignUpThatWasNeverConfirmed(t *testing.T) {
	t.Parallel()
	h := newClocked(t, smtptest.Config{})
	server := h.serve()
	status, body := h.post("/subscribe", url.Values{"email": {"never@example.com"}, "consent": {"on"}, "age14": {"on"}})
	if status != 303 {
		t.Fatalf("sign-up: %d %s", status, body)
	}
	listed := func() bool { return strings.Contains(h.run(0, "subscribers", "list", "--json"), "never@example.com") }
	h.until("the sign-up is kept", listed)
	h.move("169h")
	h.until("the sign-up is forgotten", func() bool { return !listed() })
	h.stop(server)
}
