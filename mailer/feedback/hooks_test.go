package feedback_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/mailer/feedback"
	"techissue/newsletter"
)

const hookToken = "a-secret-of-sixteen-characters"

// hooked is a world that takes notices, and the providers' side of it.
type hooked struct {
	*world
	hooks    *feedback.Hooks
	sendgrid *ecdsa.PrivateKey
	amazon   *amazon
	drawn    int
}

// amazon signs as SNS does. Its certificate lies where the real ones lie; nothing of the kind is reachable from a test.
type amazon struct {
	key     *rsa.PrivateKey
	pem     []byte
	mu      sync.Mutex
	fetched []string
	away    bool
}

const (
	snsCert  = "https://sns.ap-northeast-2.amazonaws.com/SimpleNotificationService-6aad65c2f9911b05cd53efda11f913f9.pem"
	snsTopic = "arn:aws:sns:ap-northeast-2:123456789012:letter-bounces"
	snsYes   = "https://sns.ap-northeast-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:ap-northeast-2:123456789012:letter-bounces&Token=2336412f37fb687f5d51e6e2425dacbbaba8"
)

var amazonKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newAmazon(t testing.TB, until time.Time) *amazon {
	t.Helper()
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: until.AddDate(-1, 0, 0), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &amazonKey().PublicKey, amazonKey())
	if err != nil {
		t.Fatal(err)
	}
	return &amazon{key: amazonKey(), pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *amazon) fetch(_ context.Context, url string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fetched = append(a.fetched, url)
	if a.away {
		return nil, errors.New("no network")
	}
	return a.pem, nil
}

// message is one as SNS posts it, signed in the way of its version.
func (a *amazon) message(version string, m map[string]string) []byte {
	fields := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if m["Type"] != "Notification" {
		fields = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	var text strings.Builder
	for _, f := range fields {
		if v, ok := m[f]; ok {
			text.WriteString(f + "\n" + v + "\n")
		}
	}
	var signature []byte
	if version == "1" {
		sum := sha1.Sum([]byte(text.String()))
		signature, _ = rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA1, sum[:])
	} else {
		sum := sha256.Sum256([]byte(text.String()))
		signature, _ = rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA256, sum[:])
	}
	out := map[string]string{"SignatureVersion": version, "Signature": base64.StdEncoding.EncodeToString(signature), "SigningCertURL": snsCert}
	for k, v := range m {
		out[k] = v
	}
	raw, _ := json.Marshal(out)
	return raw
}

func newHooked(t testing.TB, d *db.DB) *hooked {
	t.Helper()
	w := newWorld(t, d)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	w.must(err)
	public, err := feedback.ParseSendGridKey(base64.StdEncoding.EncodeToString(der))
	w.must(err)
	a := newAmazon(t, w.clock.Now().AddDate(0, 6, 0))
	return &hooked{world: w, sendgrid: key, amazon: a, hooks: &feedback.Hooks{
		Intake: w.intake, Store: w.Service, Now: w.clock.Now, Log: dbtest.Silent(), Tokens: []string{"another-secret-of-the-house", hookToken},
		Mailgun: "mailgun signing key", SendGrid: public, Fetch: a.fetch,
	}}
}

// notice is a fixture about a letter. Each call is a new event.
func (h *hooked) notice(name string, l letter) []byte {
	h.t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata/hooks", name+".json"))
	h.must(err)
	h.drawn++
	now := h.clock.Now()
	unix, token := strconv.FormatInt(now.Unix(), 10), fmt.Sprintf("%050d", h.drawn)
	mac := hmac.New(sha256.New, []byte("mailgun signing key"))
	mac.Write([]byte(unix + token))
	return []byte(strings.NewReplacer(
		"{{verp}}", l.verp, "{{mid}}", l.mid, "{{bare}}", strings.Trim(l.mid, "<>"), "{{relay}}", l.relay, "{{rcpt}}", l.rcpt, "{{iso}}", now.Format(time.RFC3339),
		"{{unix}}", unix, "{{token}}", token, "{{signature}}", hex.EncodeToString(mac.Sum(nil)), "{{event}}", fmt.Sprintf("event%d", h.drawn),
	).Replace(string(raw)))
}

// post sends a notice as its provider does, whose name its file begins with.
func (h *hooked) post(provider string, body []byte) error {
	header := http.Header{}
	switch provider {
	case "ses":
		h.drawn++
		body = h.amazon.message("1", map[string]string{
			"Type": "Notification", "MessageId": fmt.Sprintf("22b80b92-fdea-4c2c-8f9d-%012d", h.drawn), "TopicArn": snsTopic, "Subject": "Amazon SES Email Event Notification",
			"Message": string(body), "Timestamp": h.clock.Now().Format("2006-01-02T15:04:05.000Z"), "UnsubscribeURL": "https://sns.ap-northeast-2.amazonaws.com/?Action=Unsubscribe",
		})
	case "sendgrid":
		at := strconv.FormatInt(h.clock.Now().Unix(), 10)
		sum := sha256.Sum256(append([]byte(at), body...))
		signature, err := ecdsa.SignASN1(rand.Reader, h.sendgrid, sum[:])
		h.must(err)
		header.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(signature))
		header.Set("X-Twilio-Email-Event-Webhook-Timestamp", at)
	}
	return h.hooks.Take(h.t.Context(), provider, hookToken, header, body)
}

func TestProvidersTellWhoIsGone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHooked(t, d)
		number := 0
		for _, c := range []struct {
			file, log string
			shown     newsletter.Status
		}{
			{"ses-bounce", "hard taken", newsletter.Suppressed},
			{"ses-bounce-plain", "hard taken", newsletter.Suppressed},
			{"ses-transient", "soft taken", newsletter.Active},
			{"ses-complaint", "complaint taken", newsletter.Unsubscribed},
			{"ses-delivery", "", newsletter.Active},
			{"mailgun-failed", "hard taken", newsletter.Suppressed},
			{"mailgun-temporary", "", newsletter.Active},
			{"mailgun-suppressed", "unsure taken", newsletter.Active},
			{"mailgun-complained", "complaint taken", newsletter.Unsubscribed},
			{"mailgun-unsubscribed", "leave taken", newsletter.Unsubscribed},
			{"postmark-hard", "hard taken", newsletter.Suppressed},
			{"postmark-soft", "soft taken", newsletter.Active},
			{"postmark-transient", "", newsletter.Active},
			{"postmark-spam", "complaint taken", newsletter.Unsubscribed},
			{"postmark-unsubscribe", "leave taken", newsletter.Unsubscribed},
			{"sendgrid-bounce", "hard taken", newsletter.Suppressed},
			{"sendgrid-blocked", "blocked taken", newsletter.Active},
			{"sendgrid-spam", "complaint taken", newsletter.Unsubscribed},
			{"sendgrid-dropped", "hard taken, leave taken", newsletter.Unsubscribed},
		} {
			number++
			email := c.file + "@example.com"
			l := h.reads(number, email)[email]
			provider, _, _ := strings.Cut(c.file, "-")
			before := h.log()
			body := h.notice(c.file, l)
			h.must(h.post(provider, body))
			want := ""
			if c.log != "" {
				want = provider + " " + strings.ReplaceAll(c.log, ", ", ", "+provider+" ")
			}
			if got := strings.TrimPrefix(strings.TrimPrefix(h.log(), before), ", "); got != want {
				t.Errorf("%s: the log says %q, want %q", c.file, got, want)
			}
			if got := h.reader(email).Shown(); got != c.shown {
				t.Errorf("%s: the reader is %s, want %s", c.file, got, c.shown)
			}
			// The same once more, as providers do when an answer is lost, changes nothing.
			sub := h.reader(email)
			h.must(h.post(provider, body))
			if again := h.reader(email); again.Status != sub.Status || again.Suppression != sub.Suppression {
				t.Errorf("%s: taken twice, the reader is %+v", c.file, again)
			}
		}
	})
}

func wantKind(t *testing.T, name string, err error, kind newsletter.Kind) {
	t.Helper()
	if newsletter.KindOf(err) != kind {
		t.Errorf("%s: %v (%s), want %s", name, err, newsletter.KindOf(err), kind)
	}
}

func TestHooksOpenToTheTokenAlone(t *testing.T) {
	t.Parallel()
	h := newHooked(t, dbtest.New(t))
	a := h.reads(1, "a@example.com")["a@example.com"]
	body := h.notice("postmark-hard", a)
	for name, address := range map[string][2]string{
		"no token": {"postmark", ""}, "a wrong token": {"postmark", hookToken + "x"}, "an unknown provider": {"sparkpost", hookToken}, "nothing": {"", ""},
	} {
		wantKind(t, name, h.hooks.Take(t.Context(), address[0], address[1], nil, body), newsletter.NotFound)
	}
	h.hooks.Tokens = nil
	wantKind(t, "a house without a token", h.hooks.Take(t.Context(), "postmark", "", nil, body), newsletter.NotFound)
	if got := h.log(); got != "" {
		t.Errorf("taken: %s", got)
	}
}

func TestWhatIsNoNotice(t *testing.T) {
	t.Parallel()
	h := newHooked(t, dbtest.New(t))
	for _, body := range []string{"", "{", "null", "[]", "{}", `"x"`, `{"RecordType":7}`, strings.Repeat("[", 100_000)} {
		for _, provider := range feedback.Providers {
			if err := h.hooks.Take(t.Context(), provider, hookToken, http.Header{}, []byte(body)); err == nil {
				t.Errorf("%s took %.20q", provider, body)
			}
		}
	}
	h.must(h.post("postmark", []byte(`{"RecordType":"Delivery"}`)))
	h.must(h.post("sendgrid", []byte(`[]`)))
	h.must(h.post("ses", []byte("Successfully validated SNS topic for Amazon SES event publishing.")))
	h.hooks.Mailgun, h.hooks.SendGrid = "", nil
	for _, provider := range []string{"mailgun", "sendgrid"} { // the operator has to set the key; nothing is lost meanwhile
		wantKind(t, provider+" without a key", h.hooks.Take(t.Context(), provider, hookToken, http.Header{}, []byte("{}")), newsletter.Unavailable)
	}
}

func TestMailgunsSignature(t *testing.T) {
	t.Parallel()
	h := newHooked(t, dbtest.New(t))
	letters := h.reads(1, "a@example.com", "b@example.com")
	a, b := letters["a@example.com"], letters["b@example.com"]
	body := h.notice("mailgun-failed", a)
	h.clock.add(5*time.Minute + time.Second)
	wantKind(t, "an old signature", h.post("mailgun", body), newsletter.Unauthorized)
	h.clock.add(-10*time.Minute - 2*time.Second)
	wantKind(t, "a signature of tomorrow", h.post("mailgun", body), newsletter.Unauthorized)
	h.clock.add(5*time.Minute + time.Second)
	wantKind(t, "a changed signature", h.post("mailgun", bytes.Replace(body, []byte(`"signature":"`), []byte(`"signature":"0`), 1)), newsletter.Unauthorized)
	wantKind(t, "a changed time", h.post("mailgun", bytes.Replace(body, []byte(`{"timestamp":"`), []byte(`{"timestamp":"0`), 1)), newsletter.Unauthorized)
	h.must(h.post("mailgun", body))
	// The signature says nothing about the rest, so that whoever has seen one could put it on another.
	other := bytes.ReplaceAll(bytes.ReplaceAll(body, []byte(`"id":"event`), []byte(`"id":"other`)), []byte(a.rcpt), []byte(b.rcpt))
	wantKind(t, "a signature that was used", h.post("mailgun", other), newsletter.Unauthorized)
	if h.reader("b@example.com").Shown() != newsletter.Active {
		t.Error("the forgery counted")
	}
}

func TestSendGridsSignature(t *testing.T) {
	t.Parallel()
	h := newHooked(t, dbtest.New(t))
	a := h.reads(1, "a@example.com")["a@example.com"]
	body := h.notice("sendgrid-bounce", a)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	h.must(err)
	own := h.sendgrid
	h.sendgrid = stranger
	wantKind(t, "another key", h.post("sendgrid", body), newsletter.Unauthorized)
	h.sendgrid = own
	wantKind(t, "no signature", h.hooks.Take(t.Context(), "sendgrid", hookToken, http.Header{}, body), newsletter.Unauthorized)
	now := h.hooks.Now
	h.hooks.Now = func() time.Time { return now().Add(6 * time.Minute) }
	wantKind(t, "an old one", h.post("sendgrid", body), newsletter.Unauthorized)
	h.hooks.Now = now
	h.must(h.post("sendgrid", body))
	for _, bad := range []string{"", "x", "MFkwEwYHKoZIzj0CAQ", base64.StdEncoding.EncodeToString([]byte("key"))} {
		if _, err := feedback.ParseSendGridKey(bad); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}

// S47: whoever can write to SNS can write to us; only Amazon's signature and our own account count.
func TestAmazonsSignature(t *testing.T) {
	t.Parallel()
	h := newHooked(t, dbtest.New(t))
	a := h.reads(1, "a@example.com")["a@example.com"]
	base := func() map[string]string {
		return map[string]string{
			"Type": "Notification", "MessageId": "m1", "TopicArn": snsTopic, "Timestamp": h.clock.Now().Format(time.RFC3339), "Message": string(h.notice("ses-bounce", a)),
		}
	}
	take := func(body []byte) error { return h.hooks.Take(t.Context(), "ses", hookToken, nil, body) }
	changed := func(field, value string) []byte { // after it was signed
		var m map[string]string
		h.must(json.Unmarshal(h.amazon.message("2", base()), &m))
		m[field] = value
		raw, _ := json.Marshal(m)
		return raw
	}
	for field, values := range map[string][]string{
		"Message": {"x"}, "MessageId": {"m2"}, "TopicArn": {strings.Replace(snsTopic, "bounces", "others", 1), "", "arn:aws:sns:x"}, "Subject": {"x"}, "Type": {"SubscriptionConfirmation", "Other"},
		"Timestamp": {"2026-01-01T00:00:00Z", "", "now"}, "Signature": {"", "AAAA", "!"}, "SignatureVersion": {"1", "3", ""},
		"SigningCertURL": {
			"", "http://sns.ap-northeast-2.amazonaws.com/SimpleNotificationService-1.pem", "https://sns.ap-northeast-2.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
			"https://evil.example/SimpleNotificationService-1.pem", "https://sns.ap-northeast-2.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
			"https://evil.example#sns.ap-northeast-2.amazonaws.com/SimpleNotificationService-1.pem", "https://bucket.s3.ap-northeast-2.amazonaws.com/SimpleNotificationService-1.pem",
			"https://sns.ap-northeast-2.amazonaws.com:8443/SimpleNotificationService-1.pem", "https://sns.ap-northeast-2.amazonaws.com/evil.pem",
			"https://sns.ap-northeast-2.amazonaws.com/SimpleNotificationService-1.pem?x=1", "https://169.254.169.254/SimpleNotificationService-1.pem",
		},
	} {
		for _, v := range values {
			wantKind(t, field+" "+v, take(changed(field, v)), newsletter.Unauthorized)
		}
	}
	for _, url := range h.amazon.fetched {
		if url != snsCert {
			t.Errorf("fetched %s", url)
		}
	}
	if n := len(h.amazon.fetched); n != 1 {
		t.Errorf("the certificate was fetched %d times", n)
	}
	h.must(take(h.amazon.message("1", base())))
	h.must(take(h.amazon.message("2", base())))
	other := base()
	other["TopicArn"] = "arn:aws:sns:ap-northeast-2:999999999999:letter-bounces"
	wantKind(t, "somebody else's topic", take(h.amazon.message("2", other)), newsletter.Forbidden)
	other["TopicArn"] = "arn:aws:sns:ap-northeast-2:123456789012:letter-complaints"
	h.must(take(h.amazon.message("2", other)))
	if got := h.log(); got != "ses hard taken, ses hard known, ses hard known" {
		t.Errorf("the log says %s", got)
	}
	h.clock.add(200 * 24 * time.Hour)
	wantKind(t, "a certificate that is over", take(h.amazon.message("2", base())), newsletter.Unauthorized)
}

func TestAmazonAsksWhetherWeSubscribe(t *testing.T) {
	t.Parallel()
	h := newHooked(t, dbtest.New(t))
	ask := func(url string) []byte {
		return h.amazon.message("1", map[string]string{
			"Type": "SubscriptionConfirmation", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "Token": "2336412f37fb687f5d51e6e2425dacbbaba8", "TopicArn": snsTopic,
			"Message": "You have chosen to subscribe to the topic " + snsTopic + ".", "SubscribeURL": url, "Timestamp": h.clock.Now().Format(time.RFC3339),
		})
	}
	take := func(body []byte) error { return h.hooks.Take(t.Context(), "ses", hookToken, nil, body) }
	for _, url := range []string{
		"", "https://evil.example/?Action=ConfirmSubscription&TopicArn=" + snsTopic, strings.Replace(snsYes, "letter-bounces", "others", 1),
		strings.Replace(snsYes, "ConfirmSubscription", "Unsubscribe", 1), strings.Replace(snsYes, "https", "http", 1),
	} {
		wantKind(t, url, take(ask(url)), newsletter.Unauthorized)
	}
	if len(h.amazon.fetched) != 1 {
		t.Fatalf("fetched %v", h.amazon.fetched)
	}
	h.amazon.away = true
	wantKind(t, "while Amazon is away", take(ask(snsYes)), newsletter.Unavailable)
	h.amazon.away = false
	h.must(take(ask(snsYes)))
	if got := h.amazon.fetched[len(h.amazon.fetched)-1]; got != snsYes {
		t.Errorf("confirmed by %s", got)
	}
	if mark, err := h.FeedbackMark(t.Context(), newsletter.SESAccountMark); err != nil || mark != "arn:aws:sns:ap-northeast-2:123456789012" {
		t.Errorf("trusts %q, %v", mark, err)
	}
}

func TestANoticeThatCannotBeKeptComesAgain(t *testing.T) {
	t.Parallel()
	h := newHooked(t, dbtest.New(t))
	a := h.reads(1, "a@example.com")["a@example.com"]
	body := h.notice("postmark-hard", a)
	h.must(h.store.Close())
	wantKind(t, "with the store away", h.post("postmark", body), newsletter.Unavailable)
}
