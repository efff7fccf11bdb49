package mailbench

import (
	"bufio"
	"bytes"
	"net"
	"sync/atomic"
	"time"
)

// Sink takes every letter and forgets it, as fast as it can, with a delay before each answer: one for each round trip that a
// client waits for. It knows just as much SMTP as well-behaved clients need, PIPELINING included.
type Sink struct {
	Delay time.Duration

	listener net.Listener
	letters  atomic.Int64
}

// Listen begins to serve on addr, 127.0.0.1:0 for any port.
func (s *Sink) Listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s.listener = l
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return nil
}

// Addr is where it listens.
func (s *Sink) Addr() string { return s.listener.Addr().String() }

// Letters counts what was taken.
func (s *Sink) Letters() int64 { return s.letters.Load() }

// Close ends the listening.
func (s *Sink) Close() error { return s.listener.Close() }

// serve answers one client. Replies gather while commands are waiting and leave together, after the delay.
func (s *Sink) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 256<<10)
	w := bufio.NewWriterSize(conn, 4<<10)
	say := func(line string) bool {
		_, err := w.WriteString(line)
		return err == nil
	}
	flush := func() bool {
		if s.Delay > 0 {
			time.Sleep(s.Delay)
		}
		return w.Flush() == nil
	}
	if !say("220 sink.localhost ESMTP\r\n") || !flush() {
		return
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		verb := bytes.ToUpper(line[:min(len(line), 4)])
		switch string(verb) {
		case "EHLO":
			say("250-sink.localhost\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n")
		case "DATA":
			say("354 go ahead\r\n")
			if !flush() || !skipLetter(r) {
				return
			}
			s.letters.Add(1)
			say("250 2.0.0 Ok: queued as 4XkQ7n2Zz9\r\n")
		case "QUIT":
			say("221 2.0.0 bye\r\n")
			flush()
			return
		default:
			say("250 2.1.0 Ok\r\n")
		}
		if r.Buffered() == 0 && !flush() {
			return
		}
	}
}

// endOfLetter is RFC 5321's lone dot.
var endOfLetter = []byte("\r\n.\r\n")

// indexEnd finds the end of a letter by its dots: base64 has none, so that one pass over a letter is all.
func indexEnd(part []byte) int {
	for at := 2; at < len(part); at++ {
		dot := bytes.IndexByte(part[at:], '.')
		if dot < 0 {
			return -1
		}
		if at += dot; bytes.HasPrefix(part[at-2:], endOfLetter) {
			return at - 2
		}
	}
	return -1
}

// skipLetter reads up to the lone dot. No byte is looked at twice but the last few of a part.
func skipLetter(r *bufio.Reader) bool {
	kept := 0
	for {
		if _, err := r.Peek(kept + 1); err != nil {
			return false
		}
		part, _ := r.Peek(r.Buffered())
		if i := indexEnd(part); i >= 0 {
			_, err := r.Discard(i + len(endOfLetter))
			return err == nil
		}
		kept = min(len(part), len(endOfLetter)-1)
		if _, err := r.Discard(len(part) - kept); err != nil {
			return false
		}
	}
}
