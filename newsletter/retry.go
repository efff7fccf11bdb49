package newsletter

import "time"

// RetrySchedule says how long a letter waits after each charged attempt that failed for
// the time being; the last entry repeats.
type RetrySchedule []time.Duration

// DefaultRetries begins at five minutes, which is what greylisting asks for, and spans
// the four days after which senders give up (RFC 5321 §4.5.4.1).
func DefaultRetries() RetrySchedule {
	const m, h = time.Minute, time.Hour
	return RetrySchedule{5 * m, 10 * m, 20 * m, 40 * m, 80 * m, 160 * m,
		4 * h, 6 * h, 8 * h, 12 * h, 12 * h, 24 * h, 24 * h}
}

// retryJitter spreads letters that failed together over ±15 %.
const retryJitter = 0.15

// After returns the wait after attempt n (the first is 1) of letter id. The jitter is
// derived from both, so that a restart does not draw again and a test can name the time.
func (s RetrySchedule) After(n int, id int64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	base := s[min(max(n, 1), len(s))-1]
	return base + time.Duration(float64(base)*retryJitter*spread(uint64(id), uint64(n)))
}

// Longest is the longest wait that After can give.
func (s RetrySchedule) Longest() time.Duration {
	var longest time.Duration
	for _, d := range s {
		longest = max(longest, d)
	}
	return longest + time.Duration(float64(longest)*retryJitter)
}

// spread maps its arguments evenly to [-1, 1): the finaliser of SplitMix64.
func spread(a, b uint64) float64 {
	z := a + b*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z>>11)/(1<<52) - 1
}

// A letter is given up when both have passed. Time alone would let a clock that jumps a
// week empty the queue; attempts alone would give up within minutes of a short schedule.
const (
	RetryFor      = 96 * time.Hour
	RetryAtLeast  = 5
	ReasonExpired = "expired"
)

// RetryOver reports whether a letter first due at first has been tried long enough.
// expires is the issue's own end, zero when it has none: after it nothing is tried again.
func RetryOver(first, now time.Time, attempts int, expires time.Time) bool {
	if !expires.IsZero() && !now.Before(expires) {
		return true
	}
	return attempts >= RetryAtLeast && now.Sub(first) >= RetryFor
}
