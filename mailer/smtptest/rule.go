package smtptest

import (
	"strings"
	"time"
)

// Stage is the point of a conversation at which a rule speaks.
type Stage string

const (
	Connect  Stage = "connect"  // instead of the greeting
	EHLO     Stage = "ehlo"     // HELO too
	StartTLS Stage = "starttls" // before the handshake
	Auth     Stage = "auth"     // at the AUTH command
	Mail     Stage = "mail"
	Rcpt     Stage = "rcpt"
	Data     Stage = "data" // instead of 354
	Body     Stage = "body" // within the letter, after Action.After bytes: Hang and Drop only
	Dot      Stage = "dot"  // the final dot was read, the letter is not taken yet: a refusal, a hang or a drop here loses it
	Answer   Stage = "answer"
	// Answer comes after the letter was taken, in place of its 250: what is lost here leaves the client in doubt.
)

// Drop closes the connection around a reply.
type Drop int

const (
	Keep       Drop = iota
	DropBefore      // nothing is said
	DropAfter       // the reply is written first
)

// Action is what the server does instead of the usual. Delay goes with all of them.
type Action struct {
	Code  int           // the reply's code; 0 keeps the usual reply
	Text  string        // with its enhanced code, if any; lines end in \n
	Raw   string        // exactly these bytes instead of a reply, line ends and all
	Delay time.Duration // before anything else
	Hang  bool          // says nothing until the client, or Close, ends the connection
	Drop  Drop
	Reset bool // drops with RST instead of FIN
	After int  // Body: bytes of the letter read before it happens
}

// Rule is an action and when it is due. Empty fields match everything. Rules that name a
// recipient match from Rcpt on.
type Rule struct {
	At           Stage
	To           string // exact address, in any case
	Domain       string
	FirstAttempt int // counted by RCPT commands for the address, from 1
	LastAttempt  int // 0: no end
	Conn         int // only on the nth connection
	Times        int // at most so often
	When         func(Event) bool
	Do           Action
}

// Event is what a rule's When may look at.
type Event struct {
	Stage    Stage
	Conn     int
	TLS      bool
	Line     string // the command
	From, To string
	Attempt  int
	Accepted int // letters taken by the whole server
}

// Refuse answers one address at one stage always alike; "" means every address.
func Refuse(at Stage, to string, code int, text string) Rule {
	return Rule{At: at, To: to, Do: Action{Code: code, Text: text}}
}

// HardBounce refuses addresses for good, as a mailbox that does not exist.
func HardBounce(addrs ...string) []Rule {
	var rules []Rule
	for _, a := range addrs {
		rules = append(rules, Refuse(Rcpt, a, 550, "5.1.1 <"+a+">: Recipient address rejected: User unknown"))
	}
	return rules
}

// Defer puts addresses off for their first n attempts.
func Defer(n int, addrs ...string) []Rule {
	var rules []Rule
	for _, a := range addrs {
		rules = append(rules, Rule{At: Rcpt, To: a, LastAttempt: n,
			Do: Action{Code: 451, Text: "4.3.2 <" + a + ">: Please try again later"}})
	}
	return rules
}

type liveRule struct {
	Rule
	used int
}

// Add puts rules behind those there are. A running conversation meets them at its next stage.
func (s *Server) Add(rules ...Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rules {
		r.To, r.Domain = strings.ToLower(r.To), strings.ToLower(r.Domain)
		s.rules = append(s.rules, &liveRule{Rule: r})
	}
}

// SetRules puts rules in place of those there are.
func (s *Server) SetRules(rules ...Rule) {
	s.mu.Lock()
	s.rules = nil
	s.mu.Unlock()
	s.Add(rules...)
}

// rule finds what to do at a stage: the zero Action is the usual.
func (s *Server) rule(c *session, at Stage, line string) Action {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if r.At != at || r.Conn != 0 && r.Conn != c.id || r.Times != 0 && r.used >= r.Times {
			continue
		}
		e := Event{Stage: at, Conn: c.id, TLS: c.secure, Line: line, From: c.from, Accepted: len(s.accepted)}
		if s.matchLocked(c, r, e) {
			r.used++
			return r.Do
		}
	}
	return Action{}
}

func (s *Server) matchLocked(c *session, r *liveRule, e Event) bool {
	named := r.To != "" || r.Domain != "" || r.FirstAttempt != 0 || r.LastAttempt != 0
	if len(c.tried) == 0 {
		return !named && (r.When == nil || r.When(e))
	}
	tried := c.tried
	if e.Stage == Rcpt {
		tried = tried[len(tried)-1:] // the one this command names
	}
	for _, to := range tried {
		e.To, e.Attempt = to, s.attempts[to]
		_, domain, _ := strings.Cut(to, "@")
		switch {
		case r.To != "" && r.To != to, r.Domain != "" && r.Domain != domain:
		case e.Attempt < r.FirstAttempt, r.LastAttempt != 0 && e.Attempt > r.LastAttempt:
		case r.When != nil && !r.When(e):
		default:
			return true
		}
	}
	return false
}

func (s *Server) countAttempt(to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts[to]++
}
