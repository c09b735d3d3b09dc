package timestamp

import (
	"context"
	"crypto"
	"crypto/rand"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// workingFor is how long after a token its authority counts as working. Later documents are
// preceded by a probe. Without it, an operation might pay for a signature and then be given up
// while it waits for the timestamp.
const workingFor = 5 * time.Minute

// Ready returns nil if an authority is expected to return a token now. Otherwise it returns the
// error of Timestamp, always with Retry. If no authority has returned a token in the last minutes,
// or each has failed since, Ready requests a token and drops it. Concurrent callers wait and share
// the result. An authority with a budget is probed only after a failure, because each probe uses up
// one request of the budget.
func (c *Client) Ready(ctx context.Context) error {
	if c.working() {
		return nil
	}
	select {
	case c.probing <- struct{}{}:
	case <-ctx.Done():
		return signing.Errorf(signing.KindTimestamp, "no timestamp authority answered in time").
			Because(ctx.Err()).Retryable(0)
	}
	defer func() { <-c.probing }()
	if c.working() {
		return nil
	}
	digest := make([]byte, crypto.SHA256.Size())
	_, _ = rand.Read(digest) // never fails (crypto/rand)
	if _, err := c.Timestamp(ctx, digest, crypto.SHA256); err != nil {
		// Retry even if the probe was refused permanently, because that says nothing about the request
		// for a document.
		e := *signing.AsError(err)
		e.Retry = true
		return &e
	}
	return nil
}

// working reports whether an authority counts as working without a probe.
func (c *Client) working() bool {
	now := time.Now()
	for _, a := range c.authorities {
		if a.working(now) {
			return true
		}
	}
	return false
}

func (a *authority) working(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failures > 0 {
		return false
	}
	if a.Budget.Requests == 0 {
		return !a.good.IsZero() && now.Sub(a.good) < workingFor
	}
	inWindow := 0
	for _, at := range a.sent {
		if now.Before(at.Add(a.Budget.Window)) {
			inWindow++
		}
	}
	return inWindow < a.Budget.Requests
}
