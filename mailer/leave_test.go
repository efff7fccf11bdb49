package mailer_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

// A letter offers to leave by mail only where something reads it; the web address stays the first (RFC 8058 §3.1).
func TestLeavingByMailIsOfferedWhereItIsRead(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"":                  "",
		"Bounce.example.kr": "mailto:u+{token}@bounce.example.kr?subject=unsubscribe",
		"letter@example.kr": "mailto:letter@example.kr?subject=u%2B{token}",
	} {
		e := edition()
		e.Snapshot.House.MailLeave = to
		l := letters(t, nil)
		out, err := l.ComposeDelivery(t.Context(), claimed, e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := l.ComposeDelivery(t.Context(), claimed, e)
		if err != nil || string(again.Data) != string(out.Data) {
			t.Fatalf("a second render differs: %v", err)
		}
		m, _, _ := readLetter(t, out.Data)
		first, second, _ := strings.Cut(m.Header.Get("List-Unsubscribe"), ", ")
		token := strings.TrimSuffix(strings.TrimPrefix(first, "<https://letter.example.kr/u/"), ">")
		if _, err := l.Keys().Verify(newsletter.PurposeUnsubscribe, token, time.Time{}); err != nil {
			t.Errorf("the first address is %s: %v", first, err)
		}
		if want != "" {
			want = "<" + strings.ReplaceAll(want, "{token}", token) + ">"
		}
		if second != want {
			t.Errorf("with %q the second address is %s, want %s", to, second, want)
		}
		if to == "letter@example.kr" { // as a mail program fills its subject in
			u, err := url.Parse(strings.Trim(second, "<>"))
			if err != nil {
				t.Fatal(err)
			}
			for _, subject := range []string{u.Query().Get("subject"), strings.ReplaceAll(u.Query().Get("subject"), "+", " ")} {
				if got, ok := newsletter.LeaveToken(subject); !ok || got != token {
					t.Errorf("the subject %q carries %q", subject, got)
				}
			}
		}
	}
}
