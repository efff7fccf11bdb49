package smtptest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strconv"
	"strings"
	"time"
)

// Message is a letter the server took.
type Message struct {
	Seq       int // 1 is the first letter the server took
	Conn      int
	TLS       bool
	At        time.Time
	From      string   // envelope
	To        []string // envelope: accepted recipients
	MessageID string   // with its brackets
	Size      int      // bytes on the wire, without the final dot
	Data      []byte   // dots undone; nil with Config.Discard
	Answered  bool     // its 250 was written whole; false means the client is in doubt
}

// Rcpt is the first envelope recipient.
func (m Message) Rcpt() string {
	if len(m.To) == 0 {
		return ""
	}
	return m.To[0]
}

func queueID(seq int) string { return "T" + strings.ToUpper(strconv.FormatInt(int64(seq)+46655, 36)) }

// QueueID is the id this server named in its 250.
func (m Message) QueueID() string { return queueID(m.Seq) }

// Header gives the letter's own headers as sent; nil when they cannot be read.
func (m Message) Header() mail.Header {
	msg, err := mail.ReadMessage(bytes.NewReader(m.Data))
	if err != nil {
		return nil
	}
	return msg.Header
}

// Subject is decoded (RFC 2047).
func (m Message) Subject() string {
	s := m.Header().Get("Subject")
	if d, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
		return d
	}
	return s
}

// Part is one leaf of the letter, decoded.
type Part struct {
	Type   string // text/plain
	Header map[string][]string
	Body   []byte
}

// Parts gives the leaves in order.
func (m Message) Parts() ([]Part, error) {
	msg, err := mail.ReadMessage(bytes.NewReader(m.Data))
	if err != nil {
		return nil, err
	}
	return parts(msg.Header, msg.Body, 0)
}

func parts(h map[string][]string, body io.Reader, depth int) ([]Part, error) {
	if depth > 10 {
		return nil, errors.New("parts nested too deep")
	}
	kind, params, err := mime.ParseMediaType(mail.Header(h).Get("Content-Type"))
	if err != nil {
		return nil, fmt.Errorf("content type: %w", err)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		b, err := io.ReadAll(decoder(mail.Header(h).Get("Content-Transfer-Encoding"), body))
		return []Part{{Type: kind, Header: h, Body: b}}, err
	}
	var all []Part
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		sub, err := parts(p.Header, p, depth+1)
		if all = append(all, sub...); err != nil {
			return all, err
		}
	}
}

func decoder(encoding string, r io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return r
}

// Text and HTML give the first part of their kind, decoded; "" when there is none.
func (m Message) Text() string { return m.first("text/plain") }
func (m Message) HTML() string { return m.first("text/html") }

func (m Message) first(kind string) string {
	all, _ := m.Parts()
	for _, p := range all {
		if p.Type == kind {
			return string(p.Body)
		}
	}
	return ""
}
