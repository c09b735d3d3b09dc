package timestamp

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

const (
	// maxInFlight is the largest number of requests to one authority at the same time. Authorities are
	// shared services, and a batch may have thousands of documents.
	maxInFlight = 8
)

var (
	// afterFailure is how long an authority is not asked after failures in a row.
	afterFailure = pace.Backoff{First: 2 * time.Second, Max: 5 * time.Minute}
	// afterLimit is the same after a rate-limit error. It is longer, because further requests would
	// make it worse.
	afterLimit = pace.Backoff{First: time.Minute, Max: time.Hour}
)

// errBudget says that an authority was not asked because its budget is used up.
var errBudget = errors.New("its budget of requests is used up")

// pausedError says that an authority was not asked because it has failed recently.
type pausedError struct{ last error }

func (e *pausedError) Error() string { return "not asked again yet after a failure: " + e.last.Error() }
func (e *pausedError) Unwrap() error { return e.last }

// authority is an Authority with its current state.
type authority struct {
	Authority
	name  string // for logs and reasons
	slots chan struct{}

	mu       sync.Mutex
	sent     []time.Time // requests within the budget's window, oldest first
	failures int         // in a row
	paused   time.Time   // not asked before this time
	good     time.Time   // when the last token came; zero = none yet
	last     error       // the last error
}

func newAuthority(a Authority, sent []time.Time) *authority {
	u, _ := url.Parse(a.URL) // validated
	if n := len(sent) - a.Budget.Requests; n > 0 {
		sent = sent[n:]
	}
	// If the clock was ahead, some requests seem to be in the future. Count them as requests of now.
	// So the authority does not get too many requests, and they do not count longer than new ones.
	now := time.Now()
	for i, at := range sent {
		sent[i] = now.Add(min(0, at.Sub(now)))
	}
	return &authority{Authority: a, name: cmp.Or(a.Name, u.Host), slots: make(chan struct{}, maxInFlight), sent: sent}
}

// enter waits until another request to the authority may start.
func (a *authority) enter(ctx context.Context) error {
	select {
	case a.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *authority) leave() { <-a.slots }

// admit takes one request from the budget. If that is not possible, it returns the reason and the
// time from which it is possible.
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

// failed sets the pause after a failure and returns when it ends.
func (a *authority) failed(err error, now time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = err
	backoff := afterFailure
	var r *refusedError
	if errors.As(err, &r) && r.limited {
		backoff = afterLimit
	}
	failures := a.failures
	if !now.Before(a.paused) { // parallel requests that fail together count as one failure
		failures++
	}
	pause := backoff.After(failures)
	if r != nil && r.after > 0 {
		pause = r.after
	}
	a.failures = failures
	if end := now.Add(pause); end.After(a.paused) {
		a.paused = end
	}
	return a.paused
}

// times returns a copy of the request times within the budget's window.
func (a *authority) times() []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]time.Time(nil), a.sent...)
}
