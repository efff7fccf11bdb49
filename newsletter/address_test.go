package newsletter_test

import (
	"encoding/json"
	"strings"
	"testing"

	"techissue/newsletter"
)

func address(t testing.TB, raw string) newsletter.Address {
	t.Helper()
	a, err := newsletter.ParseAddress(raw)
	if err != nil {
		t.Fatalf("ParseAddress(%q): %v", raw, err)
	}
	return a
}

func TestParseAddressAccepts(t *testing.T) {
	t.Parallel()
	local64 := strings.Repeat("a", 64)
	for _, tc := range []struct{ name, raw, want string }{
		{"plain", "reader@example.com", "reader@example.com"},
		{"upper case is folded in both parts", "Reader.Kim@Example.COM", "reader.kim@example.com"},
		{"blanks around it", " \t\u3000reader@example.com\r\n", "reader@example.com"},
		{"byte order mark and zero widths around it", "\ufeff\u200breader@example.com\u200b\u00a0", "reader@example.com"},
		{"direction mark of a copied cell", "\u202areader@example.com\u202c", "reader@example.com"},
		{"full-width at sign", "reader＠naver.com", "reader@naver.com"},
		{"full-width domain", "reader@ｎａｖｅｒ．ｃｏｍ", "reader@naver.com"},
		{"ideographic full stop", "reader@naver。com", "reader@naver.com"},
		{"every sign of atext", "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"},
		{"plus detail", "reader+news@gmail.com", "reader+news@gmail.com"},
		{"longest local part", local64 + "@example.com", local64 + "@example.com"},
		{"Hangul domain", "reader@한글.kr", "reader@xn--bj0bj06e.kr"},
		{"Hangul domain in loose jamo", "reader@한글.kr", "reader@xn--bj0bj06e.kr"},
		{"A-label in capitals", "reader@XN--BJ0BJ06E.KR", "reader@xn--bj0bj06e.kr"},
		{"Hangul top-level domain", "reader@도메인.한국", "reader@xn--hq1bm8jm9l.xn--3e0b707e"},
		{"sharp s is kept apart from ss", "reader@straße.de", "reader@xn--strae-oqa.de"},
		{"many labels", "a@b.c.d.e.co.kr", "a@b.c.d.e.co.kr"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := address(t, tc.raw).String(); got != tc.want {
				t.Errorf("ParseAddress(%q) = %q, want %q", tc.raw, got, tc.want)
			}
		})
	}
}

func TestParseAddressRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 60) + "."
	for _, tc := range []struct{ name, raw, hint string }{
		{"nothing", "", "적어 주세요"},
		{"blanks only", " \u3000\u200b", "적어 주세요"},
		{"no at sign", "reader.example.com", "@가 없어요"},
		{"two at signs", "a@b@example.com", "한 번만"},
		{"no local part", "@example.com", "앞에"},
		{"no domain", "reader@", "뒤의"},
		{"no dot in the domain", "reader@localhost", "점(.)이 없어요"},
		{"comma for a dot", "reader@naver,com", "쉼표"},
		{"blank inside", "rea der@example.com", "빈칸"},
		{"line break inside", "reader@example.com\r\nBcc: x@example.com", "빈칸"},
		{"NUL inside", "rea\x00der@example.com", "보이지 않는"},
		{"NUL at the end", "reader@example.com\x00", "보이지 않는"},
		{"zero width inside", "rea\u200bder@example.com", "보이지 않는"},
		{"soft hyphen in the domain", "reader@exam\u00adple.com", "보이지 않는"},
		{"direction override inside", "rea\u202eder@example.com", "보이지 않는"},
		{"tag characters", "reader\U000E0041@example.com", "보이지 않는"},
		{"quoted local part", `"reader"@example.com`, "쓸 수 없는 글자"},
		{"ESMTP parameter injected (CVE-2025-59937)", `"a>ORCPT=x"@example.com`, "쓸 수 없는 글자"},
		{"angle brackets", "<reader@example.com>", "쓸 수 없는 글자"},
		{"closing bracket in the domain", "reader@example.com>", "올바르지 않아요"},
		{"comment", "reader(me)@example.com", "쓸 수 없는 글자"},
		{"group", "list:reader@example.com;", "쓸 수 없는 글자"},
		{"backslash", `rea\der@example.com`, "쓸 수 없는 글자"},
		{"dot first", ".reader@example.com", "점(.)은"},
		{"dot last", "reader.@example.com", "점(.)은"},
		{"two dots", "rea..der@example.com", "점(.)은"},
		{"Hangul local part", "독자@example.com", "한글인"},
		{"Hangul local part in loose jamo", "독자@example.com", "한글인"},
		{"full-width local part is a question", "ｒｅａｄｅｒ@example.com", `"reader"`},
		{"Cyrillic local part", "rеader@example.com", "쓸 수 없는 글자"},
		{"local part of 65", strings.Repeat("a", 65) + "@example.com", "너무 길어요"},
		{"address of 255", "reader@" + long + long + long + strings.Repeat("a", 62) + ".kr", "너무 길어요"},
		{"label of 64", "reader@" + strings.Repeat("a", 64) + ".com", "올바르지"},
		{"a book", strings.Repeat("a", 100000) + "@example.com", "너무 길어요"},
		{"IPv4", "reader@127.0.0.1", "끝부분"},
		{"IPv4 literal", "reader@[127.0.0.1]", "숫자로 된"},
		{"IPv6 literal", "reader@[IPv6:::1]", "숫자로 된"},
		{"digits as top-level domain", "reader@example.123", "끝부분"},
		{"one letter as top-level domain", "reader@example.k", "끝부분"},
		{"dot at the end", "reader@example.com.", "올바르지"},
		{"two dots in the domain", "reader@example..com", "올바르지"},
		{"hyphen first in a label", "reader@-example.com", "올바르지"},
		{"underscore in the domain", "reader@ex_ample.com", "올바르지"},
		{"false A-label", "reader@xn--zzzzzzzz.com", "올바르지"},
		{"sign that NFKC turns into a slash", "reader@ex℀mple.com", "올바르지"},
		{"broken UTF-8", "rea\xffder@example.com", "읽을 수 없어요"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a, err := newsletter.ParseAddress(tc.raw)
			if newsletter.KindOf(err) != newsletter.Invalid || !a.IsZero() {
				t.Fatalf("ParseAddress(%q) = %q, %v; want Invalid", tc.raw, a, err)
			}
			fault := newsletter.FaultsOf(err)[0]
			if fault.Field != "email" || !strings.Contains(fault.Msg, tc.hint) {
				t.Errorf("ParseAddress(%q): field %q says %q, want something about %q", tc.raw, fault.Field, fault.Msg, tc.hint)
			}
		})
	}
}

func TestAddressParts(t *testing.T) {
	t.Parallel()
	a := address(t, "Reader.Kim@Example.com")
	if a.Local() != "reader.kim" || a.Domain() != "example.com" || a.Masked() != "r***@example.com" {
		t.Errorf("%q, %q, %q", a.Local(), a.Domain(), a.Masked())
	}
	if a != address(t, " reader.kim@EXAMPLE.com") {
		t.Error("two spellings of one address differ")
	}
	if newsletter.StoredAddress(a.String()) != a || !newsletter.StoredAddress("").IsZero() {
		t.Error("an address does not survive the store")
	}
	var none newsletter.Address
	if !none.IsZero() || none.String() != "" || none.Masked() != "" || none.Role() {
		t.Errorf("zero address shows as %q, %q", none, none.Masked())
	}
}

func TestDisplayDomain(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"a@naver.com":            "naver.com",
		"a@도메인.한국":               "도메인.한국",
		"a@한글ok7.kr":             "한글ok7.kr",
		"a@nаver.com":            "xn--nver-53d.com",   // Cyrillic а
		"a@аррӏе.com":            "xn--80ak6aa92e.com", // Cyrillic throughout
		"a@müller.de":            "xn--mller-kva.de",
		"a@日本.jp":                "xn--wgv71a.jp",
		"a@xn--hq1bm8jm9l.co.kr": "도메인.co.kr",
	} {
		if got := address(t, raw).DisplayDomain(); got != want {
			t.Errorf("%s is shown as %s, want %s", raw, got, want)
		}
	}
}

func TestAddressRole(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		"abuse@example.com": true, "Postmaster@example.com": true, "no-reply@example.com": true, "noreply+x@example.com": true,
		"mailer-daemon@example.com": true, "donotreply@example.com": true,
		"info@example.com": false, "contact@example.com": false, "webmaster@example.com": false, "abused@example.com": false,
	} {
		if got := address(t, raw).Role(); got != want {
			t.Errorf("%s: role %v, want %v", raw, got, want)
		}
	}
}

func TestAddressKey(t *testing.T) {
	t.Parallel()
	a, b := address(t, "Reader@Example.com"), address(t, "reader@example.com")
	if a.Key([]byte("one")) != b.Key([]byte("one")) {
		t.Error("spellings of one address have different keys")
	}
	if a.Key([]byte("one")) == a.Key([]byte("two")) || a.Key([]byte("one")) == address(t, "x@example.com").Key([]byte("one")) {
		t.Error("another key or address gives the same hash")
	}
	// RFC 4231 has no such case; the value was computed with openssl dgst -sha256 -hmac key.
	if got, want := b.Key([]byte("key")), newsletter.AddressKey("19ba9bd318c6d8eef5b38c9be16a5869af60c623f93eb4a0595b4738ffaa5e53"); got != want {
		t.Errorf("key %s, want %s", got, want)
	}
}

func TestAddressInJSON(t *testing.T) {
	t.Parallel()
	type reader struct {
		Email newsletter.Address `json:"email"`
		Other newsletter.Address `json:"other,omitzero"`
	}
	out, err := json.Marshal(reader{Email: address(t, "A@Example.com")})
	if err != nil || string(out) != `{"email":"a@example.com"}` {
		t.Fatalf("marshalled to %s, %v", out, err)
	}
	var in reader
	if err := json.Unmarshal([]byte(`{"email":"B@Example.com","other":""}`), &in); err != nil {
		t.Fatal(err)
	}
	if in.Email.String() != "b@example.com" || !in.Other.IsZero() {
		t.Errorf("read %+v", in)
	}
	if err := json.Unmarshal([]byte(`{"email":"a b@example.com"}`), &in); newsletter.KindOf(err) != newsletter.Invalid {
		t.Errorf("a bad address in JSON gives %v", err)
	}
}

// What is accepted can be written into a header, a command and a URL's text as it is, and is accepted again
// as the same address.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{
		"reader@example.com", "A＠한글.kr", "a@ｂ．co", "a@xn--bj0bj06e.kr", "\"a> ORCPT=x\"@e.kr", "a@b@c.kr", "a@[1.2.3.4]",
		"a@straße.de", "a@b。kr", "a\r\n@b.kr", "a@\u200db.kr", "a@İ.kr", "a@ǅ.kr", "a@1.kr", "한@b.kr", "a@xn--a.kr",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := newsletter.ParseAddress(raw)
		if err != nil {
			if newsletter.KindOf(err) != newsletter.Invalid || !a.IsZero() || newsletter.FaultsOf(err)[0].Msg == "" {
				t.Fatalf("%q: %q, %v", raw, a, err)
			}
			return
		}
		s := a.String()
		again, err := newsletter.ParseAddress(s)
		if err != nil || again != a {
			t.Fatalf("%q became %q, which becomes %q, %v", raw, s, again, err)
		}
		for _, r := range s {
			if r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>"(),:;[\]`, r) {
				t.Fatalf("%q was accepted as %q with %q in it", raw, s, r)
			}
		}
		if len(s) > 254 || strings.Count(s, "@") != 1 || s != strings.ToLower(s) || !strings.Contains(a.Domain(), ".") {
			t.Fatalf("%q was accepted as %q", raw, s)
		}
		a.DisplayDomain()
		newsletter.SuggestDomain(a)
	})
}
