//go:build testclock

package main

import (
	"os"
	"strings"
	"sync"
	"time"
)

var moved struct {
	sync.Mutex
	read  time.Time
	shift time.Duration
}

// now is the machine's clock moved by the duration found in the file named by TECHISSUE_CLOCK_FILE, read again every 50 ms.
func now() time.Time {
	t := time.Now()
	moved.Lock()
	defer moved.Unlock()
	if t.Sub(moved.read) >= 50*time.Millisecond {
		moved.read = t
		if raw, err := os.ReadFile(os.Getenv("TECHISSUE_CLOCK_FILE")); err == nil {
			if d, err := time.ParseDuration(strings.TrimSpace(string(raw))); err == nil {
				moved.shift = d
			}
		}
	}
	return t.Add(moved.shift).UTC()
}
