package timestamp

import (
	"context"
	"crypto"
	"crypto/rand"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// goodFor is how long a token says that its authority works. Documents that come later are preceded
// by a probe: a signature that waits for its timestamp until the operation is given up was paid for
// in vain.
const goodFor = 5 * time.Minute

// Ready returns nil if an authority is expected to give a token now, and else the error of
// Timestamp, always with Retry. Where no authority gave a token in the last minutes, or each has
// failed since, Ready asks for a token and throws it away. Callers that come meanwhile wait and
// share the outcome. An authority with a budget is probed only after a failure, because each probe
// uses it up.
func (c *Client) Ready(ctx context.Context) error {
	if c.believed() {
		return nil
	}
	select {
	case c.probing <- struct{}{}:
	case <-ctx.Done():
		return signing.Errorf(
			signing.KindTimestamp,
			"no timestamp authority answered in time",
		).Because(
			ctx.Err(),
		).Retryable(
			0,
		)
	}
	defer func() { <-c.probing }()
	if c.believed() {
		return nil
	}
	digest := make([]byte, crypto.SHA256.Size())
	_, _ = rand.Read(digest) // never fails (crypto/rand)
	if _, err := c.Timestamp(ctx, digest, crypto.SHA256); err != nil {
		// Retry also after a refusal of the probe for good: it says nothing about the request of a
		// document.
		e := *signing.AsError(err)
		e.Retry = true
		return &e
	}
	return nil
}

// believed reports whether an authority may be relied on without a probe.
func (c *Client) believed() bool {
	now := time.Now()
	for _, a := range c.authorities {
		if a.believed(now) {
			return true
		}
	}
	return false
}

func (a *authority) believed(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failures > 0 {
		return false
	}
	if a.Budget.Requests == 0 {
		return !a.good.IsZero() && now.Sub(a.good) < goodFor
	}
	inWindow := 0
	for _, at := range a.sent {
		if now.Before(at.Add(a.Budget.Window)) {
			inWindow++
		}
	}
	return inWindow < a.Budget.Requests
}
