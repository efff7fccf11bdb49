package main_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/mailer/smtptest"
)

// While another program holds the database's write lock, commands that only read answer all the same.
func TestReadingCommandsNeedNoWriteLock(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.first(3)
	release := h.lockOut()
	defer release()
	for _, args := range [][]string{
		{"issue", "list"}, {"issue", "report", "1", "--json"}, {"issue", "preview", "1"}, {"issue", "check", "1"}, {"issue", "deliveries", "1"}, {"subscribers", "list"},
		{"suppress", "list"}, {"article", "list"}, {"admin", "list"}, {"key", "list"}, {"link", "list"}, {"doctor", "--offline"}, {"migrate", "status"},
	} {
		h.run(0, args...)
	}
}

// lockOut takes the write lock of the SQLite file as another program would, until release.
func (h *house) lockOut() (release func()) {
	h.t.Helper()
	d, err := db.Open(h.t.Context(), db.Options{URL: filepath.Join(h.data, "techissue.db"), MustExist: true, Now: time.Now, Log: dbtest.Silent()})
	if err != nil {
		h.t.Fatal(err)
	}
	held, let, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- d.Update(context.WithoutCancel(h.t.Context()), func(*db.Tx) error {
			close(held)
			<-let
			return nil
		})
	}()
	select {
	case <-held:
	case err := <-done:
		h.t.Fatalf("the lock was not to be had: %v", err)
	}
	return func() {
		close(let)
		if err := <-done; err != nil {
			h.t.Error(err)
		}
		d.Close()
	}
}
