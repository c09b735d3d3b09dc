package signing_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestLostAnswerIsResumed: a lost answer with a handle is requested again while the operation has
// attempts left, also after an outage. Nothing is signed twice. Only if the service says that there
// is no answer, the policy decides.
func TestLostAnswerIsResumed(t *testing.T) {
	for name, c := range map[string]struct {
		handle        string
		outage        int
		docs          string
		made, unknown int
	}{
		"at once":                          {"r", 0, "ss", 2, 0},
		"after an outage":                  {"r", 4, "ss", 2, 0},
		"after a long outage":              {"r", 20, "ss", 2, 0},
		"too late":                         {"r", 100, "ff", 2, 2},
		"never":                            {"lost", 0, "ss", 4, 2},
		"never, after a long outage":       {"lost", 20, "ss", 4, 2},
		"nothing yet":                      {"empty", 0, "ss", 4, 2},
		"nothing yet, after a long outage": {"empty", 20, "ss", 4, 2},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(h *harness) {
				h.provider.outage = c.outage
				h.provider.answer = func(n int, call signing.Call, values [][]byte) ([][]byte, error) {
					if n > 0 {
						return values, nil
					}
					if err := call.Note(t.Context(), c.handle); err != nil {
						t.Error(err)
					}
					return nil, lost()
				}
			}, func(t *testing.T, h *harness) {
				status := signing.StatusExecuted
				if c.docs == "ff" {
					status = signing.StatusFailed
				}
				h.check(h.mustSubmit("a", "r1", "one", "two"), status, c.docs)
				calls, err := h.store.OpenCalls(t.Context())
				if err != nil || len(calls) > 0 {
					t.Errorf("open calls = %v, %v, want none", calls, err)
				}
				got := h.checkCounters(c.unknown == 0)
				if h.provider.made != c.made || got.Unknown != int64(c.unknown) {
					t.Errorf("%d made, counters %+v, want %d made, %d unknown", h.provider.made, got, c.made, c.unknown)
				}
			})
		})
	}
}

// TestResumeIsBounded: a lost answer is requested for no longer than a restart of the service
// takes. After that the next attempt requests it, and it is given up together with the operation.
// Until then nothing is signed again under either policy.
func TestResumeIsBounded(t *testing.T) {
	for _, policy := range []signing.UnknownPolicy{signing.UnknownFail, signing.UnknownRetry} {
		run(t, func(h *harness) {
			h.provider.silent, h.cfg.UnknownOutcome = true, policy
			h.provider.answer = func(_ int, call signing.Call, _ [][]byte) ([][]byte, error) {
				if err := call.Note(t.Context(), "r"); err != nil {
					t.Error(err)
				}
				return nil, lost()
			}
		}, func(t *testing.T, h *harness) {
			id := h.mustSubmit("a", "r1", "one")
			time.Sleep(4 * time.Minute) // fake time
			op, err := h.store.Operation(t.Context(), id)
			if err != nil || op.Status != signing.StatusRetrying || op.Tries != 1 {
				t.Errorf("%s: after four minutes: %+v, %v, want that a retry is planned", policy, op, err)
			}
			h.check(id, signing.StatusFailed, "f")
			calls, err := h.store.OpenCalls(t.Context())
			if c := h.checkCounters(false); err != nil || len(calls) != 0 || c.Sent != 1 || c.Unknown != 1 {
				t.Errorf("%s: open calls %v, %v, counters %+v, want one digest sent, and unknown", policy, calls, err, c)
			}
		})
	}
}

// lostCall leaves a call without an end, under a handle, for an operation of two documents. The
// service is stopped.
func (h *harness) lostCall(credential, handle string) (id signing.ID) {
	h.t.Helper()
	id = h.crashedOperation("one", "two")
	h.beginCall(signing.CallRecord{Credential: credential, Handle: handle, Refs: twoRefs(id)})
	return id
}

// TestAnswerOfAnotherCredential: an answer is requested only with the credential that made the
// call.
func TestAnswerOfAnotherCredential(t *testing.T) {
	for credential, unknown := range map[string]int64{"test": 0, "the one before": 2} {
		run(t, nil, func(t *testing.T, h *harness) {
			id := h.lostCall(credential, "r-1")
			start := time.Now()
			h.start()
			h.check(id, signing.StatusExecuted, "ss")
			if got, err := h.memory.Counters(t.Context()); err != nil || got.Unknown != unknown {
				t.Errorf("call with %s: counters = %+v, %v, want %d unknown", credential, got, err, unknown)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("call with %s: the operation ended after %v of fake time, want at most a second", credential, took)
			}
		})
	}
}

// TestAnswerUnderTheOldCertificate: when the certificate was renewed while the proxy was down,
// values that were paid for with the old certificate are used.
func TestAnswerUnderTheOldCertificate(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		id := h.lostCall("test", "r-1")
		old := h.provider.credential
		h.format.credential = &old
		h.provider.credential.Chain = newProvider(t).credential.Chain
		h.start()
		h.waitFor(id)
		if got, err := h.memory.Counters(t.Context()); err != nil || got.Unknown != 0 || got.Returned != 2 {
			t.Errorf("counters = %+v, %v, want 2 returned and none unknown", got, err)
		}
	})
}

// TestAnswerThatNeverComes: a service that does not know a handle gets one request. The start
// does not wait for an answer that never comes.
func TestAnswerThatNeverComes(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		id := h.lostCall("test", "nobody's")
		start := time.Now()
		h.start()
		h.check(id, signing.StatusExecuted, "ss")
		if took := time.Since(start); took > time.Second {
			t.Errorf("the operation ended after %v of fake time, want at most a second", took)
		}
	})
}

// TestBadAnswerAfterResume: an answer that cannot be used is not paid for again when it arrives
// late, in the same process or after a crash.
func TestBadAnswerAfterResume(t *testing.T) {
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
					return nil, errors.Join(call.Note(t.Context(), "r"), lost())
				}
				id = h.mustSubmit("a", "r1", "one", "two")
			}
			docs := h.check(id, signing.StatusFailed, "ff")
			if f := docs[0].Failure; f.Kind != signing.KindProvider || !strings.Contains(f.Detail, "invalid answer") {
				t.Errorf("crashed %v: failure = %+v, want that the answer is invalid", crashed, f)
			}
			if got := h.checkCounters(false); got.Sent != 2 || got.Unknown != 2 {
				t.Errorf("crashed %v: counters %+v, want 2 sent and unknown", crashed, got)
			}
		})
	}
}

// TestResumeAfterProviderFaults: the answer is requested again from a provider that panics, and
// from one whose credential cannot be read for a moment.
func TestResumeAfterProviderFaults(t *testing.T) {
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
			if got, err := h.memory.Counters(t.Context()); err != nil || got.Sent != 2 || got.Unknown != 0 {
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
			t.Errorf("open calls = %v, %v, want the call whose answer is requested", calls, err)
		}
	})
}
