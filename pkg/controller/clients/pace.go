package clients

import (
	"sync"
	"time"
)

const (
	// quiet is how long no Secret must have changed before the rendered Secret is written. Many
	// Secrets that are applied together then cause one write.
	quiet = 250 * time.Millisecond
	// longest bounds how long a stream of changes can delay a write. Together with the time that the
	// kubelet and the proxy need, the last instance knows a client service about 5 s after the change.
	longest = 4 * time.Second
)

// pace decides when a series of changes has ended. It is safe for concurrent use. The zero value is
// ready.
type pace struct {
	mu          sync.Mutex
	first, last time.Time // of the changes since start was called; zero = none
}

// changed records a change at now.
func (p *pace) changed(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first.IsZero() {
		p.first = now
	}
	p.last = now
}

// start returns 0 and forgets the recorded changes if it is time to handle them. Otherwise it
// returns how long to wait.
func (p *pace) start(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	due := p.last.Add(quiet)
	if latest := p.first.Add(longest); latest.Before(due) {
		due = latest
	}
	if wait := due.Sub(now); wait > 0 {
		return wait
	}
	p.first, p.last = time.Time{}, time.Time{}
	return 0
}
