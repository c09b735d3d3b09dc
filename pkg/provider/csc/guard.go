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
	// secretRefusalKept is how long a PIN or one-time password that the service refused is not sent
	// again, unless its file changes: services block a credential after three wrong ones, and somebody
	// has to notice before.
	secretRefusalKept = time.Hour
	// totpRefusalKept is the same where the password is computed: clocks that differ for a moment may
	// be the reason.
	totpRefusalKept = 5 * time.Minute
)

func (p *Provider) refusalKept() time.Duration {
	if p.set.TOTPSecretFile != "" {
		return totpRefusalKept
	}
	return secretRefusalKept
}

// guard keeps a credential from being blocked for a wrong PIN, and one-time passwords from being
// sent twice.
type guard struct {
	// holds one value while a secret that was not accepted yet is on its way: the others wait for what
	// becomes of it
	trying chan struct{}

	mu       sync.Mutex
	accepted [sha256.Size]byte
	refused  [sha256.Size]byte
	until    time.Time
	step     int64     // of the last time-based password
	turnAt   time.Time // when it is or was the one, by the monotonic clock too
}

// enter asks whether a secret may be sent. leave must be told what became of it; a nil failure is
// success, and a refusal is kept.
func (g *guard) enter(
	ctx context.Context,
	secret [sha256.Size]byte,
	keep time.Duration,
) (leave func(*failure), f *failure) {
	if secret == ([sha256.Size]byte{}) {
		return func(*failure) {}, nil
	}
	unlock := func() {}
	if !g.accepts(secret) {
		select {
		case g.trying <- struct{}{}:
		case <-ctx.Done():
			return nil, fail(
				signing.KindProvider,
				"the signing service did not say in time whether it accepts our PIN",
			).Because(
				ctx.Err(),
			).Retryable(
				0,
			)
		}
		unlock = func() { <-g.trying }
		if g.accepts(secret) { // meanwhile
			unlock()
			unlock = func() {}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused == secret && time.Now().Before(g.until) {
		unlock()
		return nil, fail(
			signing.KindProviderCredentials,
			"the signing service did not accept our PIN or one-time password; it is not sent again before its file changes",
		)
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
	// totpStep is how long a time-based password is the one.
	totpStep = 30 * time.Second
	// totpDrift is by how many steps a clock may be put back so that no password is sent twice:
	// services take those of the last few alone. After more, waiting until the clock is where it was
	// would stop all signing.
	totpDrift = 10
)

// turn returns the moment whose time-based password has not been sent yet, and waits for it: a
// service takes each once (RFC 6238 5.2).
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
		return at, fail(
			signing.KindProvider,
			"other calls use the one-time passwords of the time left",
		).Retryable(
			at.Sub(now),
		)
	}
	g.step, g.turnAt = step, now.Add(at.Sub(now))
	g.mu.Unlock()
	if err := pace.Pause(ctx, at.Sub(now)); err != nil {
		return at, fail(signing.KindProvider, "there was no unused one-time password in time").Because(err).Retryable(0)
	}
	return at, nil
}
