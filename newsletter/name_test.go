package newsletter_test

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"techissue/newsletter"
)

func TestCleanName(t *testing.T) {
	t.Parallel()
	family := "👨\u200d👩\u200d👧"
	for _, tc := range []struct{ name, raw, want string }{
		{"none is fine", "", ""},
		{"blanks are none", " \t\u3000 ", ""},
		{"a Hangul filler is none", "\u3164\u115f\u1160\uffa0", ""},
		{"blanks around and between", "  김  철수\u3000씨 ", "김 철수 씨"},
		{"loose jamo are composed", norm.NFD.String("김철수"), "김철수"},
		{"zero widths are dropped", "김\u200b철\ufeff수\u2060", "김철수"},
		{"company", "(주)테크 & 이슈, Inc.", "(주)테크 & 이슈, Inc."},
		{"a name that is a domain", "Booking.com", "Booking.com"},
		{"marks stay", "José 👍🏽", "José 👍🏽"},
		{"64 characters", strings.Repeat("가", 64), strings.Repeat("가", 64)},
		{"64 decomposed characters", norm.NFD.String(strings.Repeat("각", 64)), strings.Repeat("각", 64)},
		{"slash without a dot", "기획/개발", "기획/개발"},
		{"joined emoji fall apart", family, "👨👩👧"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := newsletter.CleanName(tc.raw)
			if err != nil || got != tc.want {
				t.Errorf("CleanName(%+q) = %+q, %v; want %+q", tc.raw, got, err, tc.want)
			}
		})
	}
}

func TestCleanNameRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, raw string }{
		{"line feed", "김철수\nBcc: x@example.com"},
		{"carriage return at the end", "김철수\r"},
		{"NUL", "김\x00철수"},
		{"escape", "김\x1b[31m철수"},
		{"C1 control", "김\u0085철수"},
		{"line separator", "김\u2028철수"},
		{"direction override", "김\u202e철수"},
		{"isolate", "김\u2066철수"},
		{"direction mark", "김\u200f철수"},
		{"tag characters", "김철수\U000E0041\U000E0042"},
		{"variation selectors of the supplement", "김철수\U000E0101"},
		{"65 characters", strings.Repeat("가", 65)},
		{"a pile of marks", "a" + strings.Repeat("\u0301", 300)},
		{"link", "무료 http://spam.example"},
		{"link in full width", "ｈｔｔｐ：//spam"},
		{"www", "WWW.spam.example"},
		{"other scheme", "tel://spam"},
		{"link without a scheme", "지금 bit.ly/abc 클릭"},
		{"broken UTF-8", "김\xff"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := newsletter.CleanName(tc.raw)
			if newsletter.KindOf(err) != newsletter.Invalid || got != "" {
				t.Fatalf("CleanName(%+q) = %+q, %v; want Invalid", tc.raw, got, err)
			}
			if newsletter.FaultsOf(err)[0].Field != "name" {
				t.Errorf("the fault is in field %q", newsletter.FaultsOf(err)[0].Field)
			}
		})
	}
}

func TestCleanLine(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, raw, want string
		max             int
		ok              bool
	}{
		{"trimmed and composed", "  " + norm.NFD.String("화수분 야구") + " ", "화수분 야구", 100, true},
		{"inner blanks stay", "a  b", "a  b", 100, true},
		{"joined emoji stay", "👨\u200d👩\u200d👧 가족", "👨\u200d👩\u200d👧 가족", 4, true},
		{"as long as allowed", "가나다", "가나다", 3, true},
		{"no limit", strings.Repeat("가", 5000), strings.Repeat("가", 5000), 0, true},
		{"too long", "가나다라", "", 3, false},
		{"CRLF and a header", "제목\r\nBcc: x@example.com", "", 100, false},
		{"line feed at the end", "제목\n", "", 100, false},
		{"NUL", "제\x00목", "", 100, false},
		{"tab", "제\t목", "", 100, false},
		{"C1 next line", "제\u0085목", "", 100, false},
		{"DEL", "제\x7f목", "", 100, false},
		{"direction override", "제\u202e목", "", 100, false},
		{"broken UTF-8", "\xc3\x28", "", 100, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := newsletter.CleanLine(tc.raw, tc.max)
			if (err == nil) != tc.ok || got != tc.want {
				t.Errorf("CleanLine(%+q, %d) = %+q, %v", tc.raw, tc.max, got, err)
			}
			if !tc.ok && newsletter.KindOf(err) != newsletter.Invalid {
				t.Errorf("kind %v, want invalid", newsletter.KindOf(err))
			}
		})
	}
}

func TestCleanText(t *testing.T) {
	t.Parallel()
	got := newsletter.CleanText("가\r\n" + norm.NFD.String("나") + "\r\x00다\n\n\t\xffe")
	if want := "가\n나\n다\n\n\t\ufffde"; got != want {
		t.Errorf("got %+q, want %+q", got, want)
	}
}

func TestGraphemes(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{
		"": 0, "abc": 3, "가나다": 3, norm.NFD.String("각난닫"): 3, "e\u0301": 1, "👍🏽": 1, "👨\u200d👩\u200d👧": 1, "🇰🇷🇰🇷": 2, "🇰🇷a🇰🇷": 3,
		"❤\ufe0f!": 2, "\u0301": 1,
	} {
		if got := newsletter.Graphemes(s); got != want {
			t.Errorf("%+q has %d characters, want %d", s, got, want)
		}
	}
}
