package smtptest

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// session is one connection.
type session struct {
	srv     *Server
	id      int
	raw     net.Conn // below TLS
	conn    net.Conn
	r       *bufio.Reader
	w       *bufio.Writer
	crowded bool // one of too many
	left    bool // its place is free already

	secure, greeted, authed bool
	pipelining, enhanced    bool
	letters                 int

	from   string
	mail   bool     // MAIL was accepted
	eight  bool     // with BODY=8BITMIME
	rcpts  []string // accepted
	tried  []string // asked for, in lower case
	broken bool     // a write failed
}

func newSession(s *Server, conn net.Conn, id int) *session {
	c := &session{srv: s, id: id, raw: conn}
	c.pipelining = slices.Contains(s.cfg.Features, "PIPELINING")
	c.enhanced = slices.Contains(s.cfg.Features, "ENHANCEDSTATUSCODES")
	c.attach(conn)
	return c
}

func (c *session) attach(conn net.Conn) {
	c.conn = conn
	c.r = bufio.NewReaderSize(conn, 64<<10)
	c.w = bufio.NewWriterSize(conn, 4<<10)
}

func (c *session) run() {
	if c.srv.cfg.ImplicitTLS && !c.handshake() {
		return
	}
	if c.crowded {
		c.say(421, "4.7.0", c.srv.cfg.Hostname+" too many connections")
		c.w.Flush()
		return
	}
	if code, alive := c.play(Connect, "", 220, "", c.srv.cfg.Hostname+" ESMTP"); !alive || code != 220 {
		c.w.Flush()
		return
	}
	for {
		// Replies to commands that came together leave together (RFC 2920 §3.2).
		if c.r.Buffered() == 0 && c.w.Flush() != nil {
			return
		}
		line, ok := c.readLine()
		if !ok {
			return
		}
		c.srv.note(c, line)
		if !c.command(line) {
			c.w.Flush()
			return
		}
	}
}

func (c *session) readLine() (string, bool) {
	b, err := c.r.ReadSlice('\n')
	if err != nil {
		if err == bufio.ErrBufferFull {
			c.srv.fault(c, "command line without end")
		}
		return "", false
	}
	line, ok := strings.CutSuffix(string(b), "\r\n")
	if !ok || strings.ContainsAny(line, "\r\x00") {
		c.srv.fault(c, "command with a bare line end: %.80q", b)
		c.say(500, "5.5.2", "bare line end")
		c.w.Flush()
		return "", false
	}
	return line, true
}

// command handles one line and reports whether the conversation goes on.
func (c *session) command(line string) bool {
	verb, arg, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	if c.r.Buffered() > 0 {
		switch verb {
		case "MAIL", "RCPT", "RSET":
			if !c.pipelining {
				return c.breach("%s with more behind it, and PIPELINING was not offered", verb)
			}
		default: // RFC 2920 §3.1: these end a group; behind DATA it would be a body before 354
			return c.breach("%s with more behind it", verb)
		}
	}
	switch verb {
	case "EHLO", "HELO":
		return c.hello(verb, line)
	case "STARTTLS":
		return c.startTLS(line)
	case "AUTH":
		return c.auth(arg, line)
	case "MAIL":
		return c.mailFrom(line)
	case "RCPT":
		return c.rcptTo(line)
	case "DATA":
		return c.data(line)
	case "RSET":
		c.reset()
		return c.say(250, "2.0.0", "Ok")
	case "NOOP":
		return c.say(250, "2.0.0", "Ok")
	case "QUIT":
		c.leave() // before the answer: whoever has heard it may come again at once
		c.say(221, "2.0.0", "Bye")
		return false
	}
	return c.say(500, "5.5.2", "unknown command")
}

func (c *session) breach(format string, args ...any) bool {
	c.srv.fault(c, format, args...)
	c.say(554, "5.5.0", "protocol error")
	return false
}

func (c *session) reset() {
	c.from, c.mail, c.eight, c.rcpts, c.tried = "", false, false, nil, nil
}

// say writes a reply, which waits in the buffer while commands wait to be read.
func (c *session) say(code int, enhanced, text string) bool {
	if enhanced != "" && c.enhanced {
		text = enhanced + " " + text
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		c.w.WriteString(strconv.Itoa(code) + sep + l + "\r\n")
	}
	return true
}

// play says the usual reply unless a rule knows better. It returns the code that the
// client was told, 0 for none or nonsense, and whether the connection lives.
func (c *session) play(at Stage, line string, code int, enhanced, text string) (int, bool) {
	a := c.srv.rule(c, at, line)
	if !c.before(a) {
		return 0, false
	}
	code = c.reply(a, code, enhanced, text)
	if a.Drop == DropAfter {
		c.broken = c.w.Flush() != nil
		c.drop(a)
		return code, false
	}
	return code, true
}

// reply puts the usual reply into the buffer, or what a rule says instead, and tells its code.
func (c *session) reply(a Action, code int, enhanced, text string) int {
	switch {
	case a.Raw != "":
		c.w.WriteString(a.Raw)
		code = 0
		if len(a.Raw) > 3 && strings.HasSuffix(a.Raw, "\r\n") {
			code, _ = strconv.Atoi(a.Raw[:3])
		}
	case a.Code != 0:
		code = a.Code
		c.say(code, "", a.Text)
	default:
		c.say(code, enhanced, text)
	}
	return code
}

// before does what a rule wants done ahead of the reply; false when none may follow.
func (c *session) before(a Action) bool {
	if a.Delay > 0 {
		c.w.Flush()
		timer := time.NewTimer(a.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.srv.quit:
			return false
		}
	}
	if a.Hang {
		c.w.Flush()
		io.Copy(io.Discard, c.conn)
		return false
	}
	if a.Drop == DropBefore {
		c.w.Flush() // what was said before still counts
		c.drop(a)
		return false
	}
	return true
}

func (c *session) drop(a Action) {
	if tcp, ok := c.raw.(*net.TCPConn); ok && a.Reset {
		tcp.SetLinger(0)
	}
	c.raw.Close()
}

func (c *session) hello(verb, line string) bool {
	lines := []string{c.srv.cfg.Hostname}
	if verb == "EHLO" {
		lines = append(lines, c.srv.cfg.Features...)
		if c.srv.cfg.Size > 0 {
			lines = append(lines, fmt.Sprint("SIZE ", c.srv.cfg.Size))
		}
		if c.srv.cfg.StartTLS && !c.secure {
			lines = append(lines, "STARTTLS")
		}
		if c.authOffered() {
			lines = append(lines, "AUTH "+strings.Join(c.srv.cfg.AuthMechanisms, " "))
		}
	}
	code, alive := c.play(EHLO, line, 250, "", strings.Join(lines, "\n"))
	c.greeted = c.greeted || code == 250
	c.reset()
	return alive
}

func (c *session) authOffered() bool {
	return c.srv.cfg.User != "" && (c.secure || !c.srv.cfg.StartTLS)
}

func (c *session) startTLS(line string) bool {
	if !c.srv.cfg.StartTLS || c.secure {
		return c.say(502, "5.5.1", "not offered")
	}
	code, alive := c.play(StartTLS, line, 220, "2.0.0", "Go ahead")
	if !alive || code != 220 {
		return alive
	}
	if c.w.Flush() != nil || !c.handshake() {
		return false
	}
	c.greeted, c.authed = false, false // RFC 3207 §4.2: forget what was said in the clear
	c.reset()
	return true
}

func (c *session) handshake() bool {
	conn := tls.Server(c.raw, c.srv.tls)
	if err := conn.Handshake(); err != nil {
		c.srv.note(c, "(TLS handshake failed: "+err.Error()+")")
		return false
	}
	c.secure = true
	c.attach(conn)
	return true
}

func (c *session) auth(arg, line string) bool {
	if !c.authOffered() || c.authed {
		return c.say(503, "5.5.1", "AUTH not offered")
	}
	if a := c.srv.rule(c, Auth, line); a != (Action{}) {
		if !c.before(a) {
			return false
		}
		if a.Raw != "" {
			c.w.WriteString(a.Raw)
		} else if a.Code != 0 {
			c.say(a.Code, "", a.Text)
		}
		if a.Drop == DropAfter {
			c.w.Flush()
			c.drop(a)
			return false
		}
		if a.Raw != "" || a.Code != 0 {
			return true
		}
	}
	mech, initial, _ := strings.Cut(arg, " ")
	var user, pass string
	var ok bool
	switch mech = strings.ToUpper(mech); {
	case !slices.Contains(c.srv.cfg.AuthMechanisms, mech):
		return c.say(504, "5.5.4", "mechanism not offered")
	case mech == "PLAIN":
		if initial == "" {
			if initial, ok = c.ask(""); !ok {
				return false
			}
		}
		parts := strings.Split(unbase64(initial), "\x00")
		if len(parts) == 3 {
			user, pass = parts[1], parts[2]
		}
	case mech == "LOGIN":
		if user, ok = c.ask("Username:"); !ok {
			return false
		}
		if pass, ok = c.ask("Password:"); !ok {
			return false
		}
		user, pass = unbase64(user), unbase64(pass)
	default:
		return c.say(504, "5.5.4", "mechanism not known")
	}
	if user != c.srv.cfg.User || pass != c.srv.cfg.Password {
		return c.say(535, "5.7.8", "Authentication credentials invalid")
	}
	c.authed = true
	return c.say(235, "2.7.0", "Authentication successful")
}

// ask sends a challenge and reads its answer.
func (c *session) ask(challenge string) (string, bool) {
	c.say(334, "", base64.StdEncoding.EncodeToString([]byte(challenge)))
	if c.w.Flush() != nil {
		return "", false
	}
	line, ok := c.readLine()
	if ok {
		c.srv.note(c, line)
	}
	return line, ok
}

func unbase64(s string) string {
	b, _ := base64.StdEncoding.DecodeString(s)
	return string(b)
}
