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
	if err := checkLines(l.Data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLetter, err)
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
// another past a server that sees ends of lines differently (security S26).
func checkLines(data []byte) error {
	if len(data) == 0 {
		return fmt.Errorf("empty")
	}
	if i := firstEightBit(data); i >= 0 {
		return fmt.Errorf("8-bit octet at %d", i)
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return fmt.Errorf("NUL at %d", i)
	}
	for rest := data; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			return fmt.Errorf("the last line does not end")
		}
		switch cr := bytes.IndexByte(rest[:i+1], '\r'); {
		case cr < 0:
			return fmt.Errorf("bare LF at %d", len(data)-len(rest)+i)
		case cr != i-1:
			return fmt.Errorf("bare CR at %d", len(data)-len(rest)+cr)
		case i-1 > 998:
			return fmt.Errorf("line of %d octets", i-1)
		}
		rest = rest[i+1:]
	}
	return nil
}

// firstEightBit looks at eight octets at once: letters are large and nearly always clean.
func firstEightBit(data []byte) int {
	i := 0
	for ; i+8 <= len(data); i += 8 {
		if binary.NativeEndian.Uint64(data[i:])&0x8080808080808080 != 0 {
			break
		}
	}
	for ; i < len(data); i++ {
		if data[i] >= 0x80 {
			return i
		}
	}
	return -1
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
