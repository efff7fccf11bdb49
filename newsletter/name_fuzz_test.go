package newsletter_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"techissue/newsletter"
)

// hostile are runes that deceive the eye or break a header; S24, S42.
func hostile(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r >= 0xE0000 && r <= 0xE007F
}

// A name or a title that is accepted can stand in a header and on a page, and is accepted again unchanged.
func FuzzNames(f *testing.F) {
	for _, s := range []string{
		"홍길동", "김\u202e철수", "a\r\nBcc: x@e.kr", "a\x00b", "\u1112\u1169\u11bc", "ㅎ\u200b길동", strings.Repeat("가", 65), "👨‍👩‍👧‍👦 가족", "e\u0301", "\xff", "https://spam.example",
		"＝cmd", "a\u0085b", "\U000E0041", "http．example", "a\u2028b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if name, err := newsletter.CleanName(raw); err == nil {
			if !utf8.ValidString(name) || strings.ContainsFunc(name, hostile) || !norm.NFC.IsNormalString(name) || newsletter.Graphemes(name) > 64 || strings.TrimSpace(name) != name {
				t.Fatalf("%q was accepted as the name %q", raw, name)
			}
			if again, err := newsletter.CleanName(name); err != nil || again != name {
				t.Fatalf("%q became %q, which becomes %q, %v", raw, name, again, err)
			}
		} else if newsletter.KindOf(err) != newsletter.Invalid || newsletter.FaultsOf(err)[0].Msg == "" {
			t.Fatalf("%q: %v", raw, err)
		}
		if line, err := newsletter.CleanLine(raw, 200); err == nil {
			if !utf8.ValidString(line) || strings.ContainsFunc(line, hostile) || strings.TrimSpace(line) != line {
				t.Fatalf("%q was accepted as the line %q", raw, line)
			}
			if again, err := newsletter.CleanLine(line, 200); err != nil || again != line {
				t.Fatalf("%q became %q, which becomes %q, %v", raw, line, again, err)
			}
		}
		text := newsletter.CleanText(raw)
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\r\x00") || newsletter.CleanText(text) != text {
			t.Fatalf("%q became the text %q", raw, text)
		}
		if got := newsletter.Honorific(raw); got == "" {
			t.Fatalf("%q is greeted by nothing", raw)
		}
	})
}
