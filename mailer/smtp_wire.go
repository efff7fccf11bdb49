package mailer

import (
	"errors"
	"net"
	"strings"
	"time"

	"techissue/newsletter"
)

// maxUnasked bounds what a server may send between two of our writes. It is far above any
// real greeting, EHLO or certificate chain and far below what would hurt.
const maxUnasked = 256 << 10

var errFlood = errors.New("the server does not stop talking")

// wire is the TCP connection under go-mail and TLS. While go-mail dials, it knows one
// deadline for everything and reads replies without bound; the wire gives each step its
// own time, ends a flood, and remembers how far we came.
type wire struct {
	net.Conn
	timeouts Timeouts
	dialling bool
	stage    newsletter.Stage
	private  bool  // implicit TLS: the first data written is EHLO
	leaving  bool  // TLS says goodbye: what is written now is no step
	unasked  int   // read since the last write
	err      error // the first failure; nothing is written after it
	unhook   func() bool
}

// kill ends the connection at once, from any goroutine.
func (w *wire) kill() { w.Conn.Close() }

func (w *wire) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.Conn.Read(p)
	if w.unasked += n; err == nil && w.unasked > maxUnasked {
		err = errFlood
	}
	w.err = err
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err // go-mail tries HELO after a dead EHLO, "*" and QUIT after a dead AUTH
	}
	w.unasked = 0
	if w.dialling && !w.leaving {
		w.observe(p)
		w.arm(w.timeout(w.stage))
	}
	n, err := w.Conn.Write(p)
	w.err = err
	return n, err
}

// observe follows the dialogue as long as it is readable, and its first bytes under
// implicit TLS. What happens under STARTTLS is told by the handshake and by AUTH.
func (w *wire) observe(p []byte) {
	switch line := string(p[:min(len(p), 8)]); {
	case w.private && w.stage == newsletter.StageGreeting:
		w.stage = newsletter.StageEHLO
	case w.stage != newsletter.StageGreeting && w.stage != newsletter.StageEHLO:
	case strings.HasPrefix(line, "EHLO"), strings.HasPrefix(line, "HELO"):
		w.stage = newsletter.StageEHLO
	case line == "STARTTLS":
		w.stage = newsletter.StageTLS
	}
}

// SetDeadline ignores go-mail's single deadline; see arm.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetWriteDeadline is called by crypto/tls alone, and only before its close_notify.
func (w *wire) SetWriteDeadline(t time.Time) error {
	w.leaving = true
	return w.Conn.SetWriteDeadline(t)
}

// arm gives the step that begins its time. Deadlines of sockets are the kernel's: they
// need the real clock, whatever clock the queue lives by.
func (w *wire) arm(d time.Duration) { _ = w.Conn.SetDeadline(time.Now().Add(d)) }

func (w *wire) timeout(s newsletter.Stage) time.Duration {
	t := &w.timeouts
	switch s {
	case newsletter.StageConnect:
		return t.Connect
	case newsletter.StageGreeting:
		return t.Greeting
	case newsletter.StageEHLO:
		return t.EHLO
	case newsletter.StageTLS:
		return t.TLS
	case newsletter.StageAuth:
		return t.Auth
	case newsletter.StageMail:
		return t.Mail
	case newsletter.StageRcpt:
		return t.Rcpt
	case newsletter.StageData:
		return t.Data
	case newsletter.StageBody:
		return t.Block
	default:
		return t.Dot
	}
}
