package newsletter_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"techissue/newsletter"
)

func TestSlug(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, title, want string }{
		{"Hangul stays", "AI 강국 Top 3로 가는 길", "ai-강국-top-3로-가는-길"},
		{"decomposed Hangul is composed", norm.NFD.String("화수분 야구"), "화수분-야구"},
		{"signs become one hyphen", `  "화수분 야구"라는… (베어스)!! `, "화수분-야구-라는-베어스"},
		{"accents and full width", "Café Ｔｅｃｈ １２", "cafe-tech-12"},
		{"chat letters stay", "ㅋㅋ 그렇죠", "ㅋㅋ-그렇죠"},
		{"a filler is no letter", "\u3164", ""},
		{"nothing to keep", "!?… 漢字", ""},
		{"empty", "", ""},
		{"path tricks", "../../etc/passwd", "etc-passwd"},
		{"cut at a word", strings.Repeat("가", 40) + " " + strings.Repeat("나", 50), strings.Repeat("가", 40)},
		{"a word that just fits", strings.Repeat("가", 80) + " 나", strings.Repeat("가", 80)},
		{"one long word is cut hard", strings.Repeat("가", 100), strings.Repeat("가", 80)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := newsletter.Slug(tc.title)
			if got != tc.want {
				t.Errorf("Slug(%q) = %q, want %q", tc.title, got, tc.want)
			}
			if got != "" && !newsletter.ValidSlug(got) {
				t.Errorf("%q is no valid slug", got)
			}
		})
	}
}

func TestValidSlug(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"ai-top3": true, "화수분-야구": true, "3": true,
		"": false, "-a": false, "a-": false, "a--b": false, "A": false, "a b": false, "a/b": false, ".": false, "..": false, "a.b": false,
		norm.NFD.String("가"): false, strings.Repeat("a", 81): false, "a\x00": false, "%2e": false,
	} {
		if newsletter.ValidSlug(s) != want {
			t.Errorf("ValidSlug(%q) = %v", s, !want)
		}
	}
}

func FuzzSlug(f *testing.F) {
	for _, s := range []string{"화수분 야구", "Café", "ａ ﬁ Ǆ ㎏ ½", "각\u0301", "가\u11a8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, title string) {
		s := newsletter.Slug(title)
		if newsletter.Slug(s) != s || utf8.RuneCountInString(s) > 80 || strings.ContainsAny(s, "/\\.%?# \x00") {
			t.Fatalf("Slug(%+q) = %+q, again %+q", title, s, newsletter.Slug(s))
		}
	})
}
