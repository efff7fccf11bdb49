package mailer

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// DKIM signs finished letters (RFC 6376, RFC 8463), relaxed in head and body, without l=. The signature's t= is the letter's
// Date, so that a letter tried again has the same bytes; the libraries at hand put their own clock there.
type DKIM struct {
	domain, selector string
	key              crypto.Signer
	algorithm        string
}

// signedHeaders are all that a letter of ours carries, so that none can be changed or replayed under another one. RFC 8058 §4 wants
// both List-Unsubscribe ones.
var signedHeaders = []string{
	"From", "To", "Subject", "Date", "Message-ID", "Reply-To", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Precedence",
	"Feedback-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
}

// NewDKIM reads a private key in PEM: RSA of at least 1024 bits (2048 is what providers want) or Ed25519.
func NewDKIM(domain, selector string, keyPEM []byte) (*DKIM, error) {
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, errors.New("DKIM key: no PEM block")
	}
	var key any
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return nil, errors.New("DKIM key: neither PKCS #8 nor PKCS #1")
		}
	}
	d := &DKIM{domain: domain, selector: selector}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < 1024 {
			return nil, errors.New("DKIM key: RSA under 1024 bits is ignored by every verifier")
		}
		d.key, d.algorithm = k, "rsa-sha256"
	case ed25519.PrivateKey:
		d.key, d.algorithm = k, "ed25519-sha256"
	default:
		return nil, fmt.Errorf("DKIM key: %T is no key that DKIM knows", key)
	}
	return d, nil
}

// Sign returns the letter with its signature in front. data is whole: head, empty line, body, lines ending in CRLF.
func (d *DKIM) Sign(data []byte, date time.Time) ([]byte, error) {
	signature, err := d.signature(data, date)
	return append([]byte(signature), data...), err
}

// signature is the field that goes before the letter.
func (d *DKIM) signature(data []byte, date time.Time) (string, error) {
	head, body, ok := bytes.Cut(data, []byte("\r\n\r\n"))
	if !ok {
		return "", errors.New("sign: the letter has no body")
	}
	fields := unfold(string(head))
	var names []string
	hash := sha256.New()
	for _, name := range signedHeaders {
		value, ok := fields[strings.ToLower(name)]
		if !ok {
			continue
		}
		names = append(names, name)
		hash.Write([]byte(relaxed(name, value) + "\r\n"))
	}
	bodyHash := sha256.Sum256(relaxedBody(body))
	// Every line is kept under 76 characters by breaking only between tags and inside b=, where white space does not count.
	sig := "v=1; a=" + d.algorithm + "; c=relaxed/relaxed;\r\n d=" + d.domain + "; s=" + d.selector + ";" +
		fmt.Sprintf("\r\n t=%d;", date.Unix()) +
		"\r\n h=" + strings.Join(names, ":\r\n  ") + ";" +
		"\r\n bh=" + base64.StdEncoding.EncodeToString(bodyHash[:]) + ";\r\n b="
	hash.Write([]byte(relaxed("DKIM-Signature", sig)))
	digest := hash.Sum(nil)
	var opts crypto.SignerOpts = crypto.SHA256
	if d.algorithm == "ed25519-sha256" {
		opts = crypto.Hash(0) // RFC 8463: the SHA-256 digest itself is what PureEdDSA signs
	}
	signature, err := d.key.Sign(rand.Reader, digest, opts)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return "DKIM-Signature: " + sig + foldBase64(base64.StdEncoding.EncodeToString(signature)) + "\r\n", nil
}

func foldBase64(s string) string {
	var b strings.Builder
	for len(s) > 70 {
		b.WriteString(s[:70] + "\r\n  ")
		s = s[70:]
	}
	return b.String() + s
}

// unfold maps lower-case names to values; of a name that stands twice the last counts, as verifiers read from the bottom.
func unfold(head string) map[string]string {
	fields := map[string]string{}
	name := ""
	for line := range strings.SplitSeq(head, "\r\n") {
		if line != "" && (line[0] == ' ' || line[0] == '\t') {
			fields[name] += "\r\n" + line
			continue
		}
		n, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(n)
		fields[name] = value
	}
	return fields
}

// relaxed is RFC 6376 §3.4.2: lower-case name, white space runs to one space, none at the ends.
func relaxed(name, value string) string {
	return strings.ToLower(name) + ":" + strings.Join(strings.Fields(value), " ")
}

// relaxedBody is RFC 6376 §3.4.4: no space at line ends, runs to one, no empty lines at the end.
func relaxedBody(body []byte) []byte {
	if canonical(body) {
		return body
	}
	var b bytes.Buffer
	b.Grow(len(body))
	empty := 0
	for line := range bytes.SplitSeq(bytes.TrimSuffix(body, []byte("\r\n")), []byte("\r\n")) {
		line = squeeze(line)
		if len(line) == 0 {
			empty++
			continue
		}
		for ; empty > 0; empty-- {
			b.WriteString("\r\n")
		}
		b.Write(line)
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

// canonical tells that relaxing would change nothing, as in every letter of ours: two parts in base64.
func canonical(body []byte) bool {
	for _, loose := range []string{"\t", "  ", " \r\n"} {
		if bytes.Contains(body, []byte(loose)) {
			return false
		}
	}
	return bytes.HasSuffix(body, []byte("\r\n")) && !bytes.HasSuffix(body, []byte("\r\n\r\n")) && len(body) > len("\r\n")
}

func squeeze(line []byte) []byte {
	if !bytes.ContainsAny(line, " \t") {
		return line
	}
	var out []byte
	space := false
	for _, c := range line {
		if c == ' ' || c == '\t' {
			space = true
			continue
		}
		if space {
			out, space = append(out, ' '), false
		}
		out = append(out, c)
	}
	return out
}
