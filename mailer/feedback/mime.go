package feedback

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
)

// Limits of a message's shape. What lies beyond is not looked at.
const (
	maxDepth   = 10
	maxParts   = 100
	maxFields  = 300
	maxField   = 8 << 10
	maxDecoded = 64 << 10 // of a part's text
)

// part is a message or a part of one.
type part struct {
	header header
	kind   string // text/plain, in lower case
	params map[string]string
	body   []byte
	parts  []*part // of a multipart, or the one message in a message/rfc822
}

// header is the fields of a head, in order, unfolded; names in lower case.
type header []field

type field struct{ name, value string }

func (h header) get(name string) string {
	for _, f := range h {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

func (h header) has(name string) bool { return len(h.all(name)) > 0 }

func (h header) all(name string) (values []string) {
	for _, f := range h {
		if f.name == name {
			values = append(values, f.value)
		}
	}
	return values
}

// parse never fails: what is malformed reads as far as it can. The parts share the message's memory.
func parse(message []byte) *part {
	left := maxParts
	return parsePart(message, 0, &left)
}

func parsePart(data []byte, depth int, left *int) *part {
	p := &part{}
	p.header, p.body = splitHead(data)
	kind, params, err := mime.ParseMediaType(p.header.get("content-type"))
	if err != nil { // a bad parameter must not hide a report
		kind, _, _ = strings.Cut(p.header.get("content-type"), ";")
	}
	p.kind, p.params = strings.ToLower(strings.TrimSpace(kind)), params
	if p.kind == "" {
		p.kind = "text/plain"
	}
	if depth >= maxDepth {
		return p
	}
	switch {
	case strings.HasPrefix(p.kind, "multipart/") && p.params["boundary"] != "":
		for _, piece := range pieces(p.body, p.params["boundary"], *left) {
			if *left--; *left < 0 {
				break
			}
			p.parts = append(p.parts, parsePart(piece, depth+1, left))
		}
	case p.kind == "message/rfc822" || p.kind == "message/global":
		if *left--; *left >= 0 {
			p.parts = []*part{parsePart(p.decoded(MaxRead), depth+1, left)}
		}
	}
	return p
}

// splitHead separates the fields from the body at the first empty line.
func splitHead(data []byte) (h header, body []byte) {
	var value []byte // of the last field, which may go on
	keep := func() {
		if len(h) > 0 {
			h[len(h)-1].value = string(value)
		}
	}
	defer keep()
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			return h, rest
		}
		data = rest
		if (line[0] == ' ' || line[0] == '\t') && len(h) > 0 {
			if len(value)+len(line) < maxField {
				value = append(append(value, ' '), bytes.TrimSpace(line)...)
			}
			continue
		}
		name, rest, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) > 100 || len(h) >= maxFields {
			continue
		}
		keep()
		value = append(value[:0], bytes.TrimSpace(rest[:min(len(rest), maxField)])...)
		h = append(h, field{name: strings.ToLower(string(bytes.TrimSpace(name)))})
	}
	return h, nil
}

// pieces cuts a multipart at its boundary lines; one that was cut off keeps its last piece.
func pieces(body []byte, boundary string, limit int) (out [][]byte) {
	mark := []byte("--" + boundary)
	begin := -1
	for at := 0; at < len(body) && len(out) < limit; {
		end := bytes.IndexByte(body[at:], '\n')
		next := len(body)
		if end >= 0 {
			next = at + end + 1
		}
		line := body[at:next]
		if bytes.HasPrefix(line, mark) {
			tail := bytes.TrimSpace(line[len(mark):])
			if len(tail) == 0 || bytes.Equal(tail, []byte("--")) {
				if begin >= 0 {
					out = append(out, body[begin:at])
				}
				if begin = next; len(tail) > 0 {
					return out
				}
			}
		}
		at = next
	}
	if begin >= 0 && begin < len(body) && len(out) < limit {
		out = append(out, body[begin:])
	}
	return out
}

// decoded undoes the transfer encoding, up to limit bytes.
func (p *part) decoded(limit int) []byte {
	var r io.Reader = bytes.NewReader(p.body)
	switch strings.ToLower(p.header.get("content-transfer-encoding")) {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	default:
		return p.body[:min(len(p.body), limit)]
	}
	out, _ := io.ReadAll(io.LimitReader(r, int64(limit))) // broken encoding ends the text
	return out
}

// text is a part's text in UTF-8.
func (p *part) text() string {
	raw := p.decoded(maxDecoded)
	if enc, err := htmlindex.Get(p.params["charset"]); err == nil {
		if utf, err := enc.NewDecoder().Bytes(raw); err == nil {
			raw = utf
		}
	}
	return strings.ToValidUTF8(string(raw), "\ufffd")
}

// find returns the first part of one of the kinds, without looking into enclosed messages.
func (p *part) find(kinds ...string) *part {
	for _, k := range kinds {
		if p.kind == k {
			return p
		}
	}
	if !strings.HasPrefix(p.kind, "multipart/") {
		return nil
	}
	for _, sub := range p.parts {
		if found := sub.find(kinds...); found != nil {
			return found
		}
	}
	return nil
}

// returnedHead is the head of the letter that came back: whole, or its head alone.
func (p *part) returnedHead() header {
	if m := p.find("message/rfc822", "message/global"); m != nil && len(m.parts) > 0 {
		return m.parts[0].header
	}
	if m := p.find("text/rfc822-headers", "message/rfc822-headers", "message/global-headers"); m != nil {
		h, _ := splitHead(append(m.decoded(maxDecoded), '\n'))
		return h
	}
	return nil
}

// words is what the message says in text: its plain part, or the HTML one without its tags.
func (p *part) words() string {
	if t := p.find("text/plain"); t != nil {
		return t.text()
	}
	if t := p.find("text/html"); t != nil {
		return strings.ReplaceAll(withoutTags(t.text()), "&nbsp;", " ")
	}
	return ""
}

// withoutTags puts a line end in the place of each tag; style sheets and comments go with all that is in them. It reads the
// text once: a pattern would look for the end of each style sheet again and again.
func withoutTags(html string) string {
	var b strings.Builder
	for {
		open := strings.IndexByte(html, '<')
		if open < 0 {
			b.WriteString(html)
			return b.String()
		}
		b.WriteString(html[:open] + "\n")
		html = html[open:]
		end := ">"
		switch {
		case len(html) >= 6 && strings.EqualFold(html[:6], "<style"):
			end = "</style>"
		case strings.HasPrefix(html, "<!--"):
			end = "-->"
		}
		at := strings.Index(html, end)
		if at < 0 {
			return b.String()
		}
		html = html[at+len(end):]
	}
}

var decoder = mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
	enc, err := htmlindex.Get(charset)
	if err != nil {
		return nil, err
	}
	return enc.NewDecoder().Reader(r), nil
}}

// word decodes a header's encoded words (RFC 2047); one that cannot be read stays as it is.
func word(s string) string {
	if out, err := decoder.DecodeHeader(s); err == nil {
		return out
	}
	return s
}
