package mailer

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
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

// encoded is a header value with Korean in it (RFC 2047), folded so that no line exceeds 76 characters. It begins on the
// header's own line: some mail programs take a blank in front of it for the value's. Control characters were refused where the text
// came in; here they would break the letter, so they end it.
func encoded(name, value string) (string, error) {
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("header %s holds a control character", name)
	}
	room := lineMost - len(name) - len(": ")
	if len(value) <= room && !strings.ContainsFunc(value, func(r rune) bool { return r > '~' }) && !strings.Contains(value, "=?") {
		return value, nil
	}
	return strings.Join(encodedWords(value, room), "\r\n "), nil
}

const (
	lineMost   = 76
	wordBefore = "=?utf-8?b?"
	wordAfter  = "?="
)

// encodedWords cuts text into encoded words of whole characters; the first one has room characters, the others a line.
func encodedWords(text string, room int) (words []string) {
	for text != "" {
		n := 0
		for _, r := range text {
			size := n + utf8.RuneLen(r)
			if n > 0 && len(wordBefore)+base64.StdEncoding.EncodedLen(size)+len(wordAfter) > room {
				break
			}
			n = size
		}
		words = append(words, wordBefore+base64.StdEncoding.EncodeToString([]byte(text[:n]))+wordAfter)
		text, room = text[n:], lineMost-len(" ")
	}
	return words
}

// mailbox is an address with a name before it.
func mailbox(name, address string) (string, error) {
	if strings.ContainsAny(address, "\r\n<>\x00 ") {
		return "", fmt.Errorf("address %q is unfit for a header", address)
	}
	if name == "" {
		return "<" + address + ">", nil
	}
	word, err := encoded("Reply-To", name)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(word, wordBefore) {
		word = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
	}
	if len(word)+len(address) > 62 {
		return word + "\r\n <" + address + ">", nil
	}
	return word + " <" + address + ">", nil
}

// mailDate is the Date header's form (RFC 5322 §3.3).
func mailDate(t time.Time) string { return t.Format("Mon, 02 Jan 2006 15:04:05 -0700") }

// bytes writes the letter. Both parts are base64: quoted-printable triples Korean text.
func (m message) bytes() []byte {
	b := appendHead(make([]byte, 0, (len(m.text)+len(m.html))*3/2+2048), m.headers, m.boundary)
	b = appendBase64(appendPartHead(b, m.boundary, "text/plain"), m.text)
	b = appendBase64(appendPartHead(b, m.boundary, "text/html"), m.html)
	return appendEnd(b, m.boundary)
}

func appendHead(to []byte, headers []header, boundary string) []byte {
	for _, h := range headers {
		to = append(append(to, h.name...), ": "...)
		to = append(append(to, h.value...), "\r\n"...)
	}
	to = append(to, "MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary=\""...)
	return append(append(to, boundary...), "\"\r\n\r\n"...)
}

func appendPartHead(to []byte, boundary, kind string) []byte {
	to = append(append(append(to, "--"...), boundary...), "\r\nContent-Type: "...)
	return append(append(to, kind...), "; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"...)
}

func appendEnd(to []byte, boundary string) []byte {
	return append(append(append(to, "--"...), boundary...), "--\r\n"...)
}
