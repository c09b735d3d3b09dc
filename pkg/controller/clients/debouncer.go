package clients

import (
	"sync"
	"time"
)

const (
	// quietTime is how long no Secret must have changed before the rendered Secret is written. Many
	// Secrets that are applied together then cause one write.
	quietTime = 250 * time.Millisecond
	// maxDelay bounds how long a stream of changes can delay a write. Together with the time that the
	// kubelet and the proxy need, the last instance knows a client service about 5 s after the change.
	maxDelay = 4 * time.Second
)

// debouncer decides when a series of changes has ended. It is safe for concurrent use. The zero
// value is ready.
type debouncer struct {
	mu          sync.Mutex
	first, last time.Time // of the changes since start was called; zero = none
}

// changed records a change at now.
func (d *debouncer) changed(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.first.IsZero() {
		d.first = now
	}
	d.last = now
}

// start returns 0 and forgets the recorded changes if it is time to handle them. Otherwise it
// returns how long to wait.
func (d *debouncer) start(now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	due := d.last.Add(quietTime)
	if latest := d.first.Add(maxDelay); latest.Before(due) {
		due = latest
	}
	if wait := due.Sub(now); wait > 0 {
		return wait
	}
	d.first, d.last = time.Time{}, time.Time{}
	return 0
}
