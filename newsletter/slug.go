package newsletter

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const maxSlug = 80 // characters; percent-encoded Hangul makes nine bytes of each

// Slug makes the address of an article from its title: Hangul as it is (NFC, never romanised), Latin letters
// in lower case without accents, digits; everything else becomes one hyphen. It is at most 80 characters long,
// cut between words where there are any, and "" when the title has none of these letters: then the editor
// has to choose one. Slug(Slug(t)) == Slug(t).
func Slug(title string) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFC.String(title) {
		r, ok := slugRune(r)
		if !ok {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(r)
	}
	return cutAtWord(b.String(), maxSlug)
}

// slugRune gives the letter to keep, or false.
func slugRune(r rune) (rune, bool) {
	if hangul(r) {
		return r, true
	}
	if r >= utf8.RuneSelf { // é is an e, a full-width Ａ is an A
		r, _ = utf8.DecodeRuneInString(norm.NFKD.String(string(r)))
	}
	switch {
	case r >= 'A' && r <= 'Z':
		return r - 'A' + 'a', true
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return r, true
	}
	return 0, false
}

func cutAtWord(slug string, max int) string {
	if utf8.RuneCountInString(slug) <= max {
		return slug
	}
	runes := []rune(slug)
	whole := runes[max] == '-' // the limit falls between two words
	cut := string(runes[:max])
	if i := strings.LastIndexByte(cut, '-'); i > 0 && !whole {
		cut = cut[:i]
	}
	return strings.Trim(cut, "-")
}

// ValidSlug tells whether s can stand in an address as it is: it is what Slug would make of it.
func ValidSlug(s string) bool { return s != "" && s == Slug(s) }
