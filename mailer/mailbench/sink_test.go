package mailbench

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A letter ends at the lone dot and nowhere else, however it is cut on its way; what follows is left for the next command.
func TestALetterEndsAtItsLoneDot(t *testing.T) {
	t.Parallel()
	for name, letter := range map[string]string{
		"one line":                 "Subject: a\r\n.\r\n",
		"dots within":              "see a.example.\r\nand ... more\r\n.\r\n",
		"a stuffed dot":            "a\r\n..\r\n..b\r\n.\r\n",
		"a dot that begins a line": "a\r\n.b\r\n.\r\n",
		"a bare line feed":         "a\n.\nb\r\n.\r\n",
		"a long body":              strings.Repeat(strings.Repeat("A", 76)+"\r\n", 900) + ".\r\n",
	} {
		for cut, read := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "bytes": iotest.OneByteReader,
		} {
			r := bufio.NewReaderSize(read(strings.NewReader(letter+"QUIT\r\n")), 256)
			if !skipLetter(r) {
				t.Errorf("%s in %s: no end was found", name, cut)
				continue
			}
			if rest, err := r.ReadString('\n'); err != nil || rest != "QUIT\r\n" {
				t.Errorf("%s in %s: %q is left (%v)", name, cut, rest, err)
			}
		}
		if r := bufio.NewReader(strings.NewReader(strings.TrimSuffix(letter, "\n"))); skipLetter(r) {
			t.Errorf("%s: an end was found where none is", name)
		}
	}
}
