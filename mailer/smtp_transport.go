package mailer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// TLSMode is how a connection becomes private.
type TLSMode string

const (
	StartTLS    TLSMode = "STARTTLS" // mandatory: a server that does not offer it gets nothing
	ImplicitTLS TLSMode = "TLS"
	Plaintext   TLSMode = "plaintext"
)

// Transport is a relay and how to talk to it.
type Transport struct {
	Host           string
	Port           int
	TLS            TLSMode
	User, Password string // User "" means no AUTH

	HELO     string // our name in EHLO; "" means the machine's
	Timeouts Timeouts

	RootCAs *x509.CertPool // nil: the system's
	// Dialer opens the TCP connection; nil means net.Dialer. Tests put pipes and proxies here.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	// Counter is told about connections and replies; nil counts nothing.
	Counter Counter
}

// Timeouts bound each step. They are those of RFC 5321 §4.5.3.2 or shorter where a slot
// held for minutes helps nobody.
type Timeouts struct {
	Connect, Greeting, EHLO, TLS, Auth time.Duration

	Mail, Rcpt, Data time.Duration
	Block            time.Duration // each write within the letter
	Dot              time.Duration // the answer that decides: the longest
	Quit             time.Duration
}

// DefaultTimeouts gives a field that is zero its value.
func DefaultTimeouts() Timeouts {
	return Timeouts{
		Connect: 30 * time.Second, Greeting: 5 * time.Minute, EHLO: 5 * time.Minute,
		TLS: time.Minute, Auth: time.Minute,
		Mail: 5 * time.Minute, Rcpt: 5 * time.Minute, Data: 2 * time.Minute,
		Block: 3 * time.Minute, Dot: 10 * time.Minute, Quit: 5 * time.Second,
	}
}

func (t Timeouts) orDefault() Timeouts {
	d := DefaultTimeouts()
	for _, f := range []struct{ got, def *time.Duration }{
		{&t.Connect, &d.Connect}, {&t.Greeting, &d.Greeting}, {&t.EHLO, &d.EHLO}, {&t.TLS, &d.TLS}, {&t.Auth, &d.Auth},
		{&t.Mail, &d.Mail}, {&t.Rcpt, &d.Rcpt}, {&t.Data, &d.Data}, {&t.Block, &d.Block}, {&t.Dot, &d.Dot}, {&t.Quit, &d.Quit},
	} {
		if *f.got <= 0 {
			*f.got = *f.def
		}
	}
	return t
}

// ParseTransport reads smtp://user:pass@host:587 (STARTTLS required), smtps://…:465 or
// smtp+insecure://host:port (plaintext). Its errors never quote the URL, which holds a
// password.
func ParseTransport(raw string) (Transport, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Transport{}, errors.New("SMTP URL cannot be read: write smtp://user:pass@host:587, special characters in the password as %40 and the like")
	}
	t := Transport{Host: u.Hostname()}
	switch strings.ToLower(u.Scheme) {
	case "smtp":
		t.TLS, t.Port = StartTLS, 587
	case "smtps":
		t.TLS, t.Port = ImplicitTLS, 465
	case "smtp+insecure":
		t.TLS, t.Port = Plaintext, 25
	default:
		return Transport{}, errors.New("SMTP URL begins with smtp://, smtps:// or smtp+insecure://")
	}
	if t.Host == "" {
		return Transport{}, errors.New("SMTP URL names no host")
	}
	if p := u.Port(); p != "" {
		if t.Port, err = strconv.Atoi(p); err != nil || t.Port < 1 || t.Port > 65535 {
			return Transport{}, fmt.Errorf("SMTP URL: port %q is not between 1 and 65535", p)
		}
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return Transport{}, errors.New("SMTP URL ends after the port; write / ? # in a password as %2F %3F %23")
	}
	if u.User != nil {
		t.User = u.User.Username()
		t.Password, _ = u.User.Password()
		if t.User == "" || t.Password == "" {
			return Transport{}, errors.New("SMTP URL: user and password come together, as user:pass@host")
		}
	}
	if t.TLS == Plaintext && t.User != "" && !t.loopback() {
		return Transport{}, errors.New("SMTP URL: smtp+insecure sends the password readable for everyone on the way; use smtp:// or smtps://, or a host on this machine")
	}
	return t, nil
}

func (t Transport) loopback() bool {
	ip := net.ParseIP(t.Host)
	return strings.EqualFold(t.Host, "localhost") || ip != nil && ip.IsLoopback()
}

// Addr is host:port.
func (t Transport) Addr() string { return net.JoinHostPort(t.Host, strconv.Itoa(t.Port)) }

// String describes the transport for people and logs; it holds no secret.
func (t Transport) String() string {
	s := t.Addr() + " " + string(t.TLS)
	if t.User != "" {
		s += ", AUTH"
	}
	return s
}
