package signing

import (
	"errors"
	"sync"
	"time"
)

// firstPause is the back-off of a credential whose service asked for fewer requests and did not say
// how long to wait. Each further such refusal without a success in between doubles it, up to twice
// Config.Backoff. It need not be longer, because digests that must wait longer than Config.Backoff
// are returned to their operation.
const firstPause = time.Second

// throttle slows down the calls of credentials whose services ask for fewer requests. It is safe
// for concurrent use.
type throttle struct {
	cfg      *Config // Backoff and Random
	mu       sync.Mutex
	backoffs map[credentialKey]*backoff
}

// backoff is how one credential is used after its service asked for fewer requests, or for no
// requests until some time.
type backoff struct {
	until time.Time // no call starts before
	// since is the start of the current back-off. Rate-limit errors of calls that started earlier do
	// not extend it.
	since       time.Time
	pause       time.Duration // of the last refusal; 0 after a success
	maxInFlight int           // a refusal halves it, each success adds one
	reason      Error
}

func newThrottle(cfg *Config) *throttle {
	return &throttle{cfg: cfg, backoffs: make(map[credentialKey]*backoff)}
}

// record learns from the result of a call that began at start.
func (t *throttle) record(key credentialKey, c *Credential, start time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.recordSuccess(key, c, start)
		return
	}
	e := AsError(err)
	tooMany := errors.Is(err, ErrTooMany)
	if e.Kind == KindStorage { // a fault of our own disk says nothing about the service
		return
	}
	if !e.Retry || e.RetryAfter <= 0 && !tooMany {
		return
	}
	b := t.backoffs[key]
	if b == nil {
		b = &backoff{maxInFlight: max(1, c.InFlight)}
		t.backoffs[key] = b
	}
	now := time.Now()
	if tooMany && !start.Before(b.since) {
		b.pause = min(max(firstPause, 2*b.pause), max(firstPause, 2*t.cfg.Backoff))
		b.maxInFlight = max(1, b.maxInFlight/2)
		b.since = now
	}
	after := e.RetryAfter
	if tooMany {
		after = max(after, b.pause)
	}
	if until := now.Add(t.cfg.withJitter(after)); until.After(b.until) {
		b.until, b.reason = until, *e
	}
}

// recordSuccess ends the growth of the pause and allows one more call in flight. The caller holds
// mu.
func (t *throttle) recordSuccess(key credentialKey, c *Credential, start time.Time) {
	b := t.backoffs[key]
	if b == nil || start.Before(b.since) {
		return
	}
	b.pause = 0
	if b.maxInFlight++; b.maxInFlight >= c.InFlight {
		delete(t.backoffs, key)
	}
}

// remaining returns how long no call of the credential may start, and the error that caused the
// back-off. It returns 0 when a call may start now.
func (t *throttle) remaining(key credentialKey, now time.Time) (time.Duration, Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.backoffs[key]; b != nil {
		return max(0, b.until.Sub(now)), b.reason
	}
	return 0, Error{}
}

// limit returns how many calls of a credential may be in flight, when its settings allow n.
func (t *throttle) limit(key credentialKey, n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.backoffs[key]; b != nil {
		return min(n, b.maxInFlight)
	}
	return n
}
