package mailer

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
)

// Domain is the signing domain, Name the place of the public key in DNS.
func (d *DKIM) Domain() string { return d.domain }
func (d *DKIM) Name() string   { return d.selector + "._domainkey." + d.domain }

// Record is the TXT record that publishes the public key (RFC 6376 §3.6.1; RFC 8463 §4.2 for Ed25519, whose p= is the bare key).
func (d *DKIM) Record() (string, error) {
	if k, ok := d.key.Public().(ed25519.PublicKey); ok {
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(k), nil
	}
	raw, err := x509.MarshalPKIXPublicKey(d.key.Public())
	if err != nil {
		return "", fmt.Errorf("DKIM record: %w", err)
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(raw), nil
}

// Publishes tells whether a TXT record holds this key.
func (d *DKIM) Publishes(record string) bool {
	own, err := d.Record()
	return err == nil && dkimKey(record) == dkimKey(own)
}

// dkimKey is the p= tag, without the white space that DNS panels put into long values.
func dkimKey(record string) string {
	for tag := range strings.SplitSeq(record, ";") {
		if name, value, ok := strings.Cut(tag, "="); ok && strings.TrimSpace(name) == "p" {
			return strings.Join(strings.Fields(value), "")
		}
	}
	return ""
}

// NewDKIMKey makes a private key in PEM: RSA-2048, which every provider knows, or Ed25519.
func NewDKIMKey(ed bool) ([]byte, error) {
	var key any
	var err error
	if ed {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return nil, fmt.Errorf("make a DKIM key: %w", err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make a DKIM key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), nil
}
