// Package pace spaces calls out in time: at most n calls in any time span (Pace), and growing
// pauses between retries (Backoff).
package pace

import (
	"context"
	"sync"
	"time"
)

// Pace allows n calls in each time span. It is safe for concurrent use.
type Pace struct {
	span time.Duration
	mu   sync.Mutex
	last []time.Time // times of the last n calls, oldest first; calls that wait have a time in the future
}

// New returns a Pace of n calls in span. n is at least 1.
func New(n int, span time.Duration) *Pace {
	return &Pace{span: span, last: make([]time.Time, n)}
}

// Wait returns nil when the caller may call, or the error of ctx. A caller that gives up has used
// its turn, so calls never come too fast.
func (p *Pace) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	now := time.Now()
	turn := p.last[0].Add(p.span)
	if turn.Before(now) {
		turn = now
	}
	copy(p.last, p.last[1:])
	p.last[len(p.last)-1] = turn
	p.mu.Unlock()
	return Pause(ctx, turn.Sub(now))
}

// Pause waits for d. If ctx ends before, Pause returns its error.
func Pause(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
