package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// bar tells how long work goes on: on a terminal one line that is drawn over itself, elsewhere a line every 5 seconds, so that a log
// stays readable.
type bar struct {
	label    string
	out      io.Writer
	terminal bool
	now      func() time.Time // monotonic: the test clock does not move it

	samples []sample
	said    time.Time
	drawn   bool
}

type sample struct {
	at   time.Time
	done int64
}

const (
	barWidth   = 18
	barEvery   = 5 * time.Second // between two lines of a log
	barRedraw  = 200 * time.Millisecond
	rateWindow = 10 * time.Second
)

func newBar(label string, out *os.File) *bar {
	return &bar{label: label, out: out, terminal: term.IsTerminal(int(out.Fd())), now: time.Now}
}

// show tells that done of total are done; total 0 is unknown. It may be called often.
func (b *bar) show(done, total int64, note string) {
	at := b.now()
	b.sample(at, done)
	every := barEvery
	if b.terminal {
		every = barRedraw
	}
	if b.said.IsZero() && !b.terminal {
		b.said = at // work that ends within 5 seconds needs no line
	}
	if at.Sub(b.said) < every {
		return
	}
	b.said = at
	b.write(done, total, note)
}

// end tells the last figures and leaves the line.
func (b *bar) end(done, total int64, note string) {
	b.sample(b.now(), done)
	b.write(done, total, note)
	if b.drawn {
		fmt.Fprintln(b.out)
		b.drawn = false
	}
}

// leave ends the line without a last word, so that what is said next stands on a line of its own.
func (b *bar) leave() {
	if b.drawn {
		fmt.Fprintln(b.out)
		b.drawn = false
	}
}

func (b *bar) write(done, total int64, note string) {
	line := b.line(done, total, note)
	if !b.terminal {
		fmt.Fprintln(b.out, line)
		return
	}
	fmt.Fprint(b.out, "\r\x1b[K"+line)
	b.drawn = true
}

func (b *bar) sample(at time.Time, done int64) {
	if n := len(b.samples); n > 0 && at.Sub(b.samples[n-1].at) < barRedraw {
		b.samples[n-1].done = done
		return
	}
	b.samples = append(b.samples, sample{at, done})
	for len(b.samples) > 2 && at.Sub(b.samples[0].at) > rateWindow {
		b.samples = b.samples[1:]
	}
}

// rate is per second over the last seconds.
func (b *bar) rate() float64 {
	if len(b.samples) < 2 {
		return 0
	}
	first, last := b.samples[0], b.samples[len(b.samples)-1]
	return float64(last.done-first.done) / last.at.Sub(first.at).Seconds()
}

func (b *bar) line(done, total int64, note string) string {
	var s strings.Builder
	s.WriteString(b.label)
	if total > 0 {
		part := min(1, float64(done)/float64(total))
		if b.terminal {
			full := int(part * barWidth)
			s.WriteString("  [" + strings.Repeat("█", full) + strings.Repeat("░", barWidth-full) + "]")
		}
		fmt.Fprintf(&s, "  %3d%%  %s/%s", int(part*100), grouped(done), grouped(total))
	} else {
		s.WriteString("  " + grouped(done))
	}
	if rate := b.rate(); rate > 0 {
		fmt.Fprintf(&s, "  %s/s", grouped(int64(math.Round(rate))))
		if left := float64(total-done) / rate; total > done {
			s.WriteString("  " + (time.Duration(math.Ceil(left)) * time.Second).String() + " left")
		}
	}
	if note != "" {
		s.WriteString("   (" + note + ")")
	}
	return s.String()
}

// grouped writes 12,480.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
