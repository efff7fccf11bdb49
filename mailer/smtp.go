package mailer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"techissue/newsletter"
)

// Letter is one finished letter for one reader.
type Letter struct {
	From string // envelope sender; "" is the null sender
	To   string
	Data []byte // headers and body as 7-bit lines that end in CRLF, dots not doubled

	encoded int     // so many of Data's last bytes are parts that we wrote in base64: nothing in them needs a second look
	buffer  *[]byte // where Data came from: Release
}

// Result is all there is to know of one attempt.
type Result struct {
	Outcome newsletter.Outcome
	Reply   newsletter.Reply // the reply that decided, or the stage of the loss with Code 0
	Gated   bool             // the gate was passed: whoever passed it has a row to settle
	Err     error            // why, for NotHanded, InDoubt and GateRefused (the gate's own error)
}

var (
	// ErrLetter marks a letter that cannot be put on the wire as it is. Nothing was sent.
	ErrLetter = errors.New("letter unfit for SMTP")

	errClosed   = errors.New("connection is closed")
	errNonsense = errors.New("nonsense from the server")
)

// Conn is one connection to a relay, logged in and ready. It carries one letter after the
// other and is not safe for concurrent use.
//
// The two rules everything else follows from: nothing of a letter can be accepted before
// its final dot has left, and after the final dot only a well-formed reply ends the doubt.
type Conn struct {
	wire       *wire
	r          *bufio.Reader
	w          *bufio.Writer
	relay      string
	pipelining bool
	count      counting

	buf     []byte // the letter with its dots doubled
	open    bool   // the server holds a transaction of a letter that was given up
	closed  bool
	letters int
}

// Relay is host:port. Letters counts the transactions begun here: a hundred are enough
// for one connection. Usable is false once the connection has failed or was closed.
func (c *Conn) Relay() string    { return c.relay }
func (c *Conn) Letters() int     { return c.letters }
func (c *Conn) Usable() bool     { return !c.closed }
func (c *Conn) Pipelining() bool { return c.pipelining }

// Close ends the TCP connection without a word.
func (c *Conn) Close() {
	if !c.closed {
		c.closed = true
		c.count.connections(-1)
		c.wire.Conn.Close() // below TLS: nobody waits for a close_notify
	}
}

// Quit says goodbye, which some relays count in our favour, and closes.
func (c *Conn) Quit() {
	if c.closed {
		return
	}
	c.wire.arm(c.wire.timeouts.Quit)
	if _, err := c.write([]byte("QUIT\r\n")); err == nil {
		_, _ = c.r.ReadSlice('\n')
	}
	c.Close()
}

// Send hands over one letter. The gate is called once, when everything before DATA is
// ready: after RCPT was accepted, or, with PIPELINING, before the one write that holds
// MAIL, RCPT and DATA. When it fails no DATA leaves, and the connection stays usable.
//
// Cancelling ctx closes the connection; a letter whose final dot is out is then in doubt.
func (c *Conn) Send(ctx context.Context, l Letter, gate func(context.Context) error) (res Result) {
	defer func() { c.count.replied(l, res) }()
	body, err := c.prepare(l)
	if err != nil {
		return notHanded(newsletter.StageMail, err)
	}
	if err := ctx.Err(); err != nil {
		return notHanded(newsletter.StageMail, err)
	}
	if c.r.Buffered() > 0 {
		// A server that talks unasked would have each later reply taken for the next command's.
		c.Close()
		return notHanded(newsletter.StageMail, errNonsense)
	}
	if c.closed {
		return notHanded(newsletter.StageMail, errClosed)
	}
	unhook := context.AfterFunc(ctx, c.wire.kill)
	defer func() {
		if !unhook() {
			c.Close()
		}
	}()
	if c.pipelining {
		return c.sendPipelined(ctx, l, body, gate)
	}
	return c.sendInSteps(ctx, l, body, gate)
}

// sendPipelined takes two round trips: MAIL, RCPT and DATA in one write, then the letter.
// Every reply is read and judged (RFC 2920 §3.1).
func (c *Conn) sendPipelined(ctx context.Context, l Letter, body []byte, gate func(context.Context) error) Result {
	if err := gate(ctx); err != nil {
		return gateRefused(err)
	}
	c.letters++
	stages := []newsletter.Stage{newsletter.StageMail, newsletter.StageRcpt, newsletter.StageData}
	batch := "MAIL FROM:<" + l.From + ">\r\nRCPT TO:<" + l.To + ">\r\nDATA\r\n"
	if c.open {
		batch, stages = "RSET\r\n"+batch, append([]newsletter.Stage{newsletter.StageMail}, stages...)
		c.open = false
	}
	if r, ok := c.say(batch, newsletter.StageMail); !ok {
		return gated(r)
	}
	var refusal newsletter.Reply
	reset := len(stages) == 4
	for i, stage := range stages {
		r, err := c.reply(stage)
		class := r.Code / 100
		good := class == 2 && stage != newsletter.StageData || r.Code == 354 && stage == newsletter.StageData
		switch {
		case err == nil && good:
		case err == nil && (class == 4 || class == 5) && !(reset && i == 0):
			if refusal.Code == 0 {
				refusal = r
			}
			if r.Code == 421 { // RFC 5321 §3.8: it closes, further replies may never come
				c.Close()
				return gated(refused(refusal))
			}
		default:
			c.Close()
			if refusal.Code != 0 {
				return gated(refused(refusal))
			}
			return gated(lost(stage, r, err))
		}
		if stage == newsletter.StageData && refusal.Code != 0 {
			c.abandon(refusal.Stage, r.Code == 354)
			return gated(refused(refusal))
		}
	}
	return gated(c.sendBody(body))
}

// abandon leaves a batch in which something was refused. When the server waits for a
// letter all the same, a lone dot ends it (RFC 2920 §3.1), but only with the recipient
// refused: with a recipient left it would deliver an empty letter.
func (c *Conn) abandon(refusedAt newsletter.Stage, waiting bool) {
	switch {
	case !waiting:
		c.open = refusedAt != newsletter.StageMail
	case refusedAt != newsletter.StageRcpt:
		c.Close()
	default:
		if _, ok := c.say(".\r\n", newsletter.StageDot); !ok {
			return
		}
		if r, err := c.reply(newsletter.StageDot); err != nil || r.Code/100 == 3 || r.Code == 421 {
			c.Close()
		}
	}
}

// sendInSteps takes four round trips, and five after a letter that was given up.
func (c *Conn) sendInSteps(ctx context.Context, l Letter, body []byte, gate func(context.Context) error) Result {
	c.letters++
	if c.open {
		if res, ok := c.step("RSET\r\n", newsletter.StageMail); !ok {
			c.Close() // a server that refuses RSET is in no state we know
			if res.Err == nil {
				res.Err = fmt.Errorf("RSET refused: %d %s", res.Reply.Code, res.Reply.Text)
			}
			return notHanded(newsletter.StageMail, res.Err)
		}
		c.open = false
	}
	if res, ok := c.step("MAIL FROM:<"+l.From+">\r\n", newsletter.StageMail); !ok {
		return res
	}
	c.open = true
	if res, ok := c.step("RCPT TO:<"+l.To+">\r\n", newsletter.StageRcpt); !ok {
		return res
	}
	if err := gate(ctx); err != nil {
		return gateRefused(err)
	}
	if res, ok := c.step("DATA\r\n", newsletter.StageData); !ok {
		return gated(res)
	}
	c.open = false
	return gated(c.sendBody(body))
}

// step says one command and judges its reply; false means res is the end of this letter.
func (c *Conn) step(line string, stage newsletter.Stage) (res Result, ok bool) {
	if res, ok := c.say(line, stage); !ok {
		return res, false
	}
	r, err := c.reply(stage)
	class := r.Code / 100
	switch {
	case err == nil && (class == 2 && stage != newsletter.StageData || r.Code == 354 && stage == newsletter.StageData):
		return Result{}, true
	case err == nil && (class == 4 || class == 5):
		if r.Code == 421 {
			c.Close()
		}
		return refused(r), false
	}
	c.Close()
	return lost(stage, r, err), false
}

// blockSize is what one write of the letter holds at most; most letters take one.
const blockSize = 64 << 10

// sendBody writes the letter and its dot and reads the answer that decides. From 354 on
// any error ends the connection: a server in the middle of a letter would take RSET and
// QUIT for its text.
func (c *Conn) sendBody(body []byte) Result {
	if c.r.Buffered() > 0 { // an answer to a letter that has not left
		c.Close()
		return notHanded(newsletter.StageBody, errNonsense)
	}
	for sent := 0; sent < len(body); {
		c.wire.arm(c.wire.timeouts.Block)
		n, err := c.write(body[sent:min(sent+blockSize, len(body))])
		if sent += n; err != nil {
			return c.cutOff(body, sent, err)
		}
	}
	r, err := c.reply(newsletter.StageDot)
	switch class := r.Code / 100; {
	case err == nil && class == 2:
		if c.r.Buffered() > 0 { // one answer too many: the next letter must not read it
			c.Close()
		}
		return Result{Outcome: newsletter.Accepted, Reply: r}
	case err == nil && (class == 4 || class == 5):
		if r.Code == 421 || c.r.Buffered() > 0 {
			c.Close()
		}
		return refused(r)
	}
	c.Close()
	res := lost(newsletter.StageDot, r, err)
	res.Outcome = newsletter.InDoubt
	return res
}

// cutOff judges a write that failed when sent bytes of the letter had been handed to the
// kernel. The letter ends in CRLF . CRLF, and no server may accept it before the last LF;
// we are stricter and call it in doubt as soon as the dot itself has left, for there are
// servers that take a dot and a lone CR or nothing behind it for the end.
func (c *Conn) cutOff(body []byte, sent int, cause error) Result {
	if sent > len(body)-len(".\r\n") {
		c.Close()
		return Result{Outcome: newsletter.InDoubt, Err: cause,
			Reply: newsletter.Reply{Stage: newsletter.StageDot, Text: newsletter.CleanReply(cause.Error())}}
	}
	// Servers that refuse in the middle ("552 too big") say so before they close.
	if !isTimeout(cause) {
		c.wire.err = nil
		c.wire.arm(c.wire.timeouts.Quit)
		if r, err := c.readReply(newsletter.StageBody); err == nil {
			c.Close()
			switch r.Code / 100 {
			case 4, 5:
				return refused(r)
			case 2: // it claims what it cannot have
				res := lost(newsletter.StageDot, r, nil)
				res.Outcome = newsletter.InDoubt
				return res
			}
		}
	}
	c.Close()
	return notHanded(newsletter.StageBody, cause)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// say writes commands; false means the connection is gone, and nothing handed over.
func (c *Conn) say(commands string, stage newsletter.Stage) (Result, bool) {
	c.wire.arm(c.wire.timeout(stage))
	if _, err := c.write([]byte(commands)); err != nil {
		c.Close()
		return notHanded(stage, err), false
	}
	return Result{}, true
}

// write hands p to the kernel in one write and returns how much of it went. bufio.Writer
// passes what is larger than its buffer straight on, and what a failed Flush could not
// write is what is left in the buffer, so the count is exact; under TLS it counts whole
// records, and of a record cut short the server reads nothing.
func (c *Conn) write(p []byte) (int, error) {
	if n, err := c.w.Write(p); err != nil {
		return n, err
	}
	err := c.w.Flush()
	return len(p) - c.w.Buffered(), err
}

// Bounds of one reply. Real ones have a handful of lines of at most 512 octets.
const (
	maxReplyLines = 100
	maxReplyBytes = 32 << 10
)

func (c *Conn) reply(stage newsletter.Stage) (newsletter.Reply, error) {
	c.wire.arm(c.wire.timeout(stage)) // for the whole reply: a byte a minute gains nothing
	return c.readReply(stage)
}

// readReply reads one reply, strictly: every line has the same three digits, then a blank
// or a hyphen or nothing, and ends. A lone LF ends a line too, as net/textproto has it.
func (c *Conn) readReply(stage newsletter.Stage) (newsletter.Reply, error) {
	var text strings.Builder
	code, total := 0, 0
	for lines := 1; ; lines++ {
		line, err := c.r.ReadSlice('\n')
		switch {
		case err == bufio.ErrBufferFull:
			return newsletter.Reply{}, fmt.Errorf("%w: a reply line without end", errNonsense)
		case err == io.EOF && len(line) > 0:
			return newsletter.Reply{}, io.ErrUnexpectedEOF
		case err != nil:
			return newsletter.Reply{}, err
		}
		total += len(line)
		n, more, words, ok := replyLine(string(bytes.TrimRight(line, "\r\n")))
		switch {
		case !ok, code != 0 && n != code:
			return newsletter.Reply{}, fmt.Errorf("%w: %q", errNonsense, newsletter.CleanReply(string(line[:min(len(line), 200)])))
		case lines > maxReplyLines, total > maxReplyBytes:
			return newsletter.Reply{}, fmt.Errorf("%w: a reply without end", errNonsense)
		}
		code = n
		if text.Len() > 0 { // "550-5.1.1 …" says its status on each line; once is enough
			_, words = newsletter.ParseEnhanced(code, words)
			text.WriteByte('\n')
		}
		if text.Len() < 2*newsletter.MaxReplyText {
			text.WriteString(words)
		}
		if !more {
			return newsletter.NewReply(stage, code, text.String()), nil
		}
	}
}

func replyLine(line string) (code int, more bool, words string, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || line[1] < '0' || line[1] > '9' || line[2] < '0' || line[2] > '9' {
		return 0, false, "", false
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, false, "", true
	}
	return code, line[3] == '-', line[4:], line[3] == '-' || line[3] == ' '
}

func refused(r newsletter.Reply) Result { return Result{Outcome: newsletter.Refused, Reply: r} }

func gateRefused(err error) Result { return Result{Outcome: newsletter.GateRefused, Err: err} }

func gated(r Result) Result {
	r.Gated = true
	return r
}

func notHanded(stage newsletter.Stage, err error) Result {
	return Result{Outcome: newsletter.NotHanded, Err: err,
		Reply: newsletter.Reply{Stage: stage, Text: newsletter.CleanReply(err.Error())}}
}

// lost is for a reply that did not come, or came with a code that has no place here.
func lost(stage newsletter.Stage, r newsletter.Reply, err error) Result {
	if err == nil {
		err = fmt.Errorf("%w: %d %s", errNonsense, r.Code, r.Text)
	}
	return notHanded(stage, err)
}
