package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"
)

// eventStream writes server-sent events (HTML Living Standard, 9.2) and never the same one twice in a row.
type eventStream struct {
	to   *http.ResponseController
	w    io.Writer
	last string // id of the event that the browser has
}

func (e *eventStream) open() error { return e.write("retry: 2000\n\n") }

// show sends the piece of page unless the browser has it. The last one is named done: the browser must not come back.
func (e *eventStream) show(html []byte, done bool) error {
	sum := sha256.Sum256(html)
	id := hex.EncodeToString(sum[:8])
	if id == e.last && !done {
		return nil
	}
	e.last = id
	var b strings.Builder
	if done {
		b.WriteString("event: done\n")
	}
	b.WriteString("id: " + id + "\n")
	for line := range strings.Lines(string(html)) {
		b.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
	}
	b.WriteString("\n")
	return e.write(b.String())
}

// write bounds each write by itself: the stream has no deadline, a browser that reads no more must not hold it.
func (e *eventStream) write(text string) error {
	_ = e.to.SetWriteDeadline(time.Now().Add(streamWrite)) // not every writer has one: tests record
	if _, err := io.WriteString(e.w, text); err != nil {
		return err
	}
	return e.to.Flush()
}
