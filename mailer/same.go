package mailer

import (
	"sync"

	"techissue/newsletter"
)

// sameReply watches for the rule that outranks the others: the same refusal for five readers of three domains in a
// row, with nothing accepted in between, is nobody's fault but ours.
type sameReply struct {
	mu    sync.Mutex
	words string
	on    bool // the rule has spoken: what else was in flight shares the fate
	run   []refusal
}

type refusal struct {
	newsletter.Ticket
	issue      newsletter.IssueID
	subscriber newsletter.SubscriberID
	domain     string
}

const (
	sameReaders = 5
	sameDomains = 3
)

func (s *sameReply) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words, s.on, s.run = "", false, nil
}

// note tells whether a refusal is ours, and which earlier ones of the same issue have to be taken back for it.
func (s *sameReply) note(c newsletter.Claimed, reply newsletter.Reply, v newsletter.Verdict) (earlier []newsletter.Ticket, ours bool) {
	if c.Single || reply.Code < 500 || v.Action != newsletter.ActFail && v.Blame != newsletter.BlameDomain {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if words := newsletter.SameWords(reply); words != s.words {
		s.words, s.on, s.run = words, false, nil
	}
	if s.on {
		return nil, true
	}
	readers, domains := map[newsletter.SubscriberID]bool{c.Subscriber: true}, map[string]bool{domainOf(c.Email): true}
	for _, r := range s.run {
		readers[r.subscriber], domains[r.domain] = true, true
		if r.issue == c.Issue {
			earlier = append(earlier, r.Ticket)
		}
	}
	if len(readers) < sameReaders || len(domains) < sameDomains {
		s.run = append(s.run, refusal{c.Ticket, c.Issue, c.Subscriber, domainOf(c.Email)})
		if len(s.run) > 100 { // of one or two domains
			s.run = s.run[1:]
		}
		return nil, false
	}
	s.on, s.run = true, nil
	return earlier, true
}

// spoken tells whether the rule has spoken about a reply: a letter whose failure was still being written then is taken back by
// its own worker.
func (s *sameReply) spoken(reply newsletter.Reply) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on && newsletter.SameWords(reply) == s.words
}
