package newsletter

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Names and lines go into mail headers, pages and logs. Here is the one place that keeps
// line breaks, controls and invisible characters out of them (header injection, spoofed
// direction, hidden text), so that nothing later has to remember to.

const (
	maxName      = 64  // characters as people count them
	maxNameRunes = 192 // so that a pile of combining marks is no loophole
)

// CleanName makes a reader's or commenter's name fit to show: NFC, invisible characters dropped, runs of
// blanks made one. "" is a good answer: names are optional. Controls, text direction marks, tag characters,
// more than 64 characters and links are refused with an Invalid error of the field name; a link because the
// confirmation letter greets by name and would carry a stranger's advertising to anybody's address.
func CleanName(raw string) (string, error) {
	if !utf8.ValidString(raw) {
		return "", invalid("name", "이름을 읽을 수 없어요. 다시 적어 주세요.")
	}
	s := strings.Map(func(r rune) rune {
		switch {
		case invisible(r):
			return -1
		case r == '\t': // comes along from a table cell
			return ' '
		}
		return r
	}, norm.NFC.String(raw))
	if strings.ContainsFunc(s, forbiddenInLine) {
		return "", invalid("name", "이름에 쓸 수 없는 글자가 있어요. 줄바꿈이나 특수한 제어 문자를 지워 주세요.")
	}
	s = strings.Join(strings.Fields(s), " ")
	if Graphemes(s) > maxName || utf8.RuneCountInString(s) > maxNameRunes {
		return "", invalid("name", fmt.Sprintf("이름은 %d자까지 적을 수 있어요.", maxName))
	}
	if linkLike(s) {
		return "", invalid("name", "이름에는 링크를 적을 수 없어요.")
	}
	return norm.NFC.String(s), nil // dropping a character may have brought two together that compose
}

// linkLike finds what mail programs turn into a link, also when written in full-width letters. A bare
// "Booking.com" is a name; with a path behind it, it is a link.
func linkLike(s string) bool {
	s = strings.ToLower(norm.NFKC.String(s))
	for _, mark := range []string{"http", "www.", "://"} {
		if strings.Contains(s, mark) {
			return true
		}
	}
	for word := range strings.FieldsSeq(s) {
		host, _, path := strings.Cut(word, "/")
		if dot := strings.LastIndexByte(host, '.'); path && dot > 0 && dot < len(host)-1 {
			return true
		}
	}
	return false
}

// CleanLine makes text for a subject, a title or any header fit: NFC, no blanks around it, at most max
// characters (max 0: no limit). Line breaks, NUL, other controls and text direction marks are refused,
// not removed: whoever sends them does not mean a title. The caller names the Field of the error.
func CleanLine(raw string, max int) (string, error) {
	if !utf8.ValidString(raw) {
		return "", invalid("", "글자를 읽을 수 없어요. UTF-8로 보내 주세요.")
	}
	if strings.ContainsFunc(raw, forbiddenInLine) {
		return "", invalid("", "줄바꿈이나 제어 문자는 쓸 수 없어요. 한 줄로 적어 주세요.")
	}
	s := strings.TrimSpace(norm.NFC.String(raw))
	if max > 0 && (Graphemes(s) > max || utf8.RuneCountInString(s) > 3*max) {
		return "", invalid("", fmt.Sprintf("%s자까지 적을 수 있어요.", Thousands(int64(max))))
	}
	return s, nil
}

// CleanText makes a text of several lines fit to store: NFC, LF alone ends a line, no NUL (PostgreSQL cannot
// hold it) and no broken UTF-8. What the text means and how long it may be is not judged.
func CleanText(raw string) string {
	s := strings.ToValidUTF8(raw, "\uFFFD")
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(s)
	return norm.NFC.String(s)
}

// Graphemes counts characters nearly as people do: a letter with its marks, an emoji with its modifiers
// or joined ones, a flag, and a syllable of loose jamo are one each. It follows UAX 29 without its tables
// for Indic scripts and prepended marks.
func Graphemes(s string) int {
	n, flags := 0, 0
	var before rune
	for _, r := range s {
		extends := unicode.Is(unicode.M, r) || r == zeroWidthJoiner || r >= 0x1F3FB && r <= 0x1F3FF || // skin tones
			r >= 0x1160 && r <= 0x11FF || r >= 0xD7B0 && r <= 0xD7FB || // vowels and finals of loose jamo
			r >= 0xE0020 && r <= 0xE007F || // tags of regional flags
			before == zeroWidthJoiner && !unicode.IsLetter(r)
		if r >= 0x1F1E6 && r <= 0x1F1FF { // two regional indicators are a flag
			flags++
			extends = flags%2 == 0
		} else {
			flags = 0
		}
		if !extends || n == 0 {
			n++
		}
		before = r
	}
	return n
}

const zeroWidthJoiner = '\u200d'

// hangul tells a letter of the Korean script: syllables, and jamo of every block.
func hangul(r rune) bool {
	return unicode.Is(unicode.Hangul, r) && unicode.IsLetter(r) && !invisible(r)
}

// invisible characters take no room and mean nothing in a name: zero widths, soft hyphen, and the
// fillers of the Hangul blocks, which are letters to Unicode and pass for an empty name.
func invisible(r rune) bool {
	switch r {
	case 0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x200B, 0x200C, 0x200D, 0x2060, 0x2061, 0x2062,
		0x2063, 0x2064, 0x3164, 0xFEFF, 0xFFA0:
		return true
	}
	return false
}

// directional characters make text read another way than it is stored.
func directional(r rune) bool {
	return r == 0x200E || r == 0x200F || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x206F
}

// forbiddenInLine are the characters that no single line of ours may hold: C0 and C1 controls, line and
// paragraph separators, text direction marks, and the tag and variation characters that hide text.
func forbiddenInLine(r rune) bool {
	return unicode.IsControl(r) || r == 0x2028 || r == 0x2029 || directional(r) || r >= 0xFFF0 && r <= 0xFFFB ||
		r >= 0xE0000 && r <= 0xE0FFF
}

// hidden is everything that an eye does not see.
func hidden(r rune) bool { return invisible(r) || forbiddenInLine(r) }
