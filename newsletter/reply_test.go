package newsletter_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"techissue/newsletter"
)

func TestParseEnhanced(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code           int
		text           string
		enhanced, rest string
	}{
		{550, "5.1.1 no such user", "5.1.1", "no such user"},
		{550, "5.1.1", "5.1.1", ""},
		{550, "5.1.1\n5.1.1 see https://x", "5.1.1", "5.1.1 see https://x"},
		{250, "2.0.0 Ok", "2.0.0", "Ok"},
		{450, "5.1.1 contradicts its code", "", "5.1.1 contradicts its code"},
		{550, "5.1 short", "", "5.1 short"},
		{550, "5.1.1234 long", "", "5.1.1234 long"},
		{550, "5..1 empty", "", "5..1 empty"},
		{550, "5.a.1 letters", "", "5.a.1 letters"},
		{550, "55.1.1 class", "", "55.1.1 class"},
		{550, "", "", ""},
	}
	for _, tt := range tests {
		if e, rest := newsletter.ParseEnhanced(tt.code, tt.text); e != tt.enhanced || rest != tt.rest {
			t.Errorf("ParseEnhanced(%d, %q) = %q, %q; want %q, %q", tt.code, tt.text, e, rest, tt.enhanced, tt.rest)
		}
	}
}

func TestCleanReplyLeavesNothingDangerous(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"plain", "plain"},
		{"  two\r\nlines \t here ", "two lines here"},
		{"\x1b[31mred\x1b[0m\x07", "[31mred[0m"},
		{"nul\x00, c1 \u009b31m, del\x7f", "nul, c1 31m, del"},
		{"\u202egnp.exe\u200b", "gnp.exe"},
		{"broken \xff\xfe bytes", "broken \uFFFD\uFFFD bytes"},
		{"사용자 없음", "사용자 없음"},
		{"<b>stays, pages escape</b>", "<b>stays, pages escape</b>"},
	}
	for _, tt := range tests {
		if got := newsletter.CleanReply(tt.in); got != tt.want {
			t.Errorf("CleanReply(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	for _, long := range []string{strings.Repeat("가나", 1000), strings.Repeat("x", 1000), strings.Repeat("\xff", 1000)} {
		got := newsletter.CleanReply(long)
		if len(got) > newsletter.MaxReplyText || len(got) < newsletter.MaxReplyText-3 || !utf8.ValidString(got) {
			t.Errorf("CleanReply of %d bytes kept %d, valid %v", len(long), len(got), utf8.ValidString(got))
		}
	}
}

func TestRelayID(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"Ok: queued as 4XyZ1k2", "4XyZ1k2"},
		{"OK id=1r2s3t-000abc-X1", "1r2s3t-000abc-X1"},
		{"Ok 0109018f5c-uuid-000000", "0109018f5c-uuid-000000"},
		{"OK  1700000000 d9443c01a7336-1d0 - gsmtp", "d9443c01a7336-1d0"},
		{"OK <20260101.abc@relay>", "20260101.abc@relay"},
		{"message accepted", ""},
		{"Ok", ""},
		{"OK thank you", ""},
		{"Ok: queued as", ""},
		{"", ""},
	}
	for _, tt := range tests {
		if got := newsletter.RelayID(tt.text); got != tt.want {
			t.Errorf("RelayID(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}
