package main

import (
	"fmt"
	"testing"
)

// The check of an issue tells what is wrong with the sender's domain, and nothing of name servers that do not answer.
func TestSenderFaults(t *testing.T) {
	t.Parallel()
	cfg, _, err := loadConfig([]string{
		prefix + "DATA=" + t.TempDir(), prefix + "BASE_URL=https://letter.kr", prefix + "SMTP_URL=smtp://u:p@smtp.relay.kr:587", prefix + "FROM=letter@letter.kr", prefix + "LIST_ID=letter.kr",
	}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		z    zone
		want string
	}{
		"nothing there":           {zone{"letter.kr A": {"192.0.2.1"}}, "[spf dmarc]"},
		"all there":               {zone{"letter.kr TXT": {"v=spf1 include:relay.kr -all"}, "relay.kr TXT": {"v=spf1 -all"}, "_dmarc.letter.kr TXT": {"v=DMARC1; p=none"}}, "[]"},
		"everybody may send":      {zone{"letter.kr TXT": {"v=spf1 +all"}, "_dmarc.letter.kr TXT": {"v=DMARC1; p=none"}}, "[spf]"},
		"servers that are broken": {zone{"letter.kr TXT": {"!"}, "_dmarc.letter.kr TXT": {"!"}}, "[]"},
	} {
		d := newDoctor(cfg, nil)
		d.resolver = serveDNS(t, c.z)
		codes := []string{}
		for _, f := range senderFaults(t.Context(), d, "letter.kr", "letter.kr") {
			codes = append(codes, f.Code)
			if f.Level != "warn" || f.Text == "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if got := fmt.Sprint(codes); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
