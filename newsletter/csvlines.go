package newsletter

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

const (
	sniffSize = 64 << 10  // what is looked at to guess the encoding
	maxRecord = 256 << 10 // bytes of one record, however many lines it covers
	maxCell   = 64 << 10
)

// lineReader cuts a file into physical lines in UTF-8, whatever a Korean Excel made of it. It holds one line at a time,
// and of a line that is too long only its length, so that a file of one endless line costs no memory.
type lineReader struct {
	r      *bufio.Reader
	cp949  bool // what the beginning of the file is written in; single lines may differ
	number int64
	back   []line // lines given back, the next one last
}

// line is one physical line without its end.
type line struct {
	number int64
	text   string
	fault  string // why it cannot be used: Korean, "" when it can
}

// newLineReader looks at the first 64 KB: a BOM decides, then whether more lines with Hangul are good UTF-8 or not.
// CP949 never hides a comma, quote or line break inside a character, so lines can be cut before they are decoded.
func newLineReader(r io.Reader) (*lineReader, error) {
	br := bufio.NewReaderSize(r, sniffSize)
	head, err := br.Peek(sniffSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")):
		_, err = br.Discard(3)
		return &lineReader{r: br}, err
	case bytes.HasPrefix(head, []byte("\xFF\xFE")), bytes.HasPrefix(head, []byte("\xFE\xFF")): // Excel's "Unicode text"
		decoder := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder()
		return &lineReader{r: bufio.NewReaderSize(transform.NewReader(br, decoder), sniffSize)}, nil
	}
	return &lineReader{r: br, cp949: koreanExcel(wholeRunes(head, len(head) == sniffSize))}, nil
}

// koreanExcel judges by the majority of lines, so that one broken character does not spoil a whole file.
func koreanExcel(sample []byte) bool {
	good, bad := 0, 0
	for l := range bytes.Lines(sample) {
		switch {
		case !utf8.Valid(l):
			bad++
		case bytes.ContainsFunc(l, func(r rune) bool { return r >= utf8.RuneSelf }):
			good++
		}
	}
	return bad > good
}

// wholeRunes drops a character that the end of the sample cut in two.
func wholeRunes(sample []byte, cut bool) []byte {
	for i := 1; cut && i < utf8.UTFMax && i <= len(sample); i++ {
		if tail := sample[len(sample)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return sample[:len(sample)-i]
			}
			break
		}
	}
	return sample
}

// next returns io.EOF behind the last line, and the error of the file when it broke.
func (l *lineReader) next() (line, error) {
	if n := len(l.back); n > 0 {
		last := l.back[n-1]
		l.back = l.back[:n-1]
		return last, nil
	}
	var buf []byte
	size := 0
	for {
		part, err := l.r.ReadSlice('\n')
		size += len(part)
		if size <= maxRecord {
			buf = append(buf, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return line{}, err
		}
		if size == 0 {
			return line{}, io.EOF
		}
		break
	}
	l.number++
	if size > maxRecord {
		return line{number: l.number, text: string(buf[:200]), fault: "줄이 너무 길어요(256KB까지)."}, nil
	}
	return l.decode(bytes.TrimSuffix(bytes.TrimSuffix(buf, []byte("\n")), []byte("\r"))), nil
}

func (l *lineReader) decode(raw []byte) line {
	out := line{number: l.number}
	utf := utf8.Valid(raw)
	if !utf || l.cp949 {
		text, err := korean.EUCKR.NewDecoder().Bytes(raw) // it knows all of CP949
		switch {
		case err == nil && !bytes.ContainsRune(text, utf8.RuneError):
			out.text = string(text)
		case utf:
			out.text = string(raw)
		default:
			out.text, out.fault = string(text), "글자를 읽을 수 없어요(UTF-8도 CP949도 아니에요)."
			return out
		}
	} else {
		out.text = string(raw)
	}
	if strings.IndexByte(out.text, 0) >= 0 {
		out.fault = "NUL 글자가 들어 있어요."
	}
	return out
}

// giveBack makes the next calls of next return these lines again, in their order.
func (l *lineReader) giveBack(lines []line) {
	for i := len(lines) - 1; i >= 0; i-- {
		l.back = append(l.back, lines[i])
	}
}
