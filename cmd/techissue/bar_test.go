package main

import (
	"strings"
	"testing"
	"time"
)

func TestBar(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	at := time.Unix(1_800_000_000, 0)
	b := &bar{label: "issue 12", out: &out, now: func() time.Time { return at }}
	for n := range 26 { // one every half second
		b.show(int64(n*10), 250, "deferred 2")
		at = at.Add(500 * time.Millisecond)
	}
	b.end(250, 250, "")
	want := "issue 12   40%  100/250  20/s  8s left   (deferred 2)\n" +
		"issue 12   80%  200/250  20/s  3s left   (deferred 2)\n" +
		"issue 12  100%  250/250  19/s\n"
	if out.String() != want {
		t.Errorf("a log says\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	b = &bar{label: "copy", out: &out, terminal: true, now: func() time.Time { return at }}
	b.show(0, 4, "")
	at = at.Add(time.Second)
	b.show(1, 4, "")
	b.show(2, 4, "") // too soon to draw again
	b.end(4, 4, "")
	want = "\r\x1b[Kcopy  [░░░░░░░░░░░░░░░░░░]    0%  0/4\r\x1b[Kcopy  [████░░░░░░░░░░░░░░]   25%  1/4  1/s  3s left\r\x1b[Kcopy  [██████████████████]  100%  4/4  4/s\n"
	if out.String() != want {
		t.Errorf("a terminal shows\n%q want\n%q", out.String(), want)
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is written %s", n, got)
		}
	}
}
