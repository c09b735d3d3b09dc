package csc

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// secretRefusalKept is how long a refused PIN or one-time password is not sent again, unless its
	// file changes. Services block a credential after three wrong ones, so an operator must have time
	// to notice.
	secretRefusalKept = time.Hour
	// totpRefusalKept is the same for computed passwords. It is shorter, because a short difference
	// between the clocks may be the reason.
	totpRefusalKept = 5 * time.Minute
)

func (z *authorizer) refusalKept() time.Duration {
	if z.set.TOTPSecretFile != "" {
		return totpRefusalKept
	}
	return secretRefusalKept
}

// guard prevents that a wrong PIN blocks the credential and that a one-time password is sent twice.
type guard struct {
	// trying holds one value while a secret that was not accepted yet is being tried. Other calls wait
	// for the result.
	trying chan struct{}

	mu       sync.Mutex
	accepted [sha256.Size]byte
	refused  [sha256.Size]byte
	until    time.Time
	step     int64     // of the last time-based password
	turnAt   time.Time // when that password becomes valid, also by the monotonic clock
}

func newGuard() *guard { return &guard{trying: make(chan struct{}, 1)} }

// enter decides whether a secret may be sent. The caller must call leave with the result. Nil means
// that the secret was accepted. A refusal is remembered for keep.
func (g *guard) enter(
	ctx context.Context, secret [sha256.Size]byte, keep time.Duration,
) (leave func(*failure), f *failure) {
	if secret == ([sha256.Size]byte{}) {
		return func(*failure) {}, nil
	}
	unlock := func() {}
	if !g.accepts(secret) {
		select {
		case g.trying <- struct{}{}:
		case <-ctx.Done():
			return nil, fail(signing.KindProvider, "the signing service did not say in time whether it accepts our PIN").
				Because(ctx.Err()).Retryable(0)
		}
		unlock = func() { <-g.trying }
		if g.accepts(secret) { // another call was accepted meanwhile
			unlock()
			unlock = func() {}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused == secret && time.Now().Before(g.until) {
		unlock()
		return nil, fail(signing.KindProviderCredentials,
			"the signing service did not accept our PIN or one-time password; it is not sent again before its file changes")
	}
	return func(f *failure) { g.note(secret, keep, f); unlock() }, nil
}

func (g *guard) accepts(secret [sha256.Size]byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.accepted == secret
}

func (g *guard) note(secret [sha256.Size]byte, keep time.Duration, f *failure) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case f == nil:
		g.accepted = secret
	case f.Hint == wrongSecret:
		g.accepted = [sha256.Size]byte{}
		g.refused, g.until = secret, time.Now().Add(keep)
	}
}

const (
	// totpStep is how long a time-based password is valid.
	totpStep = 30 * time.Second
	// totpDrift is the largest clock correction backwards, in steps, after which still no password is
	// sent twice. Services accept only the last few passwords. After a larger correction, waiting
	// until the clock reaches the old time again would stop all signing.
	totpDrift = 10
)

// turn waits for the next time step whose password has not been sent yet, and returns its time. A
// service accepts each password only once (RFC 6238 5.2).
func (g *guard) turn(ctx context.Context) (time.Time, *failure) {
	g.mu.Lock()
	now := time.Now()
	step := now.Unix() / int64(totpStep/time.Second)
	if reserved := int64(max(0, g.turnAt.Sub(now)) / totpStep); g.step-step <= reserved+totpDrift {
		step = max(step, g.step+1)
	}
	at := time.Unix(step*int64(totpStep/time.Second), 0)
	if end, ok := ctx.Deadline(); ok && at.After(end) {
		g.mu.Unlock()
		return at, fail(signing.KindProvider, "other calls use all one-time passwords before the deadline").
			Retryable(at.Sub(now))
	}
	g.step, g.turnAt = step, now.Add(at.Sub(now))
	g.mu.Unlock()
	if err := pace.Pause(ctx, at.Sub(now)); err != nil {
		return at, fail(signing.KindProvider, "there was no unused one-time password in time").Because(err).Retryable(0)
	}
	return at, nil
}
