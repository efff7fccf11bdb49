package mailer

import (
	"strings"

	"techissue/newsletter"
)

// Counter hears what relays answer and how many connections stand: cmd keeps the numbers for /metrics. Its methods are called
// from many goroutines and must not block.
type Counter interface {
	// Replied tells the reply that decided about a letter to domain: class is "2xx", "4xx", "5xx", or "lost" when there was none.
	Replied(domain, class string)
	// Connections changes the number of open connections.
	Connections(change int)
}

// counting tells a Counter, if there is one.
type counting struct{ to Counter }

func (c counting) connections(change int) {
	if c.to != nil {
		c.to.Connections(change)
	}
}

// replied leaves out letters about which nobody was asked: the gate or our own judgement kept them back.
func (c counting) replied(l Letter, r Result) {
	if c.to == nil || r.Outcome == newsletter.GateRefused || r.Outcome == newsletter.NotHanded && r.Reply.Code == 0 {
		return
	}
	class := "lost"
	switch r.Reply.Code / 100 {
	case 2:
		class = "2xx"
	case 4:
		class = "4xx"
	case 5:
		class = "5xx"
	}
	_, domain, _ := strings.Cut(l.To, "@")
	c.to.Replied(domain, class)
}
