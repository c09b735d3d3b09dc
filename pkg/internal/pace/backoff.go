package pace

import "time"

// Backoff says how long to wait between the tries of something that fails: each pause is twice the
// one before. It holds no state, so the zero state is kept where the failures are counted.
type Backoff struct {
	First time.Duration // the first pause
	Max   time.Duration // no pause is longer; 0 = no bound
}

// After returns the pause after so many failures in a row, at least one: First, 2×First, 4×First
// and so on, at most Max.
func (b Backoff) After(failures int) time.Duration {
	pause := b.Next(0)
	for range failures - 1 {
		next := b.Next(pause)
		if next == pause {
			break
		}
		pause = next
	}
	return pause
}

// Next returns the pause that follows a pause of the given length; 0 = there was none yet.
func (b Backoff) Next(pause time.Duration) time.Duration {
	next := max(b.First, pause)
	if doubled := 2 * pause; doubled > next { // not after an overflow
		next = doubled
	}
	if b.Max > 0 {
		next = min(next, b.Max)
	}
	return next
}
