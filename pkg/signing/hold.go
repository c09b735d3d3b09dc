package signing

import (
	"errors"
	"time"
)

// firstPause is how long a credential rests after its service asked for fewer requests and did not
// say until when. Each such refusal without a success in between doubles it, up to twice
// Config.Backoff: what waits longer than Backoff is given back to its operation.
const firstPause = time.Second

// hold is how a credential is used whose service asked for fewer requests, or for none until some
// time. Guarded by batcher.mu.
type hold struct {
	until  time.Time
	since  time.Time     // calls that began before were not warned: what becomes of them is no news
	pause  time.Duration // of the last refusal; 0 after a success
	atOnce int           // calls in flight: halved by a refusal, one more after each success
	reason Error
}

// heed notes what a call that began at start says about the next ones.
func (b *batcher) heed(key queueKey, c *Credential, start time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holds[key]
	if err == nil {
		if h == nil || start.Before(h.since) {
			return
		}
		h.pause = 0
		if h.atOnce++; h.atOnce >= c.InFlight {
			delete(b.holds, key)
		}
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
	if h == nil {
		h = &hold{atOnce: max(1, c.InFlight)}
		b.holds[key] = h
	}
	now := time.Now()
	if tooMany && !start.Before(h.since) {
		h.pause = min(max(firstPause, 2*h.pause), max(firstPause, 2*b.cfg.Backoff))
		h.atOnce = max(1, h.atOnce/2)
		h.since = now
	}
	after := e.RetryAfter
	if tooMany {
		after = max(after, h.pause)
	}
	if until := now.Add(b.cfg.later(after)); until.After(h.until) {
		h.until, h.reason = until, *e
	}
}

// heldFor is how long the credential must rest from now on.
func (b *batcher) heldFor(key queueKey, now time.Time) time.Duration {
	if h := b.holds[key]; h != nil {
		return max(0, h.until.Sub(now))
	}
	return 0
}

// atOnce is how many calls may be in flight. None begins while the credential is read again, and
// one where nothing says yet that the service signs with its certificate.
func (q *credentialQueue) atOnce() int {
	switch {
	case q.b.renewals.underWay(q.key):
		return 0
	case !q.b.proofs.proven(q.key, time.Now()):
		return 1
	}
	n := max(1, q.credential.InFlight)
	if h := q.b.holds[q.key]; h != nil {
		n = min(n, h.atOnce)
	}
	return n
}

// giveBack ends what waits for a credential that must rest for longer than an operation waits
// between two tries: nothing was sent, the operation says that a retry is planned, and for when.
func (q *credentialQueue) giveBack(now time.Time) {
	rest := q.b.heldFor(q.key, now)
	if rest <= q.b.cfg.Backoff || q.lanes.n == 0 {
		return
	}
	e := q.b.holds[q.key].reason
	e.Unknown, e.RetryAfter = false, rest
	for _, it := range q.lanes.take(q.lanes.n) {
		it.err = &e
		it.done()
	}
}

// again puts items back that were refused for the rate alone: another turn is no other try of their
// operations.
func (q *credentialQueue) again(items []*item) {
	waiting := items[:0]
	for _, it := range items {
		if it.withdrawn {
			it.err = errStopping()
			it.done()
			continue
		}
		waiting = append(waiting, it)
	}
	q.lanes.putBack(waiting)
}

// later is d and up to a fifth of it: what failed together does not come back together.
func (c *Config) later(d time.Duration) time.Duration {
	return d + time.Duration(c.Random()*float64(d)/5)
}
