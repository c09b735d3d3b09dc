package signing_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// tooMany is the error for status 429.
func tooMany(after time.Duration) error {
	return signing.Errorf(
		signing.KindProvider,
		"the signing service asks for fewer requests",
	).Retryable(
		after,
	).Because(
		fmt.Errorf("status 429: %w", signing.ErrTooMany),
	)
}

// limited is a service that accepts n calls in each second.
type limited struct {
	mu     sync.Mutex
	n      int
	began  []time.Time
	signed map[string]int
}

// answer refuses a call if more than n calls have begun within a second.
func (l *limited) answer(_ int, c signing.Call, values [][]byte) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for len(l.began) > 0 && now.Sub(l.began[0]) >= time.Second {
		l.began = l.began[1:]
	}
	l.began = append(l.began, now) // refused calls count, so a caller that does not slow down gets nowhere
	if len(l.began) > l.n {
		return nil, tooMany(0)
	}
	for _, d := range c.Digests {
		l.signed[string(d)]++
	}
	return values, nil
}

// TestRateLimitIsObeyed: a service with a rate limit gets few requests. Everything is signed at the
// first try, and nothing twice.
func TestRateLimitIsObeyed(t *testing.T) {
	for _, c := range []struct{ perSecond, documents, batch int }{{1, 250, 10}, {2, 250, 10}, {5, 2500, 100}} {
		documents := c.documents
		t.Run(fmt.Sprint(c.perSecond), func(t *testing.T) {
			remote := &limited{n: c.perSecond, signed: make(map[string]int)}
			run(t, func(h *harness) {
				h.provider.latency = time.Millisecond
				h.provider.credential.MaxBatch, h.provider.credential.InFlight = c.batch, 8
				h.provider.answer = remote.answer
			}, func(t *testing.T, h *harness) {
				id := h.mustSubmit("a", "r1", names(documents)...)
				op := h.waitFor(id)
				if op.Status != signing.StatusExecuted || op.Tries != 0 {
					t.Errorf("operation = %+v, want it executed at the first try", op)
				}
				if got := h.accounts(true); got.Returned != int64(documents) || got.Unknown != 0 {
					t.Errorf("counters = %+v, want %d returned", got, documents)
				}
				for _, n := range remote.signed {
					if n != 1 {
						t.Errorf("a digest was signed %d times", n)
					}
				}
				if n := len(h.provider.callSizes()); n > 120 {
					t.Errorf("%d calls for 25 batches: the service is stormed", n)
				}
			})
		})
	}
}

// TestRefusedForTheRateForEver: a service that always refuses is asked less and less often, and the
// operation ends after its tries.
func TestRefusedForTheRateForEver(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.answer = func(int, signing.Call, [][]byte) ([][]byte, error) { return nil, tooMany(0) }
	}, func(t *testing.T, h *harness) {
		docs := h.check(h.mustSubmit("a", "r1", "one"), signing.StatusFailed, "f")
		if f := docs[0].Failure; f.Kind != signing.KindProvider {
			t.Errorf("failure = %+v", f)
		}
		if n := len(h.provider.callSizes()); n > 12 {
			t.Errorf("%d calls, want ever fewer", n)
		}
	})
}

// TestRetryAfterHoldsForAll: the Retry-After of one operation holds for all operations of the
// credential. No call starts earlier. Operations that would have to wait for long are told at once
// that a retry is planned.
func TestRetryAfterHoldsForAll(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.Random = func() float64 { return 0.5 }
		h.provider.answer = func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
			if call == 0 {
				return nil, signing.Errorf(signing.KindProvider, "later").Retryable(time.Hour)
			}
			return values, nil
		}
	}, func(t *testing.T, h *harness) {
		first := h.mustSubmit("a", "r1", "one")
		time.Sleep(time.Minute) // fake time
		h.waiting = true
		second := h.mustSubmit("b", "r2", "two")
		time.Sleep(time.Second) // fake time
		if op, err := h.store.Operation(
			t.Context(),
			second,
		); err != nil || op.Status != signing.StatusRetrying ||
			time.Until(op.NextTry) < 59*time.Minute {
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

// TestEachTryIsACall: each try of an operation makes a call, however the random pauses of the
// credential and of the operation turn out.
func TestEachTryIsACall(t *testing.T) {
	run(t, func(h *harness) {
		var drawn atomic.Int64
		h.cfg.Random = func() float64 { return float64(drawn.Add(1) % 2) } // the longest pause, then the shortest
		h.provider.answer = func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
			if call < 2 {
				return nil, signing.Errorf(signing.KindProvider, "later").Retryable(time.Hour)
			}
			return values, nil
		}
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one")
		h.check(id, signing.StatusExecuted, "s")
		op, err := h.store.Operation(t.Context(), id)
		if n := len(h.provider.callSizes()); err != nil || n != op.Tries+1 {
			t.Errorf("%d calls for %d tries, %v", n, op.Tries+1, err)
		}
	})
}

// TestStopWhileHeldBack: a stop does not wait for the back-off of a credential.
func TestStopWhileHeldBack(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.Grace = time.Second
		h.provider.answer = func(int, signing.Call, [][]byte) ([][]byte, error) { return nil, tooMany(50 * time.Second) }
	}, func(t *testing.T, h *harness) {
		h.mustSubmit("a", "r1", "one")
		time.Sleep(time.Second) // fake time
		began := time.Now()
		h.stop()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the stop took %v, want the grace period of a second", took)
		}
	})
}

// TestJitter: random numbers extend pauses by up to a fifth.
func TestJitter(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.Random = func() float64 { return 0.5 }
		h.provider.answer = func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
			if call == 0 {
				return nil, busy()
			}
			return values, nil
		}
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one")
		time.Sleep(time.Second) // fake time
		op, err := h.store.Operation(t.Context(), id)
		if wait := op.NextTry.Sub(op.Created); err != nil || wait < 66*time.Second || wait > 67*time.Second {
			t.Errorf("the next try is %v after the acceptance, %v, want a minute and a tenth", wait, err)
		}
	})
}

// TestSplittingIsBounded: the search for a bad digest ends when the refusals are not about a
// digest.
func TestSplittingIsBounded(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.credential.MaxBatch = 100
		h.provider.answer = func(int, signing.Call, [][]byte) ([][]byte, error) {
			return nil, signing.Errorf(signing.KindProvider, "the signing service refused the request")
		}
	}, func(t *testing.T, h *harness) {
		h.check(h.mustSubmit("a", "r1", names(64)...), signing.StatusFailed, strings.Repeat("f", 64))
		if n := len(h.provider.callSizes()); n != 10 {
			t.Errorf("%d calls, want 10", n)
		}
	})
}

// TestErrorOfACallIsShared: documents of several operations record the error of their refused call
// and its Retry-After without a data race (run with -race).
func TestErrorOfACallIsShared(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.answer = func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
			if call == 0 {
				return nil, signing.Errorf(signing.KindProvider, "later").Retryable(2 * time.Minute)
			}
			return values, nil
		}
	}, func(t *testing.T, h *harness) {
		one, two := h.mustSubmit("a", "r1", "one", "two"), h.mustSubmit("b", "r2", "three", "four")
		h.check(one, signing.StatusExecuted, "ss")
		h.check(two, signing.StatusExecuted, "ss")
		if sizes := h.provider.callSizes(); sizes[0] != 4 {
			t.Errorf("calls of %v digests, want all four in the first", sizes)
		}
	})
}

// TestRenewedCertificate: a certificate that is renewed during an operation costs no signature.
// What was prepared for the old certificate is prepared again before it is sent.
func TestRenewedCertificate(t *testing.T) {
	run(t, func(h *harness) { h.format.prepared = new(sync.Map) }, func(t *testing.T, h *harness) {
		p, next := h.provider, newProvider(t)
		old := p.credential
		h.provider.answer = func(_ int, c signing.Call, values [][]byte) ([][]byte, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.credential.Certificate().Equal(old.Certificate()) { // the first calls get the last answer of the old key
				defer func() { p.key, p.credential = next.key, next.credential }()
				return values, nil
			}
			return next.values(c)
		}
		p.credential.InFlight = 1
		id := h.mustSubmit("a", "r1", names(100)...)
		op := h.waitFor(id)
		if got := h.accounts(
			true,
		); op.Status != signing.StatusExecuted || op.Tries != 0 || got.Returned != 100 ||
			got.Refused != 0 {
			t.Errorf("operation = %+v, counters %+v, want all signed, and none sent in vain", op, got)
		}
		docs, err := h.Documents(t.Context(), id, 0, 100)
		for _, d := range docs {
			if d.State != signing.DocumentSigned || err != nil {
				t.Errorf("document %d is %s, %v", d.Index, d.State, err)
			}
		}
	})
}

// TestBadAnswerThatIsFetched: an answer that cannot be used is not paid for again when it arrives
// late, in the same process or after a crash.
func TestBadAnswerThatIsFetched(t *testing.T) {
	other := newProvider(t)
	unusable := (&signing.Error{Kind: signing.KindProvider, Detail: "invalid answer"}).Because(signing.ErrBadAnswer)
	for i := range 4 {
		crashed := i%2 == 1
		run(t, nil, func(t *testing.T, h *harness) {
			h.provider.resumed = func(c signing.Call) ([][]byte, error) {
				if i > 1 {
					return nil, unusable
				}
				values, _ := other.values(c)
				return values, nil
			}
			var id signing.ID
			if crashed {
				id = h.lostCall("test", "r-1")
				h.start()
			} else {
				h.provider.answer = func(_ int, call signing.Call, _ [][]byte) ([][]byte, error) {
					return nil, errors.Join(call.Note(t.Context(), "r"), &signing.Error{Kind: signing.KindProvider, Unknown: true})
				}
				id = h.mustSubmit("a", "r1", "one", "two")
			}
			docs := h.check(id, signing.StatusFailed, "ff")
			if f := docs[0].Failure; f.Kind != signing.KindProvider || !strings.Contains(f.Detail, "invalid answer") {
				t.Errorf("crashed %v: failure = %+v, want that the answer is invalid", crashed, f)
			}
			if got := h.accounts(false); got.Sent != 2 || got.Unknown != 2 {
				t.Errorf("crashed %v: counters %+v, want 2 sent and unknown", crashed, got)
			}
		})
	}
}

// TestResumeThroughTrouble: the answer is requested again from a provider that panics over it, or
// whose credential cannot be read for a moment.
func TestResumeThroughTrouble(t *testing.T) {
	for _, name := range []string{"panic", "no provider"} {
		run(t, nil, func(t *testing.T, h *harness) {
			id := h.lostCall("test", "r-1")
			var times int
			if name == "panic" {
				h.provider.panics = 10
			} else {
				times = 2
			}
			h.cfg.Providers = func(string) (signing.Provider, error) {
				if times--; times >= 0 {
					return nil, signing.Errorf(signing.KindConfiguration, "the client file is being read").Retryable(0)
				}
				return h.provider, nil
			}
			h.start()
			h.check(id, signing.StatusExecuted, "ss")
			if got, err := h.store.Counters(t.Context()); err != nil || got.Sent != 2 || got.Unknown != 0 {
				t.Errorf("%s: counters %+v, %v, want 2 sent and none unknown", name, got, err)
			}
		})
	}
}

// TestStartDoesNotWaitForAnswers: a start accepts operations while the answer of an earlier process
// is still being requested.
func TestStartDoesNotWaitForAnswers(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.lostCall("test", "r-1")
		h.provider.silent = true
		h.start()
		h.check(h.mustSubmit("b", "other", "three"), signing.StatusExecuted, "s")
		if calls, err := h.store.OpenCalls(t.Context()); err != nil || len(calls) != 1 {
			t.Errorf("open calls = %v, %v, want the one that is asked for", calls, err)
		}
	})
}
