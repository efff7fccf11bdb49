package mailer

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime"
	"strings"
	"time"
)

// header is one line of a letter's head, its value already fit for the wire.
type header struct{ name, value string }

// message is a letter about to be written: headers, and a text and an HTML part.
type message struct {
	headers  []header
	boundary string
	text     []byte
	html     []byte
}

// encoded is a header value with Korean in it (RFC 2047), folded so that no line exceeds 76 characters. Control
// characters were refused where the text came in; here they would break the letter, so they end it.
func encoded(name, value string) (string, error) {
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("header %s holds a control character", name)
	}
	word := strings.ReplaceAll(mime.BEncoding.Encode("utf-8", value), "?= =?", "?=\r\n =?")
	if first, _, _ := strings.Cut(word, "\r\n"); len(name)+len(": ")+len(first) > 76 {
		word = "\r\n " + word
	}
	return word, nil
}

// mailbox is an address with a name before it.
func mailbox(name, address string) (string, error) {
	if strings.ContainsAny(address, "\r\n<>\x00 ") {
		return "", fmt.Errorf("address %q is unfit for a header", address)
	}
	if name == "" {
		return "<" + address + ">", nil
	}
	word, err := encoded("name", name)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(word, "=?") {
		word = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
	}
	if len(word)+len(address) > 66 {
		return word + "\r\n <" + address + ">", nil
	}
	return word + " <" + address + ">", nil
}

// mailDate is the Date header's form (RFC 5322 §3.3).
func mailDate(t time.Time) string { return t.Format("Mon, 02 Jan 2006 15:04:05 -0700") }

// bytes writes the letter. Both parts are base64: quoted-printable triples Korean text.
func (m message) bytes() []byte {
	var b bytes.Buffer
	b.Grow(len(m.text)*3/2 + len(m.html)*3/2 + 2048)
	for _, h := range m.headers {
		if !strings.HasPrefix(h.value, "\r\n") {
			h.value = " " + h.value
		}
		b.WriteString(h.name + ":" + h.value + "\r\n")
	}
	b.WriteString("MIME-Version: 1.0\r\n")
	b.WriteString("Content-Type: multipart/alternative;\r\n boundary=\"" + m.boundary + "\"\r\n\r\n")
	for _, part := range []struct {
		kind string
		body []byte
	}{{"text/plain", m.text}, {"text/html", m.html}} {
		b.WriteString("--" + m.boundary + "\r\n")
		b.WriteString("Content-Type: " + part.kind + "; charset=utf-8\r\n")
		b.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
		writeBase64(&b, part.body)
	}
	b.WriteString("--" + m.boundary + "--\r\n")
	return b.Bytes()
}

// base64Line is 57 bytes of content: 76 characters on the wire (RFC 2045 §6.8).
const base64Line = 57

func writeBase64(b *bytes.Buffer, body []byte) {
	var line [76]byte
	for len(body) > 0 {
		n := min(len(body), base64Line)
		base64.StdEncoding.Encode(line[:], body[:n])
		b.Write(line[:base64.StdEncoding.EncodedLen(n)])
		b.WriteString("\r\n")
		body = body[n:]
	}
}
