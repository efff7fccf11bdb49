package newsletter

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Address is an e-mail address that ParseAddress judged good, now or before it was stored
// (StoredAddress); its zero value is "no address". It is comparable, and two spellings of one
// address are equal: the whole of it is lower case, the domain an A-label (xn--…). RFC 5321
// lets a local part depend on case, but no mail service that people use tells them apart,
// and two rows for one reader would mean two letters and half an unsubscribe.
type Address struct{ local, domain string }

// AddressKey is a keyed hash of an address, in hex. It names a reader in suppressions and
// consents after the address itself had to be forgotten.
type AddressKey string

// The limits of RFC 5321, 4.5.3.1, in octets; 254 is its path of 256 without the angle brackets.
const (
	maxLocal   = 64
	maxAddress = 254
	maxRaw     = 4 * maxAddress // a domain typed in Hangul is longer or shorter than its A-label
)

// domains is strict on purpose (UTS 46 non-transitional, STD3, hyphens, joiners, bidi, lengths):
// what it lets through is made of letters, digits, hyphens and dots, and so safe in a header,
// in RCPT TO and in a page.
var domains = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.StrictDomainName(true),
	idna.CheckHyphens(true),
	idna.CheckJoiners(true),
	idna.BidiRule(),
	idna.VerifyDNSLength(true),
)

// ParseAddress returns the normalised address, or an Invalid error of the field email whose
// Msg a reader can act on. It takes a bare address only: dot-atom @ domain name, no display
// name, quotes, comments, groups or IP literals, all of which net/mail would accept. Blanks
// and invisible characters around it and a full-width ＠ or domain, as a Korean keyboard
// types them, are mended; nothing else is rewritten.
func ParseAddress(raw string) (Address, error) {
	if !utf8.ValidString(raw) {
		return Address{}, badAddress("이메일 주소를 읽을 수 없어요. 다시 적어 주세요.")
	}
	s := strings.TrimFunc(raw, func(r rune) bool { return unicode.IsSpace(r) || invisible(r) || directional(r) })
	s = strings.NewReplacer("＠", "@", "﹫", "@").Replace(s)
	local, domain, found := strings.Cut(s, "@")
	switch {
	case s == "":
		return Address{}, badAddress("이메일 주소를 적어 주세요.")
	case len(s) > maxRaw:
		return Address{}, badAddress("이메일 주소가 너무 길어요.")
	case strings.ContainsFunc(s, unicode.IsSpace):
		return Address{}, badAddress("이메일 주소 안에 빈칸이 있어요. 빈칸을 지워 주세요.")
	case strings.ContainsFunc(s, hidden):
		return Address{}, badAddress("이메일 주소에 보이지 않는 글자가 섞여 있어요. 지우고 다시 적어 주세요.")
	case !found:
		return Address{}, badAddress("이메일 주소에 @가 없어요. name@naver.com처럼 적어 주세요.")
	case strings.Contains(domain, "@"):
		return Address{}, badAddress("@는 한 번만 적어 주세요.")
	}
	if err := judgeLocal(local); err != nil {
		return Address{}, err
	}
	domain, err := judgeDomain(domain)
	if err != nil {
		return Address{}, err
	}
	a := Address{local: strings.ToLower(local), domain: domain}
	if len(a.String()) > maxAddress {
		return Address{}, badAddress("이메일 주소가 너무 길어요.")
	}
	return a, nil
}

func badAddress(msg string) error { return invalid("email", msg) }

// judgeLocal accepts the dot-atom of RFC 5322, 3.2.3 and says what is wrong with anything else.
func judgeLocal(local string) error {
	if local == "" {
		return badAddress("@ 앞에 아이디를 적어 주세요.")
	}
	if strings.ContainsFunc(local, hangul) {
		return badAddress("아이디가 한글인 주소로는 아직 편지를 보내지 못해요. 영문으로 된 다른 주소를 적어 주세요.")
	}
	for _, r := range local {
		switch {
		case r == '.' || atext(r):
		case r >= '！' && r <= '～':
			return badAddress(fmt.Sprintf("아이디에 전각 글자가 있어요. 혹시 %q 인가요? 영문 자판으로 적어 주세요.", norm.NFKC.String(local)))
		default:
			return badAddress(fmt.Sprintf("아이디에 쓸 수 없는 글자가 있어요: %c", r))
		}
	}
	if local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..") {
		return badAddress("아이디의 점(.)은 처음이나 끝에 오거나 잇달아 올 수 없어요.")
	}
	if len(local) > maxLocal {
		return badAddress("@ 앞의 아이디가 너무 길어요.")
	}
	return nil
}

// judgeDomain returns the A-label form of a domain name a letter could be sent to.
func judgeDomain(raw string) (string, error) {
	domain := norm.NFKC.String(raw)
	switch {
	case domain == "":
		return "", badAddress("@ 뒤의 주소를 적어 주세요. 예: naver.com")
	case strings.Contains(domain, ","):
		return "", badAddress("@ 뒤에 쉼표(,)가 있어요. 점(.)으로 바꿔 주세요.")
	case strings.ContainsAny(domain, "[]:"):
		return "", badAddress("숫자로 된 서버 주소 말고 naver.com 같은 이름을 적어 주세요.")
	}
	ascii, err := domains.ToASCII(domain)
	if err != nil {
		return "", &Error{Kind: Invalid, Field: "email", Msg: "@ 뒤의 주소가 올바르지 않아요. naver.com처럼 적어 주세요.", Err: err}
	}
	dot := strings.LastIndexByte(ascii, '.')
	if dot < 0 {
		return "", badAddress("@ 뒤의 주소에 점(.)이 없어요. naver.com처럼 끝까지 적어 주세요.")
	}
	if !topLevel(ascii[dot+1:]) {
		return "", badAddress("주소의 끝부분이 올바르지 않아요. .com이나 .kr 같은 끝까지 적어 주세요.")
	}
	return ascii, nil
}

// topLevel knows the shape of every top-level domain there is: letters, or an A-label (RFC 3696, 2).
// It keeps 127.0.0.1 out, too.
func topLevel(label string) bool {
	if strings.HasPrefix(label, "xn--") {
		return true
	}
	return len(label) >= 2 && !strings.ContainsFunc(label, func(r rune) bool { return r < 'a' || r > 'z' })
}

func atext(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		r < utf8.RuneSelf && strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// String is the normalised address, "" for the zero value.
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	return a.local + "@" + a.domain
}

// IsZero tells that there is no address.
func (a Address) IsZero() bool { return a == Address{} }

// Local is the part before the @, lower case.
func (a Address) Local() string { return a.local }

// Domain is the A-label form, lower case: what DNS, SMTP and statistics use.
func (a Address) Domain() string { return a.domain }

// Masked shows whose address it may be without giving it away: r***@example.com. The number of
// stars says nothing about the length.
func (a Address) Masked() string {
	if a.IsZero() {
		return ""
	}
	return a.local[:1] + "***@" + a.domain
}

// DisplayDomain is the domain for people's eyes: in Hangul when every label is made of whole Hangul
// syllables, ASCII letters, digits and hyphens, otherwise the A-label, so that a Cyrillic
// "nаver.com" is seen for what it is. Lone jamo stay encoded: ㅇ and ㅣ look like o and l.
func (a Address) DisplayDomain() string {
	u, err := domains.ToUnicode(a.domain)
	if err != nil || strings.ContainsFunc(u, func(r rune) bool {
		return !(r >= '가' && r <= '힣' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}) {
		return a.domain
	}
	return u
}

// roles are mailboxes of machines and of people who handle complaints: nobody subscribes with one,
// but somebody may enter one to hurt us. info@ and contact@ are read by small firms and stay welcome.
var roles = []string{
	"abuse", "bounce", "bounces", "devnull", "do-not-reply", "donotreply", "hostmaster", "mailer-daemon", "mailerdaemon",
	"no-reply", "no.reply", "no_reply", "nobody", "noreply", "postmaster", "spam",
}

// Role tells that the address is a role's, which sign-up refuses. It stays a valid address: our own
// From may be one.
func (a Address) Role() bool {
	name, _, _ := strings.Cut(a.local, "+")
	return slices.Contains(roles, name)
}

// Key is the HMAC-SHA256 of the normalised address under the house's address key, which never rotates.
func (a Address) Key(k []byte) AddressKey {
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte(a.String()))
	return AddressKey(hex.EncodeToString(mac.Sum(nil)))
}

// MarshalText makes an Address a string in JSON and an attribute elsewhere.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText judges like ParseAddress; an empty text is the zero Address.
func (a *Address) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = Address{}
		return nil
	}
	parsed, err := ParseAddress(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// StoredAddress takes back what String gave to the store. It judges nothing: a million rows are read this way.
func StoredAddress(s string) Address {
	local, domain, _ := strings.Cut(s, "@")
	return Address{local: local, domain: domain}
}
