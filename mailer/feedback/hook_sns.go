package feedback

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"techissue/newsletter"
)

// snsMessage is what Amazon SNS posts (its documentation, "Parsing message formats").
type snsMessage struct {
	Type                           string
	ID                             string `json:"MessageId"`
	TopicArn, Subject, Message     string
	Timestamp, Token, SubscribeURL string
	SignatureVersion, Signature    string
	SigningCertURL                 string
}

// signed is the text that the signature is over: these fields in alphabetical order, a name and a value a line.
func (m *snsMessage) signed() []byte {
	var b strings.Builder
	add := func(name, value string) { b.WriteString(name + "\n" + value + "\n") }
	add("Message", m.Message)
	add("MessageId", m.ID)
	if m.Type == "Notification" {
		if m.Subject != "" {
			add("Subject", m.Subject)
		}
		add("Timestamp", m.Timestamp)
	} else {
		add("SubscribeURL", m.SubscribeURL)
		add("Timestamp", m.Timestamp)
		add("Token", m.Token)
	}
	add("TopicArn", m.TopicArn)
	add("Type", m.Type)
	return []byte(b.String())
}

var (
	snsHost  = regexp.MustCompile(`^sns\.[a-z]{2}(-[a-z]+)+-\d\.amazonaws\.com(\.cn)?$`)
	snsTopic = regexp.MustCompile(`^(arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}):[A-Za-z0-9_.-]{1,256}$`)
)

// snsAddress tells whether an address in a message leads to Amazon SNS itself. Anybody can write a message that names their own.
func snsAddress(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" || u.Fragment != "" || !snsHost.MatchString(u.Host) {
		return nil, badSignature("an address that is not Amazon's")
	}
	return u, nil
}

// ses takes what Amazon SES tells through SNS: bounces, complaints, and the question whether we subscribe.
func (h *Hooks) ses(ctx context.Context, _ http.Header, body []byte) ([]newsletter.Feedback, error) {
	var m snsMessage
	if err := read(body, &m); err != nil {
		return nil, err
	}
	if err := h.verifySNS(ctx, &m); err != nil {
		return nil, err
	}
	if err := h.trustTopic(ctx, m.TopicArn); err != nil {
		return nil, err
	}
	switch m.Type {
	case "SubscriptionConfirmation":
		return nil, h.subscribeSNS(ctx, &m)
	case "Notification":
		return readSES(m.Message, m.ID)
	case "UnsubscribeConfirmation":
		h.Log.Warn("Amazon SNS unsubscribed this house: bounces come no more", "topic", m.TopicArn)
		return nil, nil
	}
	return nil, badNotice("a message of type " + newsletter.CleanReply(m.Type))
}

// snsLife is how old a message may be: SNS tries for weeks where it is told to, and what was taken is remembered for longer.
const snsLife = 30 * 24 * time.Hour

func (h *Hooks) verifySNS(ctx context.Context, m *snsMessage) error {
	at, err := time.Parse(time.RFC3339, m.Timestamp)
	if err != nil || h.Now().Sub(at) > snsLife || at.Sub(h.Now()) > time.Hour {
		return badSignature("a timestamp of " + newsletter.CleanReply(m.Timestamp))
	}
	signature, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil {
		return badSignature("no base64")
	}
	key, err := h.snsKey(ctx, m.SigningCertURL)
	if err != nil {
		return err
	}
	switch m.SignatureVersion {
	case "1": // SHA-1 is what SNS uses unless a topic is set to version 2
		sum := sha1.Sum(m.signed())
		err = rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature)
	case "2":
		sum := sha256.Sum256(m.signed())
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
	default:
		return badSignature("a signature of version " + newsletter.CleanReply(m.SignatureVersion))
	}
	if err != nil {
		return badSignature(err.Error())
	}
	return nil
}

// cachedCert is a certificate that was fetched.
type cachedCert struct {
	key   *rsa.PublicKey
	until time.Time
}

const mostCerts = 8

// snsKey gets the key of a certificate of Amazon's, fetched over TLS from Amazon and kept until it expires.
func (h *Hooks) snsKey(ctx context.Context, raw string) (*rsa.PublicKey, error) {
	u, err := snsAddress(raw)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(u.Path, "/SimpleNotificationService-") || !strings.HasSuffix(u.Path, ".pem") || u.RawQuery != "" {
		return nil, badSignature("a certificate of another service")
	}
	h.certs.mu.Lock()
	defer h.certs.mu.Unlock()
	if c := h.certs.by[raw]; c != nil && h.Now().Before(c.until) {
		return c.key, nil
	}
	text, err := h.Fetch(ctx, raw)
	if err != nil {
		return nil, &newsletter.Error{Kind: newsletter.Unavailable, Code: "no_certificate", Msg: "지금은 서명을 확인할 수 없어요.", Err: err}
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, badSignature("no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, badSignature(err.Error())
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || h.Now().Before(cert.NotBefore) || !h.Now().Before(cert.NotAfter) {
		return nil, badSignature("a certificate that is not valid now")
	}
	if h.certs.by == nil || len(h.certs.by) >= mostCerts {
		h.certs.by = map[string]*cachedCert{}
	}
	h.certs.by[raw] = &cachedCert{key, cert.NotAfter}
	return key, nil
}

func (h *Hooks) trustTopic(ctx context.Context, topic string) error {
	found := snsTopic.FindStringSubmatch(topic)
	if found == nil {
		return badSignature("no topic")
	}
	known, err := h.Store.FeedbackMark(ctx, newsletter.SESAccountMark)
	switch {
	case err != nil:
		return err
	case known == "":
		h.Log.Info("feedback: topics of this account are trusted from now on", "account", found[1])
		return h.Store.PutFeedbackMark(ctx, newsletter.SESAccountMark, found[1])
	case known != found[1]:
		return &newsletter.Error{
			Kind: newsletter.Forbidden, Code: "other_account", Msg: "다른 AWS 계정의 토픽이에요.",
			Err: fmt.Errorf("topics of %s are trusted, this one is of %s: the desk's page 반송함 forgets the old account", known, found[1]),
		}
	}
	return nil
}

// subscribeSNS says yes by visiting the address that only Amazon and we know.
func (h *Hooks) subscribeSNS(ctx context.Context, m *snsMessage) error {
	u, err := snsAddress(m.SubscribeURL)
	if err != nil {
		return err
	}
	if q := u.Query(); q.Get("Action") != "ConfirmSubscription" || q.Get("TopicArn") != m.TopicArn {
		return badSignature("an address that confirms something else")
	}
	if _, err := h.Fetch(ctx, m.SubscribeURL); err != nil {
		return &newsletter.Error{Kind: newsletter.Unavailable, Code: "not_confirmed", Msg: "지금은 구독을 확인할 수 없어요.", Err: err}
	}
	h.Log.Info("feedback: subscribed to a topic of Amazon SNS", "topic", m.TopicArn)
	return nil
}
