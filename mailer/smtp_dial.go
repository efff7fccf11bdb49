package mailer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strings"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"techissue/newsletter"
)

// DialError tells how far a connection came and what the server said; newsletter.Classify
// judges its Reply like any other.
type DialError struct {
	Reply newsletter.Reply
	Err   error
}

func (e *DialError) Error() string {
	if e.Reply.Code == 0 {
		return fmt.Sprintf("smtp %s: %s", e.Reply.Stage, e.Reply.Text)
	}
	return fmt.Sprintf("smtp %s: %d %s %s", e.Reply.Stage, e.Reply.Code, e.Reply.Enhanced, e.Reply.Text)
}

func (e *DialError) Unwrap() error { return e.Err }

// Dial connects, greets, secures the connection as the transport demands and logs in.
// Its error is a *DialError. Cancelling ctx ends it at any step.
func Dial(ctx context.Context, t Transport) (*Conn, error) {
	w := &wire{timeouts: t.Timeouts.orDefault(), dialling: true, stage: newsletter.StageConnect}
	client, err := gomail.NewClient(t.Host, dialOptions(ctx, t, w)...)
	if err != nil {
		return nil, dialError(w, fmt.Errorf("prepare: %w", err))
	}
	raw, err := client.DialToSMTPClientWithContext(ctx)
	if w.unhook != nil && !w.unhook() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		if w.Conn != nil {
			w.Conn.Close() // go-mail leaves it open
		}
		return nil, dialError(w, err)
	}
	w.dialling = false
	c := &Conn{wire: w, r: raw.Text.R, w: raw.Text.W, relay: t.Addr(), count: counting{t.Counter}}
	c.count.connections(+1)
	c.pipelining, _ = raw.Extension("PIPELINING")
	return c, nil
}

func dialOptions(outer context.Context, t Transport, w *wire) []gomail.Option {
	config := &tls.Config{
		ServerName: t.Host,
		MinVersion: tls.VersionTLS12,
		RootCAs:    t.RootCAs,
		// Runs when the server has proved its name; what follows is the greeting or the second EHLO.
		VerifyConnection: func(tls.ConnectionState) error {
			w.stage = newsletter.StageEHLO
			return nil
		},
	}
	options := []gomail.Option{
		gomail.WithTimeout(w.timeouts.Connect),
		gomail.WithTLSConfig(config),
		gomail.WithoutNoop(), gomail.WithoutRset(), gomail.WithoutSMTPUTF8(),
		gomail.WithDialContextFunc(func(ctx context.Context, network, _ string) (net.Conn, error) {
			conn, err := dialWire(ctx, network, t, w, config)
			if err == nil { // go-mail's ctx ends with the dialling; ours must reach AUTH as well
				w.unhook = context.AfterFunc(outer, w.kill)
			}
			return conn, err
		}),
	}
	switch t.TLS {
	case Plaintext:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	case ImplicitTLS:
		options = append(options, gomail.WithSSL())
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if t.HELO != "" {
		options = append(options, gomail.WithHELO(t.HELO))
	}
	if t.User != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&login{transport: t, wire: w}))
	}
	return options
}

// dialWire opens the TCP connection and, for implicit TLS, secures it: go-mail must see a
// *tls.Conn there, or it would take the connection for a readable one.
func dialWire(ctx context.Context, network string, t Transport, w *wire, config *tls.Config) (net.Conn, error) {
	dial := t.Dialer
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, network, t.Addr())
	if err != nil {
		return nil, err
	}
	w.Conn = conn
	w.stage = newsletter.StageGreeting
	if t.TLS != ImplicitTLS {
		w.arm(w.timeouts.Greeting)
		return w, nil
	}
	w.stage = newsletter.StageTLS
	secured := tls.Client(w, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	w.stage, w.private = newsletter.StageGreeting, true
	w.arm(w.timeouts.Greeting)
	return secured, nil
}

// dialError finds out which step failed and what the server said.
func dialError(w *wire, err error) *DialError {
	stage := w.stage
	var said *textproto.Error
	var nonsense textproto.ProtocolError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		stage = newsletter.StageCertificate
	case errors.As(err, &said):
		return &DialError{Reply: newsletter.NewReply(stage, said.Code, said.Msg), Err: err}
	case errors.As(err, &nonsense):
	case w.err == nil && stage == newsletter.StageEHLO:
		// Nothing failed on the wire and nothing was refused: go-mail missed STARTTLS in the
		// reply to EHLO. It has no type for that.
		stage = newsletter.StageTLS
	}
	text := err.Error()
	if w.err != nil && stage != newsletter.StageCertificate {
		text = w.err.Error()
	}
	return &DialError{Reply: newsletter.Reply{Stage: stage, Text: newsletter.CleanReply(text)}, Err: err}
}

// login chooses among the mechanisms a server offers. It never speaks over a readable
// connection that leaves the machine, whatever the settings say (security S49).
type login struct {
	transport Transport
	wire      *wire
	smtp.Auth
}

var errNoAuth = errors.New("the server offers no AUTH PLAIN, LOGIN or CRAM-MD5")

func (l *login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	l.wire.stage = newsletter.StageAuth
	t := l.transport
	readable := t.TLS == Plaintext && t.loopback()
	if !server.TLS && !readable {
		return "", nil, smtp.ErrUnencrypted
	}
	offered := strings.Fields(strings.ToUpper(strings.Join(server.Auth, " ")))
	switch {
	case slices.Contains(offered, "PLAIN"):
		l.Auth = smtp.PlainAuth("", t.User, t.Password, server.Name, readable)
	case slices.Contains(offered, "LOGIN"):
		l.Auth = smtp.LoginAuth(t.User, t.Password, server.Name, readable)
	case slices.Contains(offered, "CRAM-MD5"):
		l.Auth = smtp.CRAMMD5Auth(t.User, t.Password)
	default:
		return "", nil, errNoAuth
	}
	return l.Auth.Start(server)
}
