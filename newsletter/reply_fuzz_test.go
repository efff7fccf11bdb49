package newsletter_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"techissue/newsletter"
)

var enhanced = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}$`)

// Whatever a mail server says, what we keep of it can be stored by both engines, logged on one line and printed; it is judged, and cleaning
// it again changes nothing.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"5.1.1 no such user", "5.1.1\nmore", "4.7.0 try\r\nagain", "\x1b[31mred", "OK id=1a-b", "2.0.0 Ok: queued as 4XyZ", "OK 1700000000 d9443c01a7336 - gsmtp",
		"queued as " + strings.Repeat("가", 100), "\u202eevil", "<script>", strings.Repeat("\xff", 600), "OK", "ok, " + strings.Repeat("1가", 90),
	} {
		f.Add(250, s, "dot")
		f.Add(550, s, "rcpt")
		f.Add(0, s, "greeting")
	}
	actions := map[newsletter.Action]bool{
		newsletter.ActSent: true, newsletter.ActRetry: true, newsletter.ActFail: true, newsletter.ActRequeue: true, newsletter.ActPause: true, newsletter.ActUncertain: true,
	}
	f.Fuzz(func(t *testing.T, code int, text, stage string) {
		r := newsletter.NewReply(newsletter.Stage(stage), code, text)
		id := newsletter.RelayID(r.Text)
		for what, s := range map[string]string{"text": r.Text, "relay id": id, "enhanced": r.Enhanced} {
			if !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) }) {
				t.Fatalf("%s of %q is %q", what, text, s)
			}
		}
		if len(r.Text) > newsletter.MaxReplyText || len(id) > 200 || strings.ContainsAny(id, " <>") {
			t.Fatalf("%d bytes of text, id %q", len(r.Text), id)
		}
		if again := newsletter.CleanReply(r.Text); again != r.Text {
			t.Fatalf("%q, cleaned again, is %q", r.Text, again)
		}
		if r.Enhanced != "" && (!enhanced.MatchString(r.Enhanced) || int(r.Enhanced[0]-'0') != code/100) {
			t.Fatalf("code %d with the status %q", code, r.Enhanced)
		}
		v := newsletter.Classify(r)
		if !actions[v.Action] {
			t.Fatalf("%+v is answered by %+v", r, v)
		}
		if v.Action == newsletter.ActSent && (code < 200 || code > 299) {
			t.Fatalf("%+v counts as sent", r)
		}
	})
}
