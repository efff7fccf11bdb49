package mailer

import (
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"

	"techissue/newsletter"
)

// segments is text cut at its marks: literal, mark, literal, …
type segments struct {
	literals []string
	marks    []mark // one fewer than literals
}

type mark struct {
	kind     markKind
	fallback string // of a name
}

type markKind int

const (
	markName markKind = iota
	markUnsubscribe
	markPreferences
	markOpinion
	markConsent
	markClick // the token of counted links
	markOpen  // the token of the counting picture
)

// mergeTags are {이름|독자} with any default, {이름}, and the $%name%$ that letters of another service carry.
var mergeTags = regexp.MustCompile(`\{이름(?:\|([^{}|]{0,40}))?\}|\$%name%\$`)

// marker makes marks that survive Markdown, html/template and the inliner, and that nobody can write into an issue.
type marker struct {
	seed  string
	marks []mark
}

func newMarker() *marker { return &marker{seed: newsletter.Random(8)} }

func (m *marker) put(k mark) string {
	m.marks = append(m.marks, k)
	return "zq" + m.seed + "n" + strconv.Itoa(len(m.marks)-1) + "qz"
}

func (m *marker) names(s string) string {
	return mergeTags.ReplaceAllStringFunc(s, func(tag string) string {
		fallback := "독자"
		if sub := mergeTags.FindStringSubmatch(tag); sub[1] != "" {
			fallback = sub[1]
		}
		return m.put(mark{markName, fallback})
	})
}

func (m *marker) cut(s string) segments {
	var out segments
	re := regexp.MustCompile("zq" + m.seed + "n([0-9]+)qz")
	at := 0
	for _, loc := range re.FindAllStringSubmatchIndex(s, -1) {
		n, _ := strconv.Atoi(s[loc[2]:loc[3]])
		out.literals = append(out.literals, s[at:loc[0]])
		out.marks = append(out.marks, m.marks[n])
		at = loc[1]
	}
	out.literals = append(out.literals, s[at:])
	return out
}

func (s segments) join(value func(mark) string) string {
	var b strings.Builder
	for n, lit := range s.literals {
		b.WriteString(lit)
		if n < len(s.marks) {
			b.WriteString(value(s.marks[n]))
		}
	}
	return b.String()
}

// part is a MIME part whose literals are base64 already. Base64 works in groups of three bytes, and a reader's name moves all that
// follows by its length; so each literal is kept in the three ways in which it can fall into groups. What is left to do for a
// reader is to encode the few bytes around each mark and to copy the rest. A line may end after any group (RFC 2045 §6.8).
type part struct {
	segments
	shifted [][3]shifted
	size    int // bytes of the longest way, marks left out
}

// shifted is a literal without its first few bytes, which complete the group before it.
type shifted struct {
	head, tail string // not encoded here
	lines      []byte // whole groups, each line ending in CRLF
}

func newPart(s segments) part {
	p := part{segments: s, shifted: make([][3]shifted, len(s.literals))}
	for n, lit := range s.literals {
		for skip := range 3 {
			if len(lit) < base64Line { // not worth a line of its own
				p.shifted[n][skip] = shifted{head: lit}
				continue
			}
			whole := (len(lit) - skip) / 3 * 3
			p.shifted[n][skip] = shifted{
				head: lit[:skip], tail: lit[skip+whole:], lines: appendBase64(nil, []byte(lit[skip:skip+whole])),
			}
		}
		p.size += len(p.shifted[n][0].lines) + 2*base64Line
	}
	return p
}

// encode appends the part as one reader gets it. scratch is small and may be reused.
func (p *part) encode(to, scratch []byte, value func(mark) string) []byte {
	rest := scratch[:0] // raw bytes not yet in whole groups
	for n := range p.literals {
		w := &p.shifted[n][(3-len(rest)%3)%3]
		rest = append(rest, w.head...)
		if w.lines != nil {
			to = append(appendBase64(to, rest), w.lines...)
			rest = append(rest[:0], w.tail...)
		}
		if n < len(p.marks) {
			rest = append(rest, value(p.marks[n])...)
		}
	}
	return appendBase64(to, rest)
}

// base64Line is 57 bytes of content: 76 characters on the wire (RFC 2045 §6.8).
const base64Line = 57

// appendBase64 appends body in lines that end in CRLF; the last one is shorter, and padded unless body is whole groups.
func appendBase64(to, body []byte) []byte {
	for len(body) > 0 {
		n := min(len(body), base64Line)
		to = append(base64.StdEncoding.AppendEncode(to, body[:n]), '\r', '\n')
		body = body[n:]
	}
	return to
}
