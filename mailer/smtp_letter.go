package mailer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// prepare checks a letter and makes the bytes that follow 354. They belong to the
// connection until the next letter. Nothing is mended silently: a signature covers the
// letter as it is.
func (c *Conn) prepare(l Letter) ([]byte, error) {
	if l.From != "" {
		if err := checkPath(l.From); err != nil {
			return nil, fmt.Errorf("%w: envelope sender: %w", ErrLetter, err)
		}
	}
	if err := checkPath(l.To); err != nil {
		return nil, fmt.Errorf("%w: recipient: %w", ErrLetter, err)
	}
	dots, err := checkLines(l.Data[:len(l.Data)-l.encoded])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLetter, err)
	}
	if end := ".\r\n"; !dots && cap(l.Data)-len(l.Data) >= len(end) {
		return append(l.Data, end...), nil // as it is, with the final dot in the room behind it
	}
	c.buf = stuff(c.buf[:0], l.Data)
	return c.buf, nil
}

// checkPath admits what stands between < and > by a list of what is harmless: the address
// is normalised long before, so that quotes, blanks, brackets or line ends here are
// somebody's attempt to write a command of his own (security S25).
func checkPath(addr string) error {
	local, domain, ok := strings.Cut(addr, "@")
	if !ok || local == "" || domain == "" || len(local) > 64 || len(addr) > 254 {
		return fmt.Errorf("%q is no address", addr)
	}
	for _, r := range local {
		if r > '~' || !alphanumeric(byte(r)) && !strings.ContainsRune(".!#$%&'*+-/=?^_`{|}~", r) {
			return fmt.Errorf("%q in a local part", r)
		}
	}
	for _, r := range domain {
		if r > '~' || !alphanumeric(byte(r)) && r != '.' && r != '-' && r != '_' {
			return fmt.Errorf("%q in a domain", r)
		}
	}
	return nil
}

func alphanumeric(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

// checkLines admits 7-bit lines of at most 998 octets that end in CRLF (RFC 5322 §2.1.1),
// without NUL and without a CR or LF on its own: with those one letter can smuggle
// another past a server that sees ends of lines differently (security S26). It also tells whether a line begins with a dot.
func checkLines(data []byte) (dots bool, err error) {
	if len(data) == 0 {
		return false, fmt.Errorf("empty")
	}
	begin := 0
	for i := 0; ; {
		i += plainRun(data[i:])
		if i == len(data) {
			return dots, fmt.Errorf("the last line does not end")
		}
		switch at := data[i]; {
		case at == '\r' && i+1 < len(data) && data[i+1] == '\n':
			if i-begin > 998 {
				return dots, fmt.Errorf("line of %d octets", i-begin)
			}
			dots = dots || data[begin] == '.'
			i += 2
			if begin = i; i == len(data) {
				return dots, nil
			}
		case at == '\r':
			return dots, fmt.Errorf("bare CR at %d", i)
		case at == '\n':
			return dots, fmt.Errorf("bare LF at %d", i)
		case at == 0:
			return dots, fmt.Errorf("NUL at %d", i)
		case at >= 0x80:
			return dots, fmt.Errorf("8-bit octet at %d", i)
		default: // a tab or the like
			i++
		}
	}
}

// plainRun is how many octets from the beginning are printable. It looks at eight at once: letters are large and nearly
// all base64.
func plainRun(data []byte) int {
	const low, high = 0x2020202020202020, 0x8080808080808080
	i := 0
	for ; i+8 <= len(data); i += 8 {
		if w := binary.LittleEndian.Uint64(data[i:]); (w|(w-low)&^w)&high != 0 {
			break // one below 0x20, or one above 0x7f
		}
	}
	for i < len(data) && data[i] >= 0x20 && data[i] < 0x80 {
		i++
	}
	return i
}

// stuff appends data to out with the dots doubled that begin a line (RFC 5321 §4.5.2) and
// the final one behind.
func stuff(out, data []byte) []byte {
	out = slices.Grow(out, len(data)+16)
	if data[0] == '.' {
		out = append(out, '.')
	}
	for {
		i := bytes.Index(data, []byte("\n."))
		if i < 0 {
			break
		}
		out = append(append(out, data[:i+2]...), '.')
		data = data[i+2:]
	}
	return append(append(out, data...), ".\r\n"...)
}
