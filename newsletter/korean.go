package newsletter

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// DateShort is a day as lists show it: 2026.11.23. "" for the zero time.
func DateShort(t time.Time, loc *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(loc).Format("2006.01.02")
}

// DateLong is a day as prose says it: 2026년 11월 23일. "" for the zero time.
func DateLong(t time.Time, loc *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(loc).Format("2006년 1월 2일")
}

// DateTime is a moment in full: 2026년 11월 23일 (월) 오전 8:00. "" for the zero time.
func DateTime(t time.Time, loc *time.Location) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(loc)
	weekday := []string{"일", "월", "화", "수", "목", "금", "토"}[t.Weekday()]
	return fmt.Sprintf("%s (%s) %s", DateLong(t, loc), weekday, clock(t))
}

// clock counts like a Korean watch: midnight is 오전 12:00, noon 오후 12:00.
func clock(t time.Time) string {
	half := "오전"
	if t.Hour() >= 12 {
		half = "오후"
	}
	return fmt.Sprintf("%s %d:%02d", half, (t.Hour()+11)%12+1, t.Minute())
}

// Ago tells how far t is from now, either way, if it is less than seven days; beyond that it is DateShort. Days are
// those of the calendar in loc.
func Ago(t, now time.Time, loc *time.Location) string {
	if t.IsZero() {
		return ""
	}
	gap, side := now.Sub(t), "전"
	if gap < 0 {
		gap, side = -gap, "뒤"
	}
	days := calendarDays(t, now, loc)
	switch {
	case gap < time.Minute && side == "전":
		return "방금 전"
	case gap < time.Minute:
		return "곧"
	case gap < time.Hour:
		return fmt.Sprintf("%d분 %s", gap/time.Minute, side)
	case days == 0, gap < 6*time.Hour: // late in the evening is not yet 어제
		return fmt.Sprintf("%d시간 %s", gap/time.Hour, side)
	case days == 1:
		return "어제"
	case days == -1:
		return "내일"
	case -7 < days && days < 7:
		return fmt.Sprintf("%d일 %s", max(days, -days), side)
	}
	return DateShort(t, loc)
}

// calendarDays counts midnights from t to now.
func calendarDays(t, now time.Time, loc *time.Location) int {
	midnight := func(t time.Time) time.Time {
		y, m, d := t.In(loc).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	return int(midnight(now).Sub(midnight(t)) / (24 * time.Hour))
}

// Thousands groups digits: 1,234.
func Thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Percent is part of whole with one decimal: 42.3%. It says 100.0% only of the whole, 0.0% only of nothing, and a
// dash when there is no whole.
func Percent(part, whole int64) string {
	if whole <= 0 {
		return "–"
	}
	p := float64(part) / float64(whole) * 100
	if part < whole {
		p = min(p, 99.9)
	}
	if part > 0 {
		p = max(p, 0.1)
	}
	return strconv.FormatFloat(p, 'f', 1, 64) + "%"
}

// Honorific greets: 이름님, or 독자님 who gave no name.
func Honorific(name string) string {
	name = strings.TrimSpace(name)
	if name == "" {
		return "독자님"
	}
	return strings.TrimSuffix(name, "님") + "님"
}

// sound is how a word ends, as far as particles care.
type sound int

const (
	soundUnsure sound = iota
	soundOpen         // a vowel
	soundClosed       // a consonant
	soundRieul        // ㄹ, which 으로 treats like a vowel
)

// Josa returns the word with the particle that its last sound asks for: Josa("화수분", "을/를") is 화수분을. The form
// behind a consonant stands first in the pair: 을/를, 이/가, 은/는, 과/와, 으로/로. Where a foreign word leaves it
// open, both are written: 을(를), (으)로.
func Josa(word, pair string) string {
	behind, plain, _ := strings.Cut(pair, "/")
	switch lastSound(word) {
	case soundOpen:
		return word + plain
	case soundRieul:
		if pair == "으로/로" {
			return word + plain
		}
		return word + behind
	case soundClosed:
		return word + behind
	}
	if pair == "으로/로" {
		return word + "(으)로"
	}
	return word + behind + "(" + plain + ")"
}

// lastSound looks through closing quotes and brackets at the last letter or digit.
func lastSound(word string) sound {
	word = strings.TrimRightFunc(norm.NFC.String(word), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if word == "" {
		return soundUnsure
	}
	runes := []rune(word)
	r := runes[len(runes)-1]
	switch {
	case r >= '가' && r <= '힣':
		switch (r - '가') % 28 {
		case 0:
			return soundOpen
		case 8:
			return soundRieul
		}
		return soundClosed
	case r >= '0' && r <= '9': // 영 일 이 삼 사 오 육 칠 팔 구; 십, 백, 천 and 만 are closed like 영
		return []sound{
			soundClosed, soundRieul, soundOpen, soundClosed, soundOpen, soundOpen, soundClosed, soundRieul, soundRieul, soundOpen,
		}[r-'0']
	}
	return latinSound(word)
}

// latinSound reads abbreviations (AI, IBM) by the names of their letters and guesses at words.
func latinSound(word string) sound {
	start := len(word)
	for start > 0 && (word[start-1]|0x20 >= 'a' && word[start-1]|0x20 <= 'z') {
		start--
	}
	tail := word[start:]
	if tail == "" {
		return soundUnsure
	}
	last := tail[len(tail)-1]
	if len(tail) <= 4 && tail == strings.ToUpper(tail) {
		switch last {
		case 'L', 'R':
			return soundRieul
		case 'M', 'N':
			return soundClosed
		}
		return soundOpen
	}
	tail = strings.ToLower(tail)
	switch {
	case strings.HasSuffix(tail, "l"), strings.HasSuffix(tail, "le"):
		return soundRieul
	case strings.HasSuffix(tail, "m"), strings.HasSuffix(tail, "n"), strings.HasSuffix(tail, "ng"):
		return soundClosed
	case strings.ContainsAny(tail[len(tail)-1:], "aiouy"):
		return soundOpen
	}
	return soundUnsure
}

// AdLabel begins the subject of every advertising letter (정보통신망법 시행령 별표 6): exactly so, at the very start.
const AdLabel = "(광고)"

// HasAdLabel tells whether the subject begins with the label as the law writes it.
func HasAdLabel(subject string) bool { return strings.HasPrefix(subject, AdLabel) }

// A look-alike reads 광고 to a person and something else to a filter. Each pattern sees the subject in NFKC
// without invisible characters, so full-width and decomposed spellings have become the plain one.
var adLookAlikes = []*regexp.Regexp{
	regexp.MustCompile(`^\W*[\p{Ps}\p{Pi}<|"']\s*(?:광[\s\p{P}\p{S}]*고|廣\s*告|広\s*告)\s*[\p{Pe}\p{Pf}>|"']`), // [광고], (광/고), 〈 광 고 〉
	regexp.MustCompile(`^\s*광\s*고\s*[\p{Pe}\p{Pf}>:|]`),                                                   // 광고), 광고:
	regexp.MustCompile(`^[^\pL\pN]*광\s*[\p{P}\p{S}]+\s*고(?:[^\pL]|$)`),                                    // 광/고
	regexp.MustCompile(`[\p{Ps}\p{Pi}<]\s*광[\s\p{P}\p{S}]*고\s*[\p{Pe}\p{Pf}>]\s*$`),                       // … (광고) at the end
}

// LooksLikeAdLabel tells whether the subject carries something meant to be read as the label without being it:
// (광/고), [광고], （광고）, with a blank in front, with zero-width characters, in decomposed letters, or at the end. A
// subject with the right label at its start does not, and neither does one that speaks of 광고 in words.
func LooksLikeAdLabel(subject string) bool {
	if HasAdLabel(subject) {
		return false
	}
	plain := norm.NFKC.String(strings.Map(func(r rune) rune {
		if hidden(r) {
			return -1
		}
		return r
	}, subject))
	return slices.ContainsFunc(adLookAlikes, func(p *regexp.Regexp) bool { return p.MatchString(plain) })
}

// Prices in 원 up to the tens of thousands are what is for sale; 억 and 조 are news.
var adWords = regexp.MustCompile(`(?i)할인|쿠폰|특가|최저가|반값|세일(?:즈)?|프로모션|경품|사은품|증정|협찬|스폰서|유료\s?광고|캐시백|적립금|무료\s?체험|얼리버드|선착순` +
	`|\d[\d,.]*\s?(?:천|만)?\s?원|₩\s?\d[\d,]*|\bsponsor(?:ed|s)?\b|\bcoupons?\b|\bdiscounts?\b|\bpromo(?:tion)?\s?codes?\b`)

// AdWords lists, each once and in order, the words of price, coupon and sponsor that make a reader, or the
// authority, ask whether an issue called 정보 is not advertising. It is a warning's evidence, no verdict.
func AdWords(text string) []string {
	var found []string
	for _, w := range adWords.FindAllString(norm.NFC.String(text), -1) {
		if w == "세일즈" { // sales, the trade
			continue
		}
		if !slices.Contains(found, w) {
			found = append(found, w)
		}
	}
	return found
}
