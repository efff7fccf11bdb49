package newsletter

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"hash"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Purpose is what a token allows. Each has its own key, so that a token for one opens nothing else.
type Purpose string

const (
	PurposeConfirm     Purpose = "confirm"     // mailed link of a sign-up
	PurposeManage      Purpose = "manage"      // fresh 30-minute link to /me
	PurposeMe          Purpose = "me"          // the cookie that a fresh link was changed for
	PurposeUnsubscribe Purpose = "unsubscribe" // printed in every issue, never expires
	PurposePreferences Purpose = "preferences" // /me as printed in an issue: pause and leave, no more
	PurposeBounce      Purpose = "bounce"      // in the envelope sender
	PurposeOpinion     Purpose = "opinion"     // 의견: the buttons under an issue, over the delivery
	PurposeComment     Purpose = "comment"     // confirms a comment by mail
	PurposeWriter      Purpose = "writer"      // a browser that has proved the address of its comments
	PurposePreview     Purpose = "preview"     // shows a draft to somebody without a desk
	PurposeSetup       Purpose = "setup"       // makes the first owner
	PurposeReset       Purpose = "reset"       // a new password for a person at the desk
	PurposeOpen        Purpose = "open"        // the picture that counts openings
	PurposeClick       Purpose = "click"       // a counted link
	PurposeMessage     Purpose = "message"     // no token: derives Message-IDs
)

var purposes = []Purpose{
	PurposeConfirm, PurposeManage, PurposeMe, PurposeUnsubscribe, PurposePreferences, PurposeBounce, PurposeOpinion, PurposeComment, PurposeWriter,
	PurposePreview, PurposeSetup, PurposeReset, PurposeOpen, PurposeClick, PurposeMessage,
}

// Keys of these purposes outlive their secret: a reader may click 수신거부 years later, a counted link must still lead where it
// led, and a letter tried again must keep its Message-ID. The rest ends with the secret, which may have been taken out because it leaked.
var lasting = []Purpose{PurposeUnsubscribe, PurposePreferences, PurposeClick, PurposeMessage}

// TokenKey is a derived key kept in the store, from which the secret cannot be computed.
type TokenKey struct {
	ID      string
	Purpose Purpose
	Key     []byte
}

// Keyring signs and verifies tokens. The first secret signs, all of them verify, and stored keys verify for
// their one purpose. It does not change and may be shared by goroutines. Its zero value knows no key:
// it verifies nothing and must not sign.
type Keyring struct{ keys []ringKey }

// ringKey is a secret's derived keys by purpose; one that was only stored has few of them and does not sign.
type ringKey struct {
	id     string
	live   bool
	derive map[Purpose]*sealer
}

// base32 in lower case survives mail systems that fold the case of an envelope or of a link.
var lower32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const (
	keyIDLen  = 6  // base32 characters: 30 bits name a key, none of them secret
	macLen    = 26 // 128 bits and two spare ones, compared as text, so that no second spelling verifies
	bounceLen = 16 // 80 bits, what fits an envelope; a guess costs one SMTP transaction
	secretMin = 16 // bytes below which WeakSecret warns
)

// NewKeyring derives the keys of all secrets, the first of which signs, and adds the stored ones. Blanks around
// a secret do not count. Having none, or an empty one, is an Invalid error of TECHISSUE_SECRET.
func NewKeyring(secrets []string, stored []TokenKey) (Keyring, error) {
	var k Keyring
	for _, s := range secrets {
		s = strings.TrimSpace(s)
		if s == "" {
			return Keyring{}, invalid("TECHISSUE_SECRET", "비밀값이 비어 있어요.")
		}
		key := ringKey{live: true, derive: make(map[Purpose]*sealer, len(purposes))}
		key.id = lower32.EncodeToString(subkey(s, "key id"))[:keyIDLen]
		for _, p := range purposes {
			key.derive[p] = newSealer(subkey(s, "token "+string(p)))
		}
		k.keys = append(k.keys, key)
	}
	if len(k.keys) == 0 {
		return Keyring{}, invalid("TECHISSUE_SECRET", "비밀값이 하나는 있어야 해요.")
	}
	for _, t := range stored {
		if slices.Contains(lasting, t.Purpose) && len(t.Key) > 0 {
			k.keys = append(k.keys, ringKey{id: t.ID, derive: map[Purpose]*sealer{t.Purpose: newSealer(t.Key)}})
		}
	}
	return k, nil
}

// subkey derives 32 bytes for one use (RFC 5869). The prefix keeps them apart from anything else that might
// ever be derived from the same secret.
func subkey(secret, use string) []byte {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "techissue "+use, sha256.Size)
	if err != nil { // only for lengths over 8160 bytes, or a short secret in FIPS 140-only mode
		panic(err)
	}
	return key
}

// WeakSecret tells that a secret is so short that somebody who holds one token could guess it at home.
func WeakSecret(secret string) bool { return len(strings.TrimSpace(secret)) < secretMin }

// KeyID names the key that signs now; an edition keeps it.
func (k Keyring) KeyID() string { return k.keys[0].id }

// DerivedKeys are the keys to put into the store at every start, so that links in letters already sent
// go on working after their secret is taken out of TECHISSUE_SECRET.
func (k Keyring) DerivedKeys() []TokenKey {
	var out []TokenKey
	for _, key := range k.keys {
		if !key.live {
			continue
		}
		for _, p := range lasting {
			out = append(out, TokenKey{ID: key.id, Purpose: p, Key: slices.Clone(key.derive[p].key)})
		}
	}
	return out
}

// String keeps keys out of logs.
func (k Keyring) String() string { return "keyring of " + strconv.Itoa(len(k.keys)) }

// GoString keeps keys out of logs, too.
func (k Keyring) GoString() string { return k.String() }

// Sign makes a token for one thing: URL-safe, lower case, at most 60 characters, with nothing in it but the key's
// id, the id and the time, each readable. A zero expires means never; otherwise it counts in whole seconds.
func (k Keyring) Sign(p Purpose, id int64, expires time.Time) string {
	return k.keys[0].sign(p, id, expires)
}

// SignWith signs with the live key of that id, so that a letter tried again after a rotation has the same
// bytes, and like Sign when its secret is gone: stored keys never sign.
func (k Keyring) SignWith(keyID string, p Purpose, id int64, expires time.Time) string {
	for _, key := range k.keys {
		if key.live && key.id == keyID {
			return key.sign(p, id, expires)
		}
	}
	return k.Sign(p, id, expires)
}

func (key ringKey) sign(p Purpose, id int64, expires time.Time) string {
	b := append(make([]byte, 0, 64), key.id...)
	b = strconv.AppendUint(append(b, '-'), uint64(id), 36)
	b = append(b, '-')
	if expires.IsZero() {
		b = append(b, '0')
	} else {
		b = strconv.AppendInt(b, max(expires.Unix(), 1), 36)
	}
	mac := key.derive[p].seal(b)
	return string(append(append(b, '-'), mac[:macLen]...))
}

// Verify returns what the token names. A NotFound error covers the malformed, the forged and those for another
// purpose alike; Gone says that it was ours and is too old, and then id is given all the same, so that the page
// can offer a fresh one.
func (k Keyring) Verify(p Purpose, token string, now time.Time) (id int64, err error) {
	cut := strings.LastIndexByte(token, '-')
	if cut < 0 || len(token)-cut-1 != macLen {
		return 0, badToken()
	}
	body, mac := token[:cut], token[cut+1:]
	parts := strings.Split(body, "-")
	if len(parts) != 3 || !k.verifies(p, parts[0], body, mac) {
		return 0, badToken()
	}
	// Behind a good signature stand only numbers that sign wrote.
	n, err := strconv.ParseUint(parts[1], 36, 64)
	if err != nil {
		return 0, badToken()
	}
	until, err := strconv.ParseInt(parts[2], 36, 64)
	if err != nil {
		return 0, badToken()
	}
	if until != 0 && now.Unix() >= until {
		return int64(n), &Error{Kind: Gone, Code: "expired", Msg: "링크가 만료됐어요. 새 링크를 받아 주세요."}
	}
	return int64(n), nil
}

func (k Keyring) verifies(p Purpose, keyID, body, mac string) bool {
	for _, key := range k.keys { // ids may collide: every key of that id has its say
		secret := key.derive[p]
		if key.id == keyID && secret != nil && secret.sealed(body, mac) {
			return true
		}
	}
	return false
}

func badToken() error {
	return &Error{Kind: NotFound, Code: "bad_token", Msg: "올바른 링크가 아니에요. 메일에 있는 링크를 끝까지 복사했는지 확인해 주세요."}
}

// BounceAddress is the envelope sender of one delivery (VERP): b+{id base36}.{80 bits of HMAC}@domain. A
// non-delivery report comes back to it whatever else the reporting server leaves out.
func (k Keyring) BounceAddress(deliveryID int64, domain string) string {
	return k.verp("b", deliveryID, domain)
}

// ParseBounceAddress returns the delivery whose envelope sender this was, or NotFound. Upper case and angle
// brackets are forgiven; the domain is for the listener to judge.
func (k Keyring) ParseBounceAddress(addr string) (id int64, err error) { return k.parseVERP("b", addr) }

// NoticeBounceAddress is the same for a single letter, whose ids are another row of numbers: n+….
func (k Keyring) NoticeBounceAddress(noticeID int64, domain string) string {
	return k.verp("n", noticeID, domain)
}

// ParseNoticeBounceAddress returns the notice whose envelope sender this was, or NotFound.
func (k Keyring) ParseNoticeBounceAddress(addr string) (id int64, err error) {
	return k.parseVERP("n", addr)
}

func (k Keyring) verp(kind string, id int64, domain string) string {
	body := strconv.AppendUint([]byte(kind+"+"), uint64(id), 36)
	mac := k.keys[0].derive[PurposeBounce].seal(body)
	return string(body) + "." + string(mac[:bounceLen]) + "@" + strings.ToLower(domain)
}

func (k Keyring) parseVERP(kind, addr string) (int64, error) {
	addr = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(addr, "<"), ">"))
	local, _, at := strings.Cut(addr, "@")
	body, mac, dot := strings.Cut(local, ".")
	number, ours := strings.CutPrefix(body, kind+"+")
	if !at || !dot || !ours || len(mac) != bounceLen {
		return 0, badBounce()
	}
	for _, key := range k.keys { // the format has no room for a key id
		if key.live && key.derive[PurposeBounce].sealed(body, mac) {
			n, err := strconv.ParseUint(number, 36, 64)
			if err != nil || n > math.MaxInt64 {
				return 0, badBounce()
			}
			return int64(n), nil
		}
	}
	return 0, badBounce()
}

func badBounce() error {
	return &Error{Kind: NotFound, Code: "bad_token", Msg: "우리가 보낸 반송 주소가 아니에요."}
}

// MessageID is the same on every attempt of a delivery, so that a second copy can be recognised:
// <{issue}.{HMAC(key, delivery)}@{list domain}>, in lower case and with its angle brackets. keyID is the one
// that the edition keeps; "" or a key nobody knows any more means the key that signs now, since a letter
// with another Message-ID is better than none.
func (k Keyring) MessageID(issueID, deliveryID int64, keyID, listDomain string) string {
	secret := k.keys[0].derive[PurposeMessage]
	for _, key := range k.keys {
		if s := key.derive[PurposeMessage]; key.id == keyID && s != nil {
			secret = s
			break
		}
	}
	mac := secret.seal(strconv.AppendInt(nil, deliveryID, 10))
	return "<" + strconv.FormatInt(issueID, 10) + "." + string(mac[:20]) + "@" + strings.ToLower(listDomain) + ">"
}

// Random returns n bytes of the system's randomness as lower-case base32, for session tokens, API keys and
// secrets. 16 bytes (26 characters) cannot be guessed.
func Random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: it ends the program instead
	return lower32.EncodeToString(b)
}

// sealer computes HMACs under one key. It keeps them keyed: half of what a short one costs is the key.
type sealer struct {
	key  []byte
	macs sync.Pool
}

func newSealer(key []byte) *sealer {
	s := &sealer{key: key}
	s.macs.New = func() any { return &keyedMAC{Hash: hmac.New(sha256.New, key)} }
	return s
}

// keyedMAC carries the room for its result, which would escape otherwise.
type keyedMAC struct {
	hash.Hash
	sum [sha256.Size]byte
}

// seal returns all of the HMAC as text; callers cut it to their length.
func (s *sealer) seal(text []byte) (mac [52]byte) {
	h := s.macs.Get().(*keyedMAC)
	h.Reset()
	h.Write(text)
	lower32.Encode(mac[:], h.Sum(h.sum[:0]))
	s.macs.Put(h)
	return mac
}

// sealed tells whether mac is the beginning of the text's HMAC. Its length is the caller's to check.
func (s *sealer) sealed(text, mac string) bool {
	want := s.seal([]byte(text))
	return subtle.ConstantTimeCompare([]byte(mac), want[:len(mac)]) == 1
}
