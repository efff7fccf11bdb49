package smtptest

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
)

func (c *session) mailFrom(line string) bool {
	switch {
	case !c.greeted:
		return c.say(503, "5.5.1", "EHLO first")
	case c.srv.cfg.User != "" && !c.authed:
		return c.say(530, "5.7.0", "Authentication required")
	case c.mail:
		return c.say(503, "5.5.1", "nested MAIL command")
	case c.srv.cfg.MaxLetters > 0 && c.letters >= c.srv.cfg.MaxLetters:
		c.say(421, "4.7.0", c.srv.cfg.Hostname+" too many letters on this connection")
		return false
	}
	addr, params, ok := path(line, "MAIL FROM:")
	if !ok {
		c.srv.fault(c, "malformed %.200q", line)
		return c.say(501, "5.5.4", "syntax: MAIL FROM:<address>")
	}
	eight := false
	for _, p := range params {
		p = strings.ToUpper(p)
		switch {
		case p == "BODY=8BITMIME" && c.offers("8BITMIME"):
			eight = true
		case p == "BODY=7BIT" && c.offers("8BITMIME"), p == "SMTPUTF8" && c.offers("SMTPUTF8"),
			strings.HasPrefix(p, "SIZE=") && c.srv.cfg.Size > 0:
		default:
			return c.say(555, "5.5.4", "parameter not offered: "+p)
		}
	}
	c.from = addr
	code, alive := c.play(Mail, line, 250, "2.1.0", "Ok")
	c.mail, c.eight = code/100 == 2, eight
	return alive
}

func (c *session) rcptTo(line string) bool {
	addr, params, ok := path(line, "RCPT TO:")
	if !ok || addr == "" || len(params) > 0 {
		c.srv.fault(c, "malformed %.200q", line)
		return c.say(501, "5.5.4", "syntax: RCPT TO:<address>")
	}
	if !c.mail {
		return c.say(503, "5.5.1", "MAIL first")
	}
	to := strings.ToLower(addr)
	c.tried = append(c.tried, to)
	c.srv.countAttempt(to)
	code, alive := c.play(Rcpt, line, 250, "2.1.5", "Ok")
	if code/100 == 2 {
		c.rcpts = append(c.rcpts, addr)
	}
	return alive
}

func (c *session) offers(feature string) bool { return slices.Contains(c.srv.cfg.Features, feature) }

// path reads "MAIL FROM:<a@b> PARAM=X" strictly: no blank before <, no <, > or blank inside.
func path(line, prefix string) (addr string, params []string, ok bool) {
	if len(line) < len(prefix)+2 || !strings.EqualFold(line[:len(prefix)], prefix) || line[len(prefix)] != '<' {
		return "", nil, false
	}
	addr, rest, ok := strings.Cut(line[len(prefix)+1:], ">")
	if !ok || strings.ContainsAny(addr, "< \t\"") || rest != "" && rest[0] != ' ' || strings.ContainsAny(rest, "<>") {
		return "", nil, false
	}
	return addr, strings.Fields(rest), true
}

func (c *session) data(line string) bool {
	usual, enhanced, text := 354, "", "End data with <CR><LF>.<CR><LF>"
	if len(c.rcpts) == 0 {
		usual, enhanced, text = 554, "5.5.1", "no valid recipients"
	}
	code, alive := c.play(Data, line, usual, enhanced, text)
	if !alive || code != 354 {
		return alive
	}
	if c.w.Flush() != nil {
		return false
	}
	msg := Message{Conn: c.id, TLS: c.secure, From: c.from, To: c.rcpts}
	flaw, ok := c.readBody(&msg)
	if !ok {
		return false
	}
	return c.finish(msg, flaw)
}

// finish answers the final dot.
func (c *session) finish(msg Message, flaw string) bool {
	defer c.reset()
	switch {
	case flaw != "":
		c.srv.fault(c, "%s", flaw)
		return c.say(554, "5.5.2", flaw)
	case len(msg.To) == 0:
		if msg.Size > 0 {
			c.srv.fault(c, "a body for no recipient")
		}
		return c.say(554, "5.5.1", "no valid recipients")
	case c.srv.cfg.Size > 0 && int64(msg.Size) > c.srv.cfg.Size:
		return c.say(552, "5.3.4", "Message size exceeds fixed limit")
	}
	a := c.srv.rule(c, Dot, ".")
	if !c.before(a) {
		return false
	}
	if a.Code != 0 && a.Code/100 != 2 || a.Raw != "" {
		if a.Raw != "" {
			c.w.WriteString(a.Raw)
		} else {
			c.say(a.Code, "", a.Text)
		}
		if a.Drop == DropAfter {
			c.w.Flush()
			c.drop(a)
			return false
		}
		return true
	}
	seq, err := c.srv.take(msg)
	if err != nil {
		return c.say(452, "4.3.1", "cannot store: "+err.Error())
	}
	c.letters++
	alive := c.answer(seq)
	if c.srv.cfg.CloseAfter > 0 && c.letters >= c.srv.cfg.CloseAfter {
		return false
	}
	return alive && !c.broken
}

// answer says what follows a letter that was taken. A client may act on its 250 before the write returns here, so the letter counts as
// answered from just before, and no longer when the write fails.
func (c *session) answer(seq int) (alive bool) {
	a := c.srv.rule(c, Answer, ".")
	if !c.before(a) {
		c.srv.answered(seq, false)
		return false
	}
	code := c.reply(a, 250, "2.0.0", "Ok: queued as "+queueID(seq))
	if code/100 == 2 {
		c.srv.answered(seq, true)
	}
	c.broken = c.w.Flush() != nil
	if code/100 != 2 || c.broken {
		c.srv.answered(seq, false)
	}
	if a.Drop == DropAfter {
		c.drop(a)
		return false
	}
	return true
}

// readBody reads up to the dot that stands between two CRLFs and nowhere else, undoes the
// dot-stuffing, and names the first flaw. It returns false when the connection ended.
func (c *session) readBody(msg *Message) (flaw string, ok bool) {
	complain := func(s string) {
		if flaw == "" {
			flaw = s
		}
	}
	trap := c.srv.rule(c, Body, "")
	trapped := trap != (Action{})
	var body []byte
	headers, start := true, true // start: the next byte begins a line
	for {
		if trapped && msg.Size >= trap.After {
			trapped = false
			if trap.Hang { // does not read, so that the client's writes fill up
				<-c.srv.quit
				return "", false
			}
			if !c.before(trap) {
				return "", false
			}
		}
		line, err := c.r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return "", false
		}
		whole := start && err == nil
		if whole && string(line) == ".\r\n" {
			break
		}
		msg.Size += len(line)
		if err != nil || len(line) > 1000 {
			complain("line longer than 1000 octets")
		}
		crlf := bytes.HasSuffix(line, []byte("\r\n"))
		if err == nil && !crlf {
			complain("bare LF in the letter")
		}
		if i := bytes.IndexByte(line, '\r'); i >= 0 && i < len(line)-1 && !(crlf && i == len(line)-2) {
			complain("bare CR in the letter")
		}
		if start && line[0] == '.' {
			if len(line) < 2 || line[1] != '.' {
				complain("line with a dot that was not doubled")
			}
			line = line[1:]
		}
		start = err == nil && crlf
		if headers {
			headers = len(bytes.TrimRight(line, "\r\n")) > 0
			if id, ok := messageID(line); ok && msg.MessageID == "" {
				msg.MessageID = id
			}
		}
		if !c.srv.cfg.Discard {
			body = append(body, line...)
		}
	}
	if !c.eight && slices.ContainsFunc(body, func(b byte) bool { return b >= 0x80 }) {
		complain("8-bit bytes without BODY=8BITMIME")
	}
	msg.Data = body
	return flaw, true
}

func messageID(line []byte) (string, bool) {
	const name = "message-id:"
	if len(line) < len(name) || !strings.EqualFold(string(line[:len(name)]), name) {
		return "", false
	}
	return strings.TrimSpace(string(line[len(name):])), true
}
