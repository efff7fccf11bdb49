package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sync"

	"techissue/newsletter"
)

// leaversFile is leavers.log beside a SQLite database: one line per leaver, the keyed hash of the address, the time in Unix milliseconds
// and the kind. It is on disk before the transaction commits, so that a backup of yesterday can be told who left today.
type leaversFile struct {
	path string
	mu   sync.Mutex
}

// Append adds lines and waits for the disk.
func (l *leaversFile) Append(_ context.Context, lines ...newsletter.Leaver) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open leavers.log: %w", err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for _, line := range lines {
		fmt.Fprintf(w, "%s %d %s\n", line.Key, line.At.UnixMilli(), line.Kind)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write leavers.log: %w", err)
	}
	return f.Sync()
}
