package timestamp

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"sync"
	"time"
)

const (
	// maxInFlight bounds the requests to one authority at a time: they are shared services, and a
	// batch has thousands of documents.
	maxInFlight = 8
	// firstPause is how long an authority is left alone after its first failure in a row; each further
	// one doubles it.
	firstPause = 2 * time.Second
	maxPause   = 5 * time.Minute
	// firstLimitPause and maxLimitPause are those after it said that it has had enough of us: asking
	// on makes it worse.
	firstLimitPause = time.Minute
	maxLimitPause   = time.Hour
)

// errBudget says why an authority was not asked.
var errBudget = errors.New("its budget of requests is used up")

// pausedError says that an authority was not asked because it failed lately.
type pausedError struct{ last error }

func (e *pausedError) Error() string { return "not asked again yet after a failure: " + e.last.Error() }
func (e *pausedError) Unwrap() error { return e.last }

// authority is an Authority with what is known about it.
type authority struct {
	Authority
	name  string // for logs and reasons
	slots chan struct{}

	mu       sync.Mutex
	sent     []time.Time // requests within the budget's window, oldest first
	failures int         // in a row
	paused   time.Time   // not to be asked before
	good     time.Time   // the last token; zero = none yet
	last     error       // why it failed last
}

func newAuthority(a Authority, sent []time.Time) *authority {
	u, _ := url.Parse(a.URL) // validated
	if n := len(sent) - a.Budget.Requests; n > 0 {
		sent = sent[n:]
	}
	// By a clock that was ahead they are of the future. They count all the same, lest the authority
	// sees too many, and no longer than one of now.
	now := time.Now()
	for i, at := range sent {
		sent[i] = now.Add(min(0, at.Sub(now)))
	}
	return &authority{Authority: a, name: cmp.Or(a.Name, u.Host), slots: make(chan struct{}, maxInFlight), sent: sent}
}

// enter waits for a free place.
func (a *authority) enter(ctx context.Context) error {
	select {
	case a.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *authority) leave() { <-a.slots }

// admit takes a request off the budget, or says from when on that is possible.
func (a *authority) admit(now time.Time) (next time.Time, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Before(a.paused) {
		return a.paused, &pausedError{a.last}
	}
	if a.Budget.Requests == 0 {
		return time.Time{}, nil
	}
	for len(a.sent) > 0 && !now.Before(a.sent[0].Add(a.Budget.Window)) {
		a.sent = a.sent[1:]
	}
	if len(a.sent) >= a.Budget.Requests {
		return a.sent[0].Add(a.Budget.Window), errBudget
	}
	a.sent = append(a.sent, now)
	return time.Time{}, nil
}

func (a *authority) succeeded() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures, a.paused, a.good = 0, time.Time{}, time.Now()
}

// failed sets the pause after a failure and returns its end.
func (a *authority) failed(err error, now time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = err
	first, most := firstPause, maxPause
	var r *refusedError
	if errors.As(err, &r) && r.limited {
		first, most = firstLimitPause, maxLimitPause
	}
	doublings := min(a.failures, 16)
	if now.Before(a.paused) {
		doublings = max(0, doublings-1)
	}
	pause := min(first<<doublings, most)
	if r != nil && r.after > 0 {
		pause = r.after
	}
	if !now.Before(a.paused) { // requests that were under way together fail together: that is one failure
		a.failures++
	}
	if end := now.Add(pause); end.After(a.paused) {
		a.paused = end
	}
	return a.paused
}

// times returns a copy of the requests that count.
func (a *authority) times() []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]time.Time(nil), a.sent...)
}
