package signing_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// TestNeverTwiceOnABadDisk: documents that must not be sent again are not sent again, even if a
// write fails when the call is given up.
func TestNeverTwiceOnABadDisk(t *testing.T) {
	for name, bad := range map[string]bool{"lost, policy fail": false, "bad answer, policy retry": true} {
		t.Run(name, func(t *testing.T) {
			run(t, func(h *harness) {
				if !bad {
					h.cfg.UnknownOutcome = signing.UnknownFail
				}
				h.provider.answer = func(int, signing.Call, [][]byte) ([][]byte, error) {
					if bad {
						return [][]byte{[]byte("nonsense")}, nil
					}
					return nil, lost()
				}
			}, func(t *testing.T, h *harness) {
				h.memory.FailNext("FinishDocuments", 1, storetest.NotStored)
				h.check(h.mustSubmit("a", "r", "one"), signing.StatusFailed, "f")
				if c := h.checkCounters(false); c.Sent != 1 || c.Unknown != 1 {
					t.Errorf("counters = %+v, want one digest sent, and unknown", c)
				}
			})
		})
	}
}

// TestNeverTwiceAfterAStop: documents that must not be sent again are not sent again after a stop
// either, although other calls of the operation were still in flight.
func TestNeverTwiceAfterAStop(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.UnknownOutcome, h.cfg.Grace = signing.UnknownFail, time.Millisecond
		h.provider.credential.MaxBatch, h.provider.credential.InFlight = 1, 1
		h.provider.latency = 30 * time.Second
		h.provider.answer = failFirst(1, lost())
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r", "one", "two", "three")
		time.Sleep(50 * time.Second)
		h.stop()
		h.start()
		h.check(id, signing.StatusExecuted, "fss")
		if n := h.provider.sentTimes(h.provider.calls[0][0]); n != 1 {
			t.Errorf("the digest of the lost call was sent %d times, want once", n)
		}
	})
}

// TestGivingUpASharedCall: when an operation is given up, another operation that waits for the same
// answer still gets it.
func TestGivingUpASharedCall(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.Random = func() float64 { return 0 }
		h.provider.answer = func(call int, c signing.Call, values [][]byte) ([][]byte, error) {
			if call < 3 {
				return nil, busy()
			}
			if err := c.Note(context.Background(), "r-1"); err != nil {
				return nil, err
			}
			return nil, lost()
		}
		// After the old operation was given up, and before the new one would be.
		h.provider.resumed = h.provider.answerFrom(time.Now().Add(7*time.Minute + 10*time.Second))
	}, func(t *testing.T, h *harness) {
		old := h.mustSubmit("a", "old", "one")
		for op := (signing.Operation{}); op.Tries < 3; time.Sleep(time.Second) {
			var err error
			if op, err = h.store.Operation(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			if op.Tries == 3 {
				time.Sleep(time.Until(op.NextTry) - time.Second - time.Millisecond)
			}
		}
		recent := h.mustSubmit("b", "new", "two")
		h.check(old, signing.StatusFailed, "f")
		h.check(recent, signing.StatusExecuted, "s")
		if got := h.provider.callSizes(); !slices.Equal(got, []int{1, 1, 1, 2}) {
			t.Errorf("calls of %v digests, want one shared at the end, and none after it", got)
		}
		if c, err := h.memory.Counters(t.Context()); err != nil || c.Returned != 2 || c.Unknown != 0 {
			t.Errorf("counters = %+v, %v, want both returned", c, err)
		}
	})
}

// endingStore is a store in which a document ends at the moment at which it is read for the answer
// of its call.
type endingStore struct {
	signing.Store
	of atomic.Int64 // the operation; 0 = none yet
}

// Prepared implements signing.Journal.
func (e *endingStore) Prepared(ctx context.Context, ref signing.Ref) (signing.Prepared, []byte, error) {
	if int64(ref.Operation) == e.of.Load() {
		failed := signing.DocumentResult{Ref: ref, Failure: &signing.Failure{Kind: signing.KindProvider}}
		_ = e.FinishDocuments(ctx, []signing.DocumentResult{failed})
	}
	return e.Store.Prepared(ctx, ref)
}

// TestDocumentEndsDuringResume: when a document ends while the answer of a shared call is
// requested, the other documents of the call are not affected.
func TestDocumentEndsDuringResume(t *testing.T) {
	store := new(endingStore)
	run(t, func(h *harness) {
		store.Store, h.store = h.memory, store
		h.provider.answer = lostWithHandle
		// After resumer.resumeWithRetries has stopped requesting the answer.
		h.provider.resumed = h.provider.answerFrom(time.Now().Add(4 * time.Minute))
	}, func(t *testing.T, h *harness) {
		one := h.mustSubmit("a", "r1", "one")
		two := h.mustSubmit("b", "r2", "two")
		time.Sleep(30 * time.Second) // the call was made
		store.of.Store(int64(two))
		h.check(two, signing.StatusFailed, "f")
		h.check(one, signing.StatusExecuted, "s")
		if got := h.provider.callSizes(); !slices.Equal(got, []int{2}) {
			t.Errorf("calls of %v digests, want one shared", got)
		}
	})
}

// removingStore is a store in which an operation ends and is removed between two reads for the
// answer of its call: the read of its documents, and the read of the operation.
type removingStore struct {
	signing.Store
	armed atomic.Bool

	mu      sync.Mutex
	looked  time.Time  // when a document of a waiting operation was read
	removed signing.ID // 0 = none yet
	err     error
}

// Documents implements signing.Records.
func (r *removingStore) Documents(ctx context.Context, id signing.ID, from, limit int) ([]signing.Document, error) {
	docs, err := r.Store.Documents(ctx, id, from, limit)
	if len(docs) == 1 && docs[0].State == signing.DocumentSent {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.looked = time.Now()
	}
	return docs, err
}

// Operation implements signing.Records.
func (r *removingStore) Operation(ctx context.Context, id signing.ID) (signing.Operation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looked.Equal(time.Now()) && r.armed.CompareAndSwap(true, false) { // the clock is fake
		failed := signing.DocumentResult{
			Ref:     signing.Ref{Operation: id},
			Failure: &signing.Failure{Kind: signing.KindProvider},
		}
		op, missing := r.Store.Operation(ctx, id)
		ended := signing.StatusChange{Status: signing.StatusFailed, Ended: time.Now()}
		r.removed, r.err = id, errors.Join(
			missing,
			r.FinishDocuments(ctx, []signing.DocumentResult{failed}),
			r.SetStatus(ctx, id, op.Status, ended),
			r.Remove(ctx, id),
		)
	}
	return r.Store.Operation(ctx, id)
}

// TestOperationRemovedDuringResume: when an operation is removed while the answer of a shared call
// is requested, the other operations still get the answer.
func TestOperationRemovedDuringResume(t *testing.T) {
	store := new(removingStore)
	run(t, func(h *harness) {
		store.Store, h.store = h.memory, store
		h.provider.answer = lostWithHandle
		// After resumer.resumeWithRetries has stopped requesting the answer.
		h.provider.resumed = h.provider.answerFrom(time.Now().Add(4 * time.Minute))
	}, func(t *testing.T, h *harness) {
		all := []signing.ID{h.mustSubmit("a", "r1", "one"), h.mustSubmit("b", "r2", "two")}
		time.Sleep(30 * time.Second) // the call was made
		store.armed.Store(true)
		time.Sleep(10 * time.Minute)
		store.mu.Lock()
		removed, err := store.removed, store.err
		store.mu.Unlock()
		if removed == 0 || err != nil {
			t.Fatalf("operation %d was removed: %v", removed, err)
		}
		for _, id := range all {
			if id != removed {
				h.check(id, signing.StatusExecuted, "s")
			}
		}
		if got := h.provider.callSizes(); !slices.Equal(got, []int{2}) {
			t.Errorf("calls of %v digests, want one shared", got)
		}
	})
}

// slowStore is a store that takes a while to store results, each time a different while.
type slowStore struct{ signing.Store }

// FinishDocuments implements signing.Journal.
func (l slowStore) FinishDocuments(ctx context.Context, results []signing.DocumentResult) error {
	time.Sleep(time.Duration(1+rand.IntN(4000)) * time.Microsecond)
	return l.Store.FinishDocuments(ctx, results)
}

// Documents implements signing.Records.
func (l slowStore) Documents(ctx context.Context, id signing.ID, from, limit int) ([]signing.Document, error) {
	time.Sleep(50 * time.Microsecond)
	return l.Store.Documents(ctx, id, from, limit)
}

// TestGivingUpASharedCallAtOnce: when several operations give up a shared call at the same
// moment, one of them ends the call.
func TestGivingUpASharedCallAtOnce(t *testing.T) {
	for range 20 {
		run(t, func(h *harness) {
			h.store = slowStore{h.memory}
			h.provider.credential.MaxBatch = 100
			h.provider.answer = lostWithHandle
			h.provider.resumed = func(signing.Call) ([][]byte, error) { return nil, lost() }
		}, func(t *testing.T, h *harness) {
			for _, id := range []signing.ID{h.mustSubmit("a", "r1", names(30)...), h.mustSubmit("b", "r2", names(30)...)} {
				h.check(id, signing.StatusFailed, strings.Repeat("f", 30))
			}
			if c := h.checkCounters(false); c.Sent != 60 || c.Unknown != 60 || len(h.provider.callSizes()) != 1 {
				t.Errorf("counters = %+v of calls %v, want 60 digests sent in one, and unknown", c, h.provider.callSizes())
			}
		})
	}
}

// TestErrorOfACallIsShared: documents of several operations record the error of their refused call
// and its Retry-After without a data race (run with -race).
func TestErrorOfACallIsShared(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.answer = failFirst(1, signing.Errorf(signing.KindProvider, "later").Retryable(2*time.Minute))
	}, func(t *testing.T, h *harness) {
		one, two := h.mustSubmit("a", "r1", "one", "two"), h.mustSubmit("b", "r2", "three", "four")
		h.check(one, signing.StatusExecuted, "ss")
		h.check(two, signing.StatusExecuted, "ss")
		if sizes := h.provider.callSizes(); sizes[0] != 4 {
			t.Errorf("calls of %v digests, want all four in the first", sizes)
		}
	})
}
