package feedback

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/time/rate"

	"techissue/newsletter"
)

// Address is where the listener listens and which dialect it speaks there.
type Address struct {
	Network string // tcp or unix
	Name    string // host:port, or the socket's path
	LMTP    bool
}

// ParseAddress reads host:port (SMTP), a socket's path (LMTP, as Postfix speaks to a socket), or either behind smtp:// or lmtp://.
func ParseAddress(s string) (Address, error) {
	var a Address
	rest, ours := s, false
	for _, scheme := range []string{"smtp://", "lmtp://", "unix:"} {
		if after, ok := strings.CutPrefix(s, scheme); ok {
			rest, ours, a.LMTP = after, true, scheme != "smtp://"
			break
		}
	}
	if strings.HasPrefix(rest, "/") {
		a.Network, a.Name = "unix", rest
		a.LMTP = a.LMTP || !ours
		return a, nil
	}
	_, port, err := net.SplitHostPort(rest)
	if err != nil || port == "" || strings.HasPrefix(s, "unix:") {
		return Address{}, errors.New("is neither host:port nor the path of a socket")
	}
	a.Network, a.Name = "tcp", rest
	return a, nil
}

// Listen binds the address now, so that a busy one is told at once. A socket left behind by a dead process is removed; one that
// somebody answers at is not.
func (a Address) Listen() (net.Listener, error) {
	if a.Network != "unix" {
		return net.Listen(a.Network, a.Name)
	}
	if info, err := os.Lstat(a.Name); err == nil && info.Mode()&os.ModeSocket != 0 {
		conn, err := net.DialTimeout("unix", a.Name, time.Second)
		if err == nil {
			conn.Close()
			return nil, fmt.Errorf("%s: another process listens there", a.Name)
		}
		if err := os.Remove(a.Name); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", a.Name)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(a.Name, 0o660); err != nil { // the mail server's user comes in by the group
		l.Close()
		return nil, err
	}
	return l, nil
}

// Limits of the listener. Zero fields get the defaults.
type Limits struct {
	Message     int64         // bytes of one message; 10 MB
	Connections int           // at once; 100
	PerHost     int           // at once from one address; 20
	PerSecond   float64       // messages, in the long run; 50
	Burst       int           // messages at once; 500
	Idle        time.Duration // for a command, and for a whole message; 5 min (RFC 5321 §4.5.3.2)
	Life        time.Duration // of a connection; 30 min
	Grace       time.Duration // for messages in flight at a stop; 10 s
}

func (l *Limits) fill() {
	def(&l.Message, 10<<20)
	def(&l.Connections, 100)
	def(&l.PerHost, 20)
	def(&l.PerSecond, 50)
	def(&l.Burst, 500)
	def(&l.Idle, 5*time.Minute)
	def(&l.Life, 30*time.Minute)
	def(&l.Grace, 10*time.Second)
}

func def[T int | int64 | float64 | time.Duration](v *T, otherwise T) {
	if *v == 0 {
		*v = otherwise
	}
}

// Listener takes bounces, complaints and requests to leave by SMTP or LMTP. It relays nothing and writes to nobody: whatever is
// wrong is said in the conversation, so it can start no loop.
type Listener struct {
	Intake Intake
	Domain string // of the signed addresses; "" takes them at any domain
	LMTP   bool
	Limits Limits
	Log    *slog.Logger
}

// Serve answers until ctx ends; messages whose last dot has come are finished within the grace time.
func (l *Listener) Serve(ctx context.Context, at net.Listener) error {
	l.Limits.fill()
	if l.Log == nil {
		l.Log = slog.New(slog.DiscardHandler)
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	door := &doorkeeper{Listener: at, limits: l.Limits, open: map[*caller]bool{}, hosts: map[string]int{}}
	pace := rate.NewLimiter(rate.Limit(l.Limits.PerSecond), l.Limits.Burst)
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{l: l, ctx: work, pace: pace, caller: c.Conn().(*caller)}, nil
	}))
	server.Domain, server.LMTP = l.name(), l.LMTP
	server.MaxRecipients, server.MaxMessageBytes = 10, l.Limits.Message
	server.ReadTimeout, server.WriteTimeout = l.Limits.Idle, time.Minute
	server.ErrorLog = quiet{l.Log}
	done := make(chan error, 1)
	go func() { done <- server.Serve(door) }()
	select {
	case err := <-done:
		_ = server.Close()
		return err
	case <-ctx.Done():
	}
	door.hush()
	grace, stop := context.WithTimeout(work, l.Limits.Grace)
	defer stop()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, net.ErrClosed) {
		cancel()
		_ = server.Close()
	}
	<-done
	return nil
}

// name is what the listener calls itself.
func (l *Listener) name() string {
	if l.Domain != "" {
		return l.Domain
	}
	return "localhost"
}

// accepts tells whether something addressed so can concern us: a signed address, the house's own, or the ones that every
// mail domain must have (RFC 5321 §4.5.1, RFC 2142).
func (l *Listener) accepts(ctx context.Context, to string) (bool, error) {
	local, domain, _ := strings.Cut(strings.ToLower(to), "@") // the library refuses an address without a domain
	if l.Domain == "" || domain == strings.ToLower(l.Domain) {
		if newsletter.TokenKind(to) != "" || local == "postmaster" || local == "abuse" {
			return true, nil
		}
	}
	h, err := l.Intake.House(ctx)
	return err == nil && h.isHouse(to), err
}

type session struct {
	l      *Listener
	ctx    context.Context
	pace   *rate.Limiter
	caller *caller
	from   string
	to     []string
}

var (
	errLater   = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Cannot be kept now, try again later"}
	errSlow    = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "Too many messages, try again later"}
	errNobody  = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such address here; nothing is relayed"}
	errBareEnd = &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "Lines must end with CR LF"}
)

func (s *session) Reset()        { s.from, s.to = "", nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.pace.Allow() {
		return errSlow
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	ok, err := s.l.accepts(s.ctx, to)
	switch {
	case err != nil:
		return errLater
	case !ok:
		return errNobody
	}
	s.to = append(s.to, to)
	return nil
}

// Data takes one message for each of its recipients. What means nothing to us is accepted all the same: a refusal would make
// its sender write to somebody.
func (s *session) Data(r io.Reader) error {
	s.caller.busy(true)
	defer s.caller.busy(false)
	lines := &crlfReader{r: bufio.NewReader(r)}
	message, err := ReadMessage(lines)
	if err != nil {
		return err
	}
	if lines.bare {
		s.l.Log.Warn("feedback refused: a line without CR LF", "via", "listener")
		return errBareEnd
	}
	for _, to := range s.to {
		env := Envelope{From: s.from, FromKnown: true, To: []string{to}}
		if _, err := s.l.Intake.Message(s.ctx, message, env, "listener"); err != nil {
			s.l.Log.Error("feedback not taken", "via", "listener", "err", err)
			return errLater
		}
	}
	return nil
}

// crlfReader notices line ends that are not CR LF. Servers disagree about them, which has let messages be smuggled into others
// (S26); nobody who reports honestly sends them.
type crlfReader struct {
	r    *bufio.Reader
	cr   bool // the last byte was a CR
	bare bool
}

func (c *crlfReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for _, b := range p[:n] {
		if (b == '\n') != c.cr {
			c.bare = true
		}
		c.cr = b == '\r'
	}
	return n, err
}

// quiet keeps the library's talk about broken connections out of the log.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, v ...any) {
	q.log.Debug("bounce listener", "said", fmt.Sprintf(format, v...))
}
func (q quiet) Println(v ...any) { q.log.Debug("bounce listener", "said", fmt.Sprintln(v...)) }

// doorkeeper bounds how many callers there are, and sends idle ones away at the end.
type doorkeeper struct {
	net.Listener
	limits Limits

	mu     sync.Mutex
	open   map[*caller]bool // true: a message is being taken
	hosts  map[string]int
	closed bool
}

func (d *doorkeeper) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
		if err != nil {
			host = "local"
		}
		c := &caller{Conn: conn, door: d, host: host}
		if d.enter(c) {
			c.life = time.AfterFunc(d.limits.Life, func() { conn.Close() })
			return c, nil
		}
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(conn, "421 4.7.0 Too many connections, try again later\r\n")
		conn.Close()
	}
}

func (d *doorkeeper) enter(c *caller) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	// Behind a socket everybody is the same mail server.
	if d.closed || len(d.open) >= d.limits.Connections || c.host != "local" && d.hosts[c.host] >= d.limits.PerHost {
		return false
	}
	d.open[c] = false
	d.hosts[c.host]++
	return true
}

func (d *doorkeeper) leave(c *caller) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, here := d.open[c]; !here {
		return
	}
	delete(d.open, c)
	if d.hosts[c.host]--; d.hosts[c.host] <= 0 {
		delete(d.hosts, c.host)
	}
}

// hush ends every conversation at its next command: 421. One that hands over a message now may finish it.
func (d *doorkeeper) hush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for c, busy := range d.open {
		if !busy {
			_ = c.Conn.SetReadDeadline(past)
		}
	}
}

var past = time.Unix(1, 0)

// caller is a connection that knows its doorkeeper.
type caller struct {
	net.Conn
	door *doorkeeper
	host string
	life *time.Timer
}

func (c *caller) busy(now bool) {
	c.door.mu.Lock()
	defer c.door.mu.Unlock()
	if _, here := c.door.open[c]; here {
		c.door.open[c] = now
	}
}

// SetReadDeadline is called before each command.
func (c *caller) SetReadDeadline(t time.Time) error {
	c.door.mu.Lock()
	defer c.door.mu.Unlock()
	if c.door.closed {
		t = past
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *caller) Close() error {
	c.life.Stop()
	c.door.leave(c)
	return c.Conn.Close()
}
