// Package smtptest is a mail server that does as it is told: it refuses, waits, hangs,
// drops or talks nonsense at any stage of any conversation, by recipient, by domain, by
// attempt, and it keeps what it caught. It talks SMTP over net directly, because a proper
// server library cannot be made to stop in the middle of a word.
//
// It is also strict where real servers are: bare line ends, a body sent before 354,
// commands sent ahead without PIPELINING and unstuffed dots are refused and listed in
// Faults. A zero Config is a polite modern server without TLS on a free port of 127.0.0.1:
//
//	srv := smtptest.New(t, smtptest.Config{Rules: []smtptest.Rule{
//		smtptest.Refuse(smtptest.Rcpt, "gone@a.example", 550, "5.1.1 no such user"),
//		{At: smtptest.Answer, Domain: "b.example", LastAttempt: 1, Do: smtptest.Action{Drop: smtptest.DropBefore}},
//	}})
//
// What it took is in Accepted: a letter counts from the moment the server would have
// delivered it, and Message.Answered says whether its 250 was written. Besides the tests,
// the demo uses it as its built-in mailbox.
package smtptest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what kind of server it is. The zero value works.
type Config struct {
	Addr     string // "" means 127.0.0.1:0
	Hostname string // in the greeting; "" means mail.test

	// Features are the words of the EHLO reply, without STARTTLS, AUTH and SIZE, which
	// follow from the fields below. nil means DefaultFeatures.
	Features []string
	Size     int64 // SIZE: refuses larger letters with 552; 0 does not advertise it

	StartTLS    bool
	ImplicitTLS bool
	CertNames   []string // nil: 127.0.0.1, ::1 and localhost
	CertExpired bool

	// User switches AUTH PLAIN and LOGIN on and makes it a duty. With TLS configured it
	// is offered only under TLS.
	User, Password string
	AuthMechanisms []string // nil: PLAIN and LOGIN

	MaxConns   int // more connections at once are greeted with 421
	MaxLetters int // the next MAIL on the same connection gets 421
	CloseAfter int // closes without a word after so many letters on one connection

	Rules []Rule // the first that matches decides

	Discard  bool   // keep the envelope and Message-ID of a letter, not its bytes
	LogLimit int    // commands kept; 0 means 100,000, negative none
	LogFile  string // appends a JSON line per accepted letter, see ReadLog
	EmlDir   string // writes each letter as a file there (not with Discard)

	Now func() time.Time // nil: time.Now
}

// DefaultFeatures is what a modern relay offers.
func DefaultFeatures() []string {
	return []string{"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"}
}

// Command is one line a client sent. What a client says inside AUTH is kept too.
type Command struct {
	At   time.Time
	Conn int // 1 is the first connection
	TLS  bool
	Line string
}

// Fault is a breach of the protocol by a client.
type Fault struct {
	Conn int
	Text string
}

// Server is a running server. All methods may be called at any time by anyone.
type Server struct {
	cfg      Config
	listener net.Listener
	tls      *tls.Config
	roots    *x509.CertPool
	certPEM  []byte
	sink     *sink

	quit    chan struct{} // closed by Close: ends delays and hangs
	close   sync.Once
	running sync.WaitGroup

	conns, letters, commands atomic.Int64

	mu       sync.Mutex
	rules    []*liveRule
	open     map[*session]struct{}
	guests   int // of open, those that count for MaxConns
	peak     int
	accepted []Message
	log      []Command
	faults   []Fault
	attempts map[string]int
	changed  chan struct{} // closed at the next change while somebody waits
}

// TB is the part of testing.TB that New uses; the demo links this package without testing.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// New starts a server that ends with the test.
func New(t TB, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatalf("smtptest: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Start listens and serves until Close.
func Start(cfg Config) (*Server, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Hostname == "" {
		cfg.Hostname = "mail.test"
	}
	if cfg.Features == nil {
		cfg.Features = DefaultFeatures()
	}
	if cfg.AuthMechanisms == nil {
		cfg.AuthMechanisms = []string{"PLAIN", "LOGIN"}
	}
	if cfg.LogLimit == 0 {
		cfg.LogLimit = 100_000
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{cfg: cfg, quit: make(chan struct{}), open: map[*session]struct{}{}, attempts: map[string]int{}}
	s.Add(cfg.Rules...)
	if cfg.StartTLS || cfg.ImplicitTLS {
		if err := s.makeCertificate(); err != nil {
			return nil, fmt.Errorf("make certificate: %w", err)
		}
	}
	var err error
	if s.sink, err = openSink(cfg.LogFile, cfg.EmlDir); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", cfg.Addr); err != nil {
		s.sink.close()
		return nil, err
	}
	s.running.Add(1)
	go s.serve()
	return s, nil
}

// Close ends every connection and waits for them. It is safe to call twice.
func (s *Server) Close() error {
	var err error
	s.close.Do(func() {
		close(s.quit)
		err = s.listener.Close()
		s.DropAll()
		s.running.Wait()
		err = errors.Join(err, s.sink.close())
	})
	return err
}

// DropAll closes the open connections and goes on listening, like a relay that restarts.
func (s *Server) DropAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.raw.Close()
	}
}

func (s *Server) serve() {
	defer s.running.Done()
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		c := newSession(s, conn, int(s.conns.Add(1)))
		s.mu.Lock()
		s.open[c] = struct{}{}
		if c.crowded = s.cfg.MaxConns > 0 && s.guests >= s.cfg.MaxConns; !c.crowded {
			s.guests++
		}
		s.peak = max(s.peak, len(s.open))
		s.changeLocked()
		s.mu.Unlock()
		s.running.Add(1)
		go func() {
			defer s.running.Done()
			c.run()
			conn.Close()
			c.leave()
			s.mu.Lock()
			delete(s.open, c)
			s.changeLocked()
			s.mu.Unlock()
		}()
		select {
		case <-s.quit: // accepted while Close walked the list
			conn.Close()
		default:
		}
	}
}

// leave gives a connection's place under MaxConns back.
func (c *session) leave() {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	if !c.crowded && !c.left {
		c.left = true
		c.srv.guests--
	}
}

// Addr is host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is how the program's settings name this server, credentials included.
func (s *Server) URL() string {
	scheme, user := "smtp+insecure", ""
	switch {
	case s.cfg.ImplicitTLS:
		scheme = "smtps"
	case s.cfg.StartTLS:
		scheme = "smtp"
	}
	if s.cfg.User != "" {
		user = s.cfg.User + ":" + s.cfg.Password + "@"
	}
	return scheme + "://" + user + s.Addr()
}

// Roots holds the server's own certificate authority; nil without TLS. CertPEM is the
// same as a file for SSL_CERT_FILE.
func (s *Server) Roots() *x509.CertPool { return s.roots }
func (s *Server) CertPEM() []byte       { return s.certPEM }

// Accepted lists the letters taken so far, in order.
func (s *Server) Accepted() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accepted)
}

// AcceptedTo lists the letters taken for one address.
func (s *Server) AcceptedTo(addr string) []Message {
	var ms []Message
	for _, m := range s.Accepted() {
		if slices.Contains(m.To, addr) {
			ms = append(ms, m)
		}
	}
	return ms
}

// Count is len(Accepted()) without the copy.
func (s *Server) Count() int { return int(s.letters.Load()) }

// Commands lists what clients said, up to Config.LogLimit.
func (s *Server) Commands() []Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// CommandCount counts all commands, beyond the limit of the log too.
func (s *Server) CommandCount() int { return int(s.commands.Load()) }

// Faults lists the clients' breaches of the protocol; a good client leaves it empty.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// Connections counts all so far, OpenConnections those open now, PeakConnections the most
// that were open at once.
func (s *Server) Connections() int { return int(s.conns.Load()) }

func (s *Server) OpenConnections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func (s *Server) PeakConnections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peak
}

// Attempts counts the RCPT commands for an address.
func (s *Server) Attempts(addr string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts[strings.ToLower(addr)]
}

// WaitAccepted waits until n letters have been taken in all. Answered may follow a moment later.
func (s *Server) WaitAccepted(ctx context.Context, n int) error {
	err := s.Wait(ctx, func() bool { return s.Count() >= n })
	if err != nil {
		return fmt.Errorf("waiting for %d letters, have %d: %w", n, s.Count(), err)
	}
	return nil
}

// Wait returns when done says so; it is asked at the start and whenever something happened.
func (s *Server) Wait(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.quit:
			return errors.New("server closed")
		}
	}
}

func (s *Server) changeLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

func (s *Server) note(c *session, line string) {
	s.commands.Add(1)
	if s.cfg.LogLimit < 0 {
		return
	}
	at := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.log) < s.cfg.LogLimit {
		s.log = append(s.log, Command{At: at, Conn: c.id, TLS: c.secure, Line: line})
	}
	s.changeLocked()
}

func (s *Server) fault(c *session, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) < 1000 {
		s.faults = append(s.faults, Fault{Conn: c.id, Text: fmt.Sprintf(format, args...)})
	}
	s.changeLocked()
}

// take records a letter as ours and returns its place. From here on the client may only
// learn the truth or stay in doubt.
func (s *Server) take(m Message) (int, error) {
	m.At = s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Seq = len(s.accepted) + 1
	if err := s.sink.accepted(m); err != nil {
		return 0, err
	}
	s.accepted = append(s.accepted, m)
	s.letters.Add(1)
	s.changeLocked()
	return m.Seq, nil
}

func (s *Server) answered(seq int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted[seq-1].Answered = ok
	if !ok {
		s.sink.unanswered(s.accepted[seq-1])
	}
	s.changeLocked()
}
