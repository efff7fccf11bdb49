package newsletter_test

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"techissue/newsletter"
)

var seoul = time.FixedZone("KST", 9*60*60)

func TestDates(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at                time.Time
		short, long, full string
	}{
		{time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC), "2026.11.23", "2026년 11월 23일", "2026년 11월 23일 (월) 오전 8:00"},
		{time.Date(2026, 1, 2, 15, 5, 0, 0, time.UTC), "2026.01.03", "2026년 1월 3일", "2026년 1월 3일 (토) 오전 12:05"},
		{time.Date(2026, 3, 1, 3, 30, 0, 0, time.UTC), "2026.03.01", "2026년 3월 1일", "2026년 3월 1일 (일) 오후 12:30"},
		{time.Date(2026, 3, 1, 14, 59, 0, 0, time.UTC), "2026.03.01", "2026년 3월 1일", "2026년 3월 1일 (일) 오후 11:59"},
		{time.Time{}, "", "", ""},
	} {
		if got := newsletter.DateShort(tc.at, seoul); got != tc.short {
			t.Errorf("%v: short %q, want %q", tc.at, got, tc.short)
		}
		if got := newsletter.DateLong(tc.at, seoul); got != tc.long {
			t.Errorf("%v: long %q, want %q", tc.at, got, tc.long)
		}
		if got := newsletter.DateTime(tc.at, seoul); got != tc.full {
			t.Errorf("%v: full %q, want %q", tc.at, got, tc.full)
		}
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, seoul)
	for _, tc := range []struct {
		gap  time.Duration
		want string
	}{
		{0, "방금 전"}, {59 * time.Second, "방금 전"}, {time.Minute, "1분 전"}, {59 * time.Minute, "59분 전"}, {time.Hour, "1시간 전"},
		{10 * time.Hour, "10시간 전"}, {11 * time.Hour, "어제"}, {34 * time.Hour, "어제"}, {35 * time.Hour, "2일 전"},
		{6 * 24 * time.Hour, "6일 전"}, {7*24*time.Hour - time.Minute, "2026.11.16"}, {7 * 24 * time.Hour, "2026.11.16"},
		{-30 * time.Second, "곧"}, {-5 * time.Minute, "5분 뒤"}, {-3 * time.Hour, "3시간 뒤"}, {-24 * time.Hour, "내일"}, {-72 * time.Hour, "3일 뒤"},
		{-30 * 24 * time.Hour, "2026.12.23"},
	} {
		if got := newsletter.Ago(now.Add(-tc.gap).UTC(), now.UTC(), seoul); got != tc.want {
			t.Errorf("%v ago is %q, want %q", tc.gap, got, tc.want)
		}
	}
	night := time.Date(2026, 11, 23, 0, 30, 0, 0, seoul)
	if got := newsletter.Ago(night.Add(-2*time.Hour), night, seoul); got != "2시간 전" {
		t.Errorf("two hours ago across midnight is %q", got)
	}
	if got := newsletter.Ago(time.Time{}, now, seoul); got != "" {
		t.Errorf("never is %q", got)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", 1234: "1,234", 1234567: "1,234,567", -1: "-1", -999: "-999", -123456: "-123,456",
		-9223372036854775808: "-9,223,372,036,854,775,808",
	} {
		if got := newsletter.Thousands(n); got != want {
			t.Errorf("Thousands(%d) = %q, want %q", n, got, want)
		}
	}
	for _, tc := range []struct {
		part, whole int64
		want        string
	}{
		{423, 1000, "42.3%"}, {0, 10, "0.0%"}, {10, 10, "100.0%"}, {99999, 100000, "99.9%"}, {1, 100000, "0.1%"}, {1, 3, "33.3%"}, {0, 0, "–"}, {5, 0, "–"},
	} {
		if got := newsletter.Percent(tc.part, tc.whole); got != tc.want {
			t.Errorf("Percent(%d, %d) = %q, want %q", tc.part, tc.whole, got, tc.want)
		}
	}
}

func TestHonorific(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "독자님", "  ": "독자님", "김철수": "김철수님", " 김철수 ": "김철수님", "김철수님": "김철수님", "Kim": "Kim님"} {
		if got := newsletter.Honorific(name); got != want {
			t.Errorf("Honorific(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestJosa(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ word, pair, want string }{
		{"화수분", "을/를", "화수분을"}, {"야구", "을/를", "야구를"}, {"독자", "이/가", "독자가"}, {"편집장", "이/가", "편집장이"},
		{norm.NFD.String("화수분"), "은/는", norm.NFD.String("화수분") + "은"},
		{"서울", "으로/로", "서울로"}, {"부산", "으로/로", "부산으로"}, {"제주", "으로/로", "제주로"}, {"서울", "을/를", "서울을"},
		{"12호", "와/과", "12호과"}, // the closed form stands first, always
		{"1", "을/를", "1을"}, {"2", "을/를", "2를"}, {"10", "으로/로", "10으로"}, {"8", "으로/로", "8로"},
		{"AI", "을/를", "AI를"}, {"IBM", "을/를", "IBM을"}, {"SQL", "으로/로", "SQL로"}, {"Gmail", "이/가", "Gmail이"}, {"Apple", "은/는", "Apple은"},
		{"NVIDIA", "이/가", "NVIDIA가"}, {"Amazon", "과/와", "Amazon과"}, {"Slack", "을/를", "Slack을(를)"}, {"Slack", "으로/로", "Slack(으)로"},
		{"‘화수분 야구’", "을/를", "‘화수분 야구’를"}, {"두산(베어스)", "은/는", "두산(베어스)는"}, {"네이버AI", "은/는", "네이버AI는"},
		{"", "을/를", "을(를)"}, {"!?", "이/가", "!?이(가)"}, {"日本", "을/를", "日本을(를)"},
	} {
		if got := newsletter.Josa(tc.word, tc.pair); got != tc.want {
			t.Errorf("Josa(%q, %q) = %q, want %q", tc.word, tc.pair, got, tc.want)
		}
	}
}

func TestAdLabel(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		subject      string
		label, alike bool
	}{
		{"(광고) 가을 특가", true, false},
		{"(광고)가을 특가", true, false},
		{"(광/고) 가을", false, true},
		{"(광.고) 가을", false, true},
		{"(광 고) 가을", false, true},
		{"( 광고 ) 가을", false, true},
		{"[광고] 가을", false, true},
		{"【광고】 가을", false, true},
		{"〈광고〉 가을", false, true},
		{"<광고> 가을", false, true},
		{"{광고} 가을", false, true},
		{"“광고” 가을", false, true},
		{"（광고） 가을", false, true},
		{"﹙광고﹚ 가을", false, true},
		{" (광고) 가을", false, true},
		{"\u200b(광고) 가을", false, true},
		{"(광\u200b고) 가을", false, true},
		{"(광\u00ad고) 가을", false, true},
		{"(\u202e광고) 가을", false, true},
		{norm.NFD.String("(광고) 가을"), false, true},
		{"★(광고) 가을", false, true},
		{"((광고)) 가을", false, true},
		{"[(광고)] 가을", false, true},
		{"광고) 가을", false, true},
		{"광고: 가을", false, true},
		{"광/고 가을", false, true},
		{"가을 특가 (광고)", false, true},
		{"가을 특가 [광고] ", false, true},
		{"(廣告) 가을", false, true},
		{"", false, false},
		{"광고 시장은 어디로 가나", false, false},
		{"(광고 시장) 전망", false, false},
		{"[광고주] 인터뷰", false, false},
		{"구글, 검색 광고 매출 발표", false, false},
		{"구글, 애플·메타와 광고 전쟁", false, false},
		{"관광·고속버스 소식", false, false},
		{"화수분 야구", false, false},
	} {
		if got := newsletter.HasAdLabel(tc.subject); got != tc.label {
			t.Errorf("HasAdLabel(%+q) = %v", tc.subject, got)
		}
		if got := newsletter.LooksLikeAdLabel(tc.subject); got != tc.alike {
			t.Errorf("LooksLikeAdLabel(%q) = %v", tc.subject, got)
		}
	}
}

func TestAdWords(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text string
		want []string
	}{
		{"화수분 야구라는 말이 있어요. 매출은 3조 원, 영업이익은 500억원이에요.", nil},
		{"세일즈 조직과 원칙, 1원칙주의", []string{"1원"}},
		{"지금 30% 할인 쿠폰으로 9,900원, 정가 3만 원", []string{"할인", "쿠폰", "9,900원", "3만 원"}},
		{norm.NFD.String("협찬") + " 협찬 · Sponsored by X, promo code", []string{"협찬", "Sponsored", "promo code"}},
		{"₩12,000 무료체험", []string{"₩12,000", "무료체험"}},
	} {
		if got := newsletter.AdWords(tc.text); !slices.Equal(got, tc.want) {
			t.Errorf("AdWords(%q) = %q, want %q", tc.text, got, tc.want)
		}
	}
}
