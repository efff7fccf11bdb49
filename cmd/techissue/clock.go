//go:build !testclock

package main

import "time"

// now is the program's one clock.
func now() time.Time { return time.Now().UTC() }
