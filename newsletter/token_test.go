package newsletter_test

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

var (
	allPurposes = []newsletter.Purpose{
		newsletter.PurposeConfirm, newsletter.PurposeManage, newsletter.PurposeMe, newsletter.PurposeUnsubscribe, newsletter.PurposePreferences,
		newsletter.PurposeBounce, newsletter.PurposeOpinion, newsletter.PurposeComment, newsletter.PurposePreview,
		newsletter.PurposeSetup, newsletter.PurposeReset, newsletter.PurposeOpen, newsletter.PurposeClick, newsletter.PurposeMessage,
	}
	tokenNow = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	never    time.Time
)

const (
	oldSecret = "an old secret, long enough"
	newSecret = "a new secret, long enough"
)

func keyring(t testing.TB, secrets []string, stored ...newsletter.TokenKey) newsletter.Keyring {
	t.Helper()
	k, err := newsletter.NewKeyring(secrets, stored)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func wantKind(t *testing.T, what string, err error, kind newsletter.Kind) {
	t.Helper()
	if newsletter.KindOf(err) != kind {
		t.Errorf("%s: got %v, want kind %v", what, err, kind)
	}
	var e *newsletter.Error
	if err != nil && (!errors.As(err, &e) || e.Msg == "") {
		t.Errorf("%s: nothing to tell the reader in %v", what, err)
	}
}

func TestTokenRoundTrip(t *testing.T) {
	t.Parallel()
	k := keyring(t, []string{newSecret})
	shape := regexp.MustCompile(`^[a-z0-9-]{1,60}$`)
	for _, p := range allPurposes {
		for _, id := range []int64{0, 1, 35, 36, 1234567, math.MaxInt64, -1, math.MinInt64} {
			for _, expires := range []time.Time{never, tokenNow.Add(time.Hour), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
				token := k.Sign(p, id, expires)
				if !shape.MatchString(token) {
					t.Errorf("token %q (%d characters) is no short word for a URL", token, len(token))
				}
				if got, err := k.Verify(p, token, tokenNow); err != nil || got != id {
					t.Errorf("%s %d: verified as %d, %v", p, id, got, err)
				}
			}
		}
	}
}

func TestTokenIsBoundToItsPurpose(t *testing.T) {
	t.Parallel()
	k := keyring(t, []string{newSecret})
	for _, made := range allPurposes {
		token := k.Sign(made, 7, never)
		for _, used := range append(allPurposes, "", "unknown") {
			if used == made {
				continue
			}
			_, err := k.Verify(used, token, tokenNow)
			wantKind(t, fmt.Sprintf("%s used as %s", made, used), err, newsletter.NotFound)
		}
	}
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	k := keyring(t, []string{newSecret})
	token := k.Sign(newsletter.PurposeConfirm, 42, tokenNow)
	if _, err := k.Verify(newsletter.PurposeConfirm, token, tokenNow.Add(-time.Second)); err != nil {
		t.Errorf("a second before: %v", err)
	}
	for _, later := range []time.Duration{0, time.Second, 100 * 365 * 24 * time.Hour} {
		id, err := k.Verify(newsletter.PurposeConfirm, token, tokenNow.Add(later))
		wantKind(t, later.String()+" after", err, newsletter.Gone)
		if id != 42 {
			t.Errorf("an expired token tells %d, want 42 to offer a new one", id)
		}
	}
	past := k.Sign(newsletter.PurposeConfirm, 42, time.Unix(0, 0)) // must not read as never
	_, err := k.Verify(newsletter.PurposeConfirm, past, tokenNow)
	wantKind(t, "expired in 1970", err, newsletter.Gone)
	if _, err := k.Verify(newsletter.PurposeUnsubscribe, k.Sign(newsletter.PurposeUnsubscribe, 1, never), tokenNow.AddDate(50, 0, 0)); err != nil {
		t.Errorf("unsubscribing after fifty years: %v", err)
	}
}

func TestTokenWithAnyBitFlippedIsForged(t *testing.T) {
	t.Parallel()
	k := keyring(t, []string{newSecret, oldSecret})
	for _, token := range []string{
		k.Sign(newsletter.PurposeUnsubscribe, 123456, never),
		k.Sign(newsletter.PurposeUnsubscribe, 123456, tokenNow.Add(time.Hour)),
	} {
		for i := range len(token) {
			for bit := range 8 {
				b := []byte(token)
				b[i] ^= 1 << bit
				_, err := k.Verify(newsletter.PurposeUnsubscribe, string(b), tokenNow)
				wantKind(t, fmt.Sprintf("bit %d of character %d", bit, i), err, newsletter.NotFound)
			}
			for _, cut := range []string{token[:i], token[i+1:], token[:i] + token[i+1:], token[:i] + "a" + token[i:], token[:i] + "0" + token[i:]} {
				_, err := k.Verify(newsletter.PurposeUnsubscribe, cut, tokenNow)
				wantKind(t, "mangled to "+cut, err, newsletter.NotFound)
			}
		}
		for _, other := range []string{strings.ToUpper(token), token + "a", " " + token, token + "\n", token + token, "", "-", "---", "----"} {
			_, err := k.Verify(newsletter.PurposeUnsubscribe, other, tokenNow)
			wantKind(t, fmt.Sprintf("%q", other), err, newsletter.NotFound)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	before, after := keyring(t, []string{oldSecret}), keyring(t, []string{newSecret, " " + oldSecret + "\n"})
	for _, p := range allPurposes {
		if _, err := after.Verify(p, before.Sign(p, 5, never), tokenNow); err != nil {
			t.Errorf("%s of the old secret: %v", p, err)
		}
		if after.Sign(p, 5, never) != keyring(t, []string{newSecret}).Sign(p, 5, never) {
			t.Errorf("%s: the first secret does not sign", p)
		}
		if got, want := after.SignWith(before.KeyID(), p, 5, never), before.Sign(p, 5, never); got != want {
			t.Errorf("%s: SignWith gives %s, want the same bytes as before, %s", p, got, want)
		}
	}
	if before.KeyID() == after.KeyID() {
		t.Error("two secrets share a key id")
	}
}

func TestStoredKeysOutliveTheirSecret(t *testing.T) {
	t.Parallel()
	before := keyring(t, []string{oldSecret})
	after := keyring(t, []string{newSecret}, before.DerivedKeys()...)
	for _, p := range allPurposes {
		_, err := after.Verify(p, before.Sign(p, 5, never), tokenNow)
		switch p {
		case newsletter.PurposeUnsubscribe, newsletter.PurposePreferences, newsletter.PurposeClick, newsletter.PurposeMessage:
			if err != nil {
				t.Errorf("%s of a secret that was taken out: %v", p, err)
			}
		default:
			wantKind(t, string(p)+" of a secret that was taken out", err, newsletter.NotFound)
		}
	}
	if after.KeyID() == before.KeyID() || after.SignWith(before.KeyID(), newsletter.PurposeUnsubscribe, 5, never) != after.Sign(newsletter.PurposeUnsubscribe, 5, never) {
		t.Error("a stored key signs")
	}
	for _, key := range after.DerivedKeys() {
		if key.ID != after.KeyID() {
			t.Errorf("a stored key is handed out as derived: %s", key.ID)
		}
	}
	if _, err := after.ParseBounceAddress(before.BounceAddress(5, "b.example.com")); err == nil {
		t.Error("a bounce address of a secret that was taken out is still believed")
	}
	// A stored row that claims another purpose gives no power over it.
	for _, key := range before.DerivedKeys() {
		key.Purpose = newsletter.PurposeReset
		_, err := keyring(t, []string{newSecret}, key).Verify(newsletter.PurposeReset, before.Sign(newsletter.PurposeReset, 1, never), tokenNow)
		wantKind(t, "tampered row", err, newsletter.NotFound)
	}
}

func TestKeyringNeedsASecret(t *testing.T) {
	t.Parallel()
	for _, secrets := range [][]string{nil, {}, {""}, {" \t"}, {newSecret, ""}} {
		if _, err := newsletter.NewKeyring(secrets, nil); newsletter.KindOf(err) != newsletter.Invalid {
			t.Errorf("NewKeyring(%q): %v, want Invalid", secrets, err)
		}
	}
	if _, err := (newsletter.Keyring{}).Verify(newsletter.PurposeSetup, "aaaaaa-1-0-aaaaaaaaaaaaaaaaaaaaaaaaaa", tokenNow); newsletter.KindOf(err) != newsletter.NotFound {
		t.Errorf("an empty keyring verifies: %v", err)
	}
	if !newsletter.WeakSecret("secret") || newsletter.WeakSecret(newsletter.Random(16)) {
		t.Error("WeakSecret is mistaken")
	}
}

func TestKeyringDoesNotShowKeys(t *testing.T) {
	t.Parallel()
	k := keyring(t, []string{newSecret})
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), k.String()} {
		if s != "keyring of 1" {
			t.Errorf("printed as %s", s)
		}
	}
}

func TestBounceAddress(t *testing.T) {
	t.Parallel()
	k := keyring(t, []string{newSecret})
	shape := regexp.MustCompile(`^b\+[0-9a-z]+\.[a-z2-7]{16}@bounce\.example\.com$`)
	for _, id := range []int64{1, 36, 1234567, math.MaxInt64} {
		addr := k.BounceAddress(id, "Bounce.Example.com")
		if !shape.MatchString(addr) || strings.IndexByte(addr, '@') > 64 {
			t.Fatalf("bounce address %q", addr)
		}
		if parsed := address(t, addr); parsed.String() != addr {
			t.Errorf("%q is normalised to %q", addr, parsed)
		}
		for _, spelling := range []string{addr, strings.ToUpper(addr), "<" + addr + ">"} {
			if got, err := k.ParseBounceAddress(spelling); err != nil || got != id {
				t.Errorf("%q: %d, %v", spelling, got, err)
			}
		}
		rotated := keyring(t, []string{oldSecret, newSecret})
		if got, err := rotated.ParseBounceAddress(addr); err != nil || got != id {
			t.Errorf("after rotation: %d, %v", got, err)
		}
		_, err := k.ParseNoticeBounceAddress(addr)
		wantKind(t, "a delivery's used as a notice's", err, newsletter.NotFound)
		if got, err := k.ParseNoticeBounceAddress(k.NoticeBounceAddress(id, "b.example.com")); err != nil || got != id {
			t.Errorf("notice: %d, %v", got, err)
		}
	}
	addr := k.BounceAddress(1234567, "b.example.com")
	for i := range strings.IndexByte(addr, '@') {
		b := []byte(addr)
		b[i] ^= 1
		_, err := k.ParseBounceAddress(string(b))
		wantKind(t, string(b), err, newsletter.NotFound)
	}
	for _, other := range []string{"", "@", "b+1@b.example.com", "b+1.aaaaaaaaaaaaaaaa@b.example.com", "b+.aaaaaaaaaaaaaaaa@x.kr", "reader@example.com"} {
		_, err := k.ParseBounceAddress(other)
		wantKind(t, other, err, newsletter.NotFound)
	}
}

func TestMessageID(t *testing.T) {
	t.Parallel()
	before := keyring(t, []string{oldSecret})
	id := before.MessageID(12, 345, before.KeyID(), "Letter.Example.kr")
	if !regexp.MustCompile(`^<12\.[a-z2-7]{20}@letter\.example\.kr>$`).MatchString(id) {
		t.Fatalf("Message-ID %s", id)
	}
	for name, k := range map[string]newsletter.Keyring{
		"rotated":   keyring(t, []string{newSecret, oldSecret}),
		"taken out": keyring(t, []string{newSecret}, before.DerivedKeys()...),
	} {
		if got := k.MessageID(12, 345, before.KeyID(), "letter.example.kr"); got != id {
			t.Errorf("%s: %s on the next attempt, %s before", name, got, id)
		}
		if k.MessageID(12, 345, "", "letter.example.kr") == id {
			t.Errorf("%s: the old key is still the default", name)
		}
	}
	if before.MessageID(12, 346, before.KeyID(), "letter.example.kr") == id {
		t.Error("two deliveries share a Message-ID")
	}
}

func TestRandom(t *testing.T) {
	t.Parallel()
	a, b := newsletter.Random(32), newsletter.Random(32)
	if a == b || !regexp.MustCompile(`^[a-z2-7]{52}$`).MatchString(a) {
		t.Errorf("%s, %s", a, b)
	}
}

// Only what Sign wrote verifies, whatever comes in.
func FuzzVerify(f *testing.F) {
	k := keyring(f, []string{newSecret, oldSecret})
	f.Add(k.Sign(newsletter.PurposeConfirm, 7, tokenNow), int64(7))
	f.Add(k.Sign(newsletter.PurposeConfirm, 7, never), int64(8))
	f.Add("a-b-c-aaaaaaaaaaaaaaaaaaaaaaaaaa", int64(0))
	f.Add(k.BounceAddress(7, "b.example.com"), int64(7))
	f.Fuzz(func(t *testing.T, token string, id int64) {
		if got, err := k.Verify(newsletter.PurposeConfirm, token, tokenNow.Add(-time.Hour)); err == nil {
			if k.Sign(newsletter.PurposeConfirm, got, never) != token && k.Sign(newsletter.PurposeConfirm, got, tokenNow) != token {
				t.Fatalf("%q verifies as %d, which nobody signed", token, got)
			}
		}
		if got, err := k.ParseBounceAddress(token); err == nil && !strings.HasPrefix(strings.ToLower(strings.Trim(token, "<>")), strings.TrimSuffix(k.BounceAddress(got, ""), "@")) {
			t.Fatalf("%q is believed to be the bounce of %d", token, got)
		}
		if got, err := k.Verify(newsletter.PurposeConfirm, k.Sign(newsletter.PurposeConfirm, id, never), tokenNow); err != nil || got != id {
			t.Fatalf("%d verifies as %d, %v", id, got, err)
		}
	})
}
