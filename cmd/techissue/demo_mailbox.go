package main

import (
	"strconv"
	"sync"

	"techissue/handlers"
	"techissue/mailer/smtptest"
)

// mailbox shows what the built-in server caught.
type mailbox struct {
	server *smtptest.Server
	mu     sync.Mutex
	hidden int // letters before this one were cleared
}

func (m *mailbox) List() []handlers.CaughtMail {
	m.mu.Lock()
	hidden := m.hidden
	m.mu.Unlock()
	all := m.server.Accepted()
	var out []handlers.CaughtMail
	for n := len(all) - 1; n >= hidden; n-- {
		out = append(out, caught(n, all[n]))
	}
	return out
}

func (m *mailbox) Get(id string) (handlers.CaughtMail, bool) {
	n, err := strconv.Atoi(id)
	all := m.server.Accepted()
	if err != nil || n < 0 || n >= len(all) {
		return handlers.CaughtMail{}, false
	}
	return caught(n, all[n]), true
}

func (m *mailbox) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hidden = len(m.server.Accepted())
}

func caught(n int, msg smtptest.Message) handlers.CaughtMail {
	return handlers.CaughtMail{ID: strconv.Itoa(n), At: msg.At, From: msg.From, To: []string{msg.Rcpt()}, Raw: msg.Data}
}
