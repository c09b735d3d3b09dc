package signing_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// limitedService is a service that accepts n calls in each second.
type limitedService struct {
	mu     sync.Mutex
	n      int
	began  []time.Time
	signed map[string]int
}

// answer refuses a call if more than n calls have begun within a second.
func (l *limitedService) answer(_ int, c signing.Call, values [][]byte) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for len(l.began) > 0 && now.Sub(l.began[0]) >= time.Second {
		l.began = l.began[1:]
	}
	l.began = append(l.began, now) // refused calls count too
	if len(l.began) > l.n {
		return nil, tooMany(0)
	}
	for _, d := range c.Digests {
		l.signed[string(d)]++
	}
	return values, nil
}

// TestRateLimitIsObeyed: a service with a rate limit gets few requests. Everything is signed at the
// first attempt, and nothing twice.
func TestRateLimitIsObeyed(t *testing.T) {
	for _, c := range []struct{ perSecond, documents, batch int }{{1, 250, 10}, {2, 250, 10}, {5, 2500, 100}} {
		documents := c.documents
		t.Run(fmt.Sprint(c.perSecond), func(t *testing.T) {
			remote := &limitedService{n: c.perSecond, signed: make(map[string]int)}
			run(t, func(h *harness) {
				h.provider.latency = time.Millisecond
				h.provider.credential.MaxBatch, h.provider.credential.InFlight = c.batch, 8
				h.provider.answer = remote.answer
			}, func(t *testing.T, h *harness) {
				id := h.mustSubmit("a", "r1", names(documents)...)
				op := h.waitFor(id)
				if op.Status != signing.StatusExecuted || op.Tries != 0 {
					t.Errorf("operation = %+v, want it executed at the first attempt", op)
				}
				if got := h.checkCounters(true); got.Returned != int64(documents) || got.Unknown != 0 {
					t.Errorf("counters = %+v, want %d returned", got, documents)
				}
				for _, n := range remote.signed {
					if n != 1 {
						t.Errorf("a digest was signed %d times", n)
					}
				}
				if n := len(h.provider.callSizes()); n > 120 {
					t.Errorf("%d calls for 25 batches, want at most 120", n)
				}
			})
		})
	}
}

// TestPermanentRateLimit: a service that always refuses gets fewer and fewer requests, and
// the operation ends after its attempts.
func TestPermanentRateLimit(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.answer = failAlways(tooMany(0))
	}, func(t *testing.T, h *harness) {
		docs := h.check(h.mustSubmit("a", "r1", "one"), signing.StatusFailed, "f")
		if f := docs[0].Failure; f.Kind != signing.KindProvider {
			t.Errorf("failure = %+v, want KindProvider", f)
		}
		if n := len(h.provider.callSizes()); n > 12 {
			t.Errorf("%d calls, want at most 12", n)
		}
	})
}

// TestRetryAfterAppliesToCredential: the Retry-After of one operation applies to all operations of
// the credential. No call starts earlier. For operations that would have to wait for long, a retry
// is planned at once.
func TestRetryAfterAppliesToCredential(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.Random = func() float64 { return 0.5 }
		h.provider.answer = failFirst(1, signing.Errorf(signing.KindProvider, "later").Retryable(time.Hour))
	}, func(t *testing.T, h *harness) {
		first := h.mustSubmit("a", "r1", "one")
		time.Sleep(time.Minute) // fake time
		h.waiting = true
		second := h.mustSubmit("b", "r2", "two")
		time.Sleep(time.Second) // fake time
		op, err := h.store.Operation(t.Context(), second)
		if err != nil || op.Status != signing.StatusRetrying || time.Until(op.NextTry) < 59*time.Minute {
			t.Errorf("operation during another's Retry-After: %+v, %v, want a retry planned for its end", op, err)
		}
		time.Sleep(58 * time.Minute)
		if n := len(h.provider.callSizes()); n != 1 {
			t.Errorf("%d calls within the hour, want 1", n)
		}
		h.check(first, signing.StatusExecuted, "s")
		h.check(second, signing.StatusExecuted, "s")
	})
}
