package newsletter_test

import (
	"testing"
	"time"

	"techissue/newsletter"
)

func TestRetryScheduleMatchesTheTable(t *testing.T) {
	t.Parallel()
	const m, h = time.Minute, time.Hour
	want := []time.Duration{5 * m, 10 * m, 20 * m, 40 * m, 80 * m, 160 * m, 4 * h, 6 * h, 8 * h, 12 * h, 12 * h, 24 * h, 24 * h, 24 * h, 24 * h}
	s := newsletter.DefaultRetries()
	for i, base := range want {
		lo, hi := time.Duration(1<<62), time.Duration(0)
		for id := int64(1); id <= 2000; id++ {
			d := s.After(i+1, id)
			if d != s.After(i+1, id) {
				t.Fatalf("attempt %d of letter %d: two answers", i+1, id)
			}
			lo, hi = min(lo, d), max(hi, d)
		}
		if lo < base*85/100 || hi > base*115/100 {
			t.Errorf("attempt %d: waits from %v to %v leave %v ± 15 %%", i+1, lo, hi, base)
		}
		if lo > base*86/100 || hi < base*114/100 {
			t.Errorf("attempt %d: waits from %v to %v do not fill %v ± 15 %%", i+1, lo, hi, base)
		}
	}
	if d := (newsletter.RetrySchedule{3 * time.Second}).After(9, 1); d < 2550*time.Millisecond || d > 3450*time.Millisecond {
		t.Errorf("a short table's last entry repeats: got %v", d)
	}
	if d := (newsletter.RetrySchedule{}).After(1, 1); d != 0 {
		t.Errorf("an empty table waits %v", d)
	}
	if d := s.After(0, 7); d < 4*m || d > 6*m {
		t.Errorf("attempt 0 counts as the first: got %v", d)
	}
}

func TestRetryOverNeedsTimeAndAttempts(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		after    time.Duration
		attempts int
		expires  time.Time
		want     bool
	}{
		{"a clock that jumped a week expires nothing", 7 * 24 * time.Hour, 4, time.Time{}, false},
		{"many attempts on one day expire nothing", 23 * time.Hour, 40, time.Time{}, false},
		{"both", 96 * time.Hour, 5, time.Time{}, true},
		{"just before", 96*time.Hour - 1, 5, time.Time{}, false},
		{"the clock went back", -48 * time.Hour, 9, time.Time{}, false},
		{"the issue's own end", time.Hour, 1, first.Add(time.Hour), true},
		{"before the issue's own end", time.Hour, 1, first.Add(time.Hour + 1), false},
	}
	for _, tt := range tests {
		if got := newsletter.RetryOver(first, first.Add(tt.after), tt.attempts, tt.expires); got != tt.want {
			t.Errorf("%s: RetryOver = %v", tt.name, got)
		}
	}
}
