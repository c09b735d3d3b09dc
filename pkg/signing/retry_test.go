package signing_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestRetryWithBackoff: an attempt that failed on the remote side is repeated after the back-off.
// Until then the operation has the status EXECUTION_ERROR.
func TestRetryWithBackoff(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.answer = failFirst(2, busy())
	}, func(t *testing.T, h *harness) {
		start := time.Now()
		id := h.mustSubmit("a", "r1", "one")
		time.Sleep(30 * time.Second)
		if op, err := h.Service.Operation(t.Context(), "a", id); err != nil || op.Status != signing.StatusRetrying {
			t.Errorf("while a retry is planned: %v, %v, want EXECUTION_ERROR", op.Status, err)
		}
		h.check(id, signing.StatusExecuted, "s")
		if took := time.Since(start); took < 2*time.Minute || took > 3*time.Minute {
			t.Errorf("two retries took %v, want a minute each", took)
		}
		h.checkCounters(true)
	})
}

// TestRetriesAreBounded: after the configured number of retries the documents fail with the reason
// of the last attempt.
func TestRetriesAreBounded(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.answer = failAlways(busy())
	}, func(t *testing.T, h *harness) {
		docs := h.check(h.mustSubmit("a", "r1", "one"), signing.StatusFailed, "f")
		if f := docs[0].Failure; f.Kind != signing.KindProvider || f.Detail != "the signing service is busy" {
			t.Errorf("failure = %+v, want the reason of the last attempt", f)
		}
		if got := len(h.provider.callSizes()); got != 4 {
			t.Errorf("%d calls, want the first and 3 retries", got)
		}
	})
}

// TestDeadline: the last attempt begins at the deadline, even if more attempts are allowed and the
// service asks for a later one. A restart does not postpone it.
func TestDeadline(t *testing.T) {
	for name, after := range map[string]time.Duration{"backoff": 0, "Retry-After": time.Hour} {
		t.Run(name, func(t *testing.T) {
			const deadline = 25 * time.Minute
			run(t, func(h *harness) {
				h.cfg.Tries, h.cfg.Deadline, h.cfg.Backoff = 1000, deadline, 10*time.Minute
				h.provider.answer = failAlways(signing.Errorf(signing.KindProvider, "later").Retryable(after))
			}, func(t *testing.T, h *harness) {
				id := h.mustSubmit("a", "r1", "one")
				time.Sleep(time.Minute)
				h.stop()
				h.start()
				op := h.waitFor(id)
				took := op.Ended.Sub(op.Created)
				if op.Status != signing.StatusFailed || took < deadline || took > deadline+time.Minute {
					t.Errorf("operation = %s after %v, want %s after %v", op.Status, took, signing.StatusFailed, deadline)
				}
			})
		})
	}
}

// TestRetryAfterIsObeyed: the next attempt does not begin before the Retry-After of the service has
// passed.
func TestRetryAfterIsObeyed(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.answer = failFirst(1, signing.Errorf(signing.KindProvider, "later").Retryable(time.Hour))
	}, func(t *testing.T, h *harness) {
		start := time.Now()
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusExecuted, "s")
		if took := time.Since(start); took < time.Hour {
			t.Errorf("retried after %v, want an hour", took)
		}
	})
}

// TestEachAttemptMakesACall: each attempt makes a call, also when the random pause of the
// credential is the longest and that of the operation the shortest.
func TestEachAttemptMakesACall(t *testing.T) {
	run(t, func(h *harness) {
		var drawn atomic.Int64
		h.cfg.Random = func() float64 { return float64(drawn.Add(1) % 2) } // the longest pause, then the shortest
		h.provider.answer = failFirst(2, signing.Errorf(signing.KindProvider, "later").Retryable(time.Hour))
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one")
		h.check(id, signing.StatusExecuted, "s")
		op, err := h.store.Operation(t.Context(), id)
		if n := len(h.provider.callSizes()); err != nil || n != op.Tries+1 {
			t.Errorf("%d calls for %d attempts, %v", n, op.Tries+1, err)
		}
	})
}

// TestJitter: random numbers extend pauses by up to a fifth.
func TestJitter(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.Random = func() float64 { return 0.5 }
		h.provider.answer = failFirst(1, busy())
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one")
		time.Sleep(time.Second) // fake time
		op, err := h.store.Operation(t.Context(), id)
		if wait := op.NextTry.Sub(op.Created); err != nil || wait < 66*time.Second || wait > 67*time.Second {
			t.Errorf("the next attempt is %v after the acceptance, %v, want a minute and a tenth", wait, err)
		}
	})
}

// TestRestartAfterClockWasAhead: a restart does not wait for an attempt that was planned while the
// clock was ahead.
func TestRestartAfterClockWasAhead(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.Deadline = time.Hour
		h.provider.answer = failFirst(1, busy())
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one")
		time.Sleep(time.Second) // fake time
		h.stop()
		change := signing.StatusChange{Status: signing.StatusRetrying, Tries: 1, NextTry: time.Now().AddDate(1, 0, 0)}
		if err := h.store.SetStatus(t.Context(), id, signing.StatusRetrying, change); err != nil {
			t.Fatal(err)
		}
		h.start()
		h.check(id, signing.StatusExecuted, "s")
	})
}

// TestEmbedIsRetriedWithoutSigning: when a step after the paid signature fails, the retry uses the
// stored value.
func TestEmbedIsRetriedWithoutSigning(t *testing.T) {
	embeds := 0
	run(t, func(h *harness) {
		h.format.embed = func([]byte) error {
			if embeds++; embeds < 3 {
				return noTimestamp()
			}
			return nil
		}
	}, func(t *testing.T, h *harness) {
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusExecuted, "s")
		if h.provider.made != 1 {
			t.Errorf("%d signatures were made, want 1", h.provider.made)
		}
	})
}

// TestCredentialRead: the Observer gets an event when a credential cannot be read, and when the
// same credential can be read.
func TestCredentialRead(t *testing.T) {
	var faults []string
	run(t, func(h *harness) {
		reads := 0
		h.cfg.Providers = func(string) (signing.Provider, error) {
			if reads++; reads == 1 {
				return nil, signing.Errorf(signing.KindProvider, "not reachable").Retryable(0)
			}
			return h.provider, nil
		}
		h.cfg.Observer.CredentialRead = func(id string, c *signing.Credential, err *signing.Error) {
			if id != "a" || (c == nil) != (err != nil) {
				t.Errorf("CredentialRead(%q, %v, %v)", id, c, err)
			}
			faults = append(faults, fmt.Sprint(err != nil))
		}
	}, func(t *testing.T, h *harness) {
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusExecuted, "s")
		if got := strings.Join(faults, " "); got != "true false" {
			t.Errorf("faults reported: %s, want one and then none", got)
		}
	})
}
