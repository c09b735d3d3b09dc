package pace

import "time"

// Backoff is the pause between retries: each pause is twice the one before. It holds no state. The
// caller keeps the number of failures or the last pause.
type Backoff struct {
	First time.Duration // the first pause
	Max   time.Duration // no pause is longer; 0 = no bound
}

// After returns the pause after this number of failures in a row: First, 2×First, 4×First and so
// on, at most Max. Fewer than one failure counts as one.
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

// Next returns the pause that follows a pause of the given length. 0 = there was no pause yet.
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
