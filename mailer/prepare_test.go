package mailer

import (
	"bytes"
	"testing"
)

// What checking and finishing the bytes of a letter costs: 70 KB, as 12 KB of Korean text are in base64 with their HTML.
func BenchmarkPrepare(b *testing.B) {
	line := append(bytes.Repeat([]byte("QUJD"), 19), "\r\n"...)
	data := make([]byte, 0, 80<<10)
	for len(data) < 70<<10 {
		data = append(data, line...)
	}
	c := &Conn{}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := c.prepare(Letter{From: "b+1.abc@bounce.example", To: "reader@example.com", Data: data}); err != nil {
			b.Fatal(err)
		}
	}
}

// WholeCheck judges all of a letter's bytes, also those that are trusted on the fast path.
func (l Letter) WholeCheck() (trusted []byte, dots bool, err error) {
	dots, err = checkLines(l.Data)
	return l.Data[len(l.Data)-l.encoded:], dots, err
}
