package clients

import (
	"sync"
	"time"
)

const (
	// quiet is how long no Secret may have changed before the rendered one is written: many that are
	// applied together make one write.
	quiet = 250 * time.Millisecond
	// longest is how long a stream of changes can put off a write. With quiet, the kubelet's share and
	// the proxy's, the last instance still knows a client service about 5 s after the first change
	// that nobody interrupts.
	longest = 4 * time.Second
)

// pace tells when a run of changes has ended. It is safe for concurrent use; the zero value is
// ready.
type pace struct {
	mu          sync.Mutex
	first, last time.Time // of the changes since start was called; zero = none
}

// changed notes a change at now.
func (p *pace) changed(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first.IsZero() {
		p.first = now
	}
	p.last = now
}

// start returns 0 and forgets the changes so far if it is time to look at them, else how long to
// wait.
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
