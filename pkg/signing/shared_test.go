package signing_test

import (
	"context"
	"errors"
	"fmt"
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

// The tests of this file check that operations do not harm each other through what they share:
// calls, providers that are not reachable, and the places in the lanes.

// lost returns the error of a call whose answer was lost.
func lost() error {
	return &signing.Error{Kind: signing.KindProvider, Unknown: true, Err: errors.New("lost")}
}

// sentTimes returns how often a digest was sent to the provider.
func (p *fakeProvider) sentTimes(digest []byte) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, call := range p.calls {
		for _, d := range call {
			if slices.Equal(d, digest) {
				n++
			}
		}
	}
	return n
}

// fetched returns the answer to a call that is requested later. A nil digest belongs to a document
// that has ended meanwhile.
func (p *fakeProvider) fetched(c signing.Call) ([][]byte, error) {
	values := make([][]byte, len(c.Digests))
	for i, d := range c.Digests {
		if d == nil {
			values[i] = []byte("of one that has no document any more")
			continue
		}
		one, err := p.values(signing.Call{Digests: [][]byte{d}})
		if err != nil {
			return nil, err
		}
		values[i] = one[0]
	}
	return values, nil
}

// lostWithHandle loses the answer of a call and leaves a handle, under which it can be requested
// again.
func lostWithHandle(_ int, c signing.Call, _ [][]byte) ([][]byte, error) {
	_ = c.Note(context.Background(), "r-1")
	return nil, lost()
}

// fetchedFrom returns a Resume function that has the answer of an earlier call from a given time
// on.
func (p *fakeProvider) fetchedFrom(there time.Time) func(signing.Call) ([][]byte, error) {
	return func(c signing.Call) ([][]byte, error) {
		if time.Now().Before(there) {
			return nil, lost()
		}
		return p.fetched(c)
	}
}

// TestNeverTwiceOnABadDisk: documents that must not be sent again are not sent again, whatever the
// disk does when the call is given up.
func TestNeverTwiceOnABadDisk(t *testing.T) {
	for name, bad := range map[string]bool{"lost, policy fail": false, "bad answer, policy retry": true} {
		t.Run(name, func(t *testing.T) {
			memory := storetest.NewMemory()
			run(t, func(h *harness) {
				h.store = memory
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
				memory.FailNext("FinishDocuments", 1, storetest.NotStored)
				h.check(h.mustSubmit("a", "r", "one"), signing.StatusFailed, "f")
				if c := h.accounts(false); c.Sent != 1 || c.Unknown != 1 {
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
		h.provider.answer = func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
			if call == 0 {
				return nil, lost()
			}
			return values, nil
		}
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r", "one", "two", "three")
		time.Sleep(50 * time.Second)
		h.stop()
		h.start()
		h.check(id, signing.StatusExecuted, "fss")
		if n := h.provider.sentTimes(h.provider.calls[0][0]); n != 1 {
			t.Errorf("the lost one was sent %d times, want once", n)
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
		h.provider.resumed = h.provider.fetchedFrom(time.Now().Add(7*time.Minute + 10*time.Second))
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
		if c, err := h.store.Counters(t.Context()); err != nil || c.Returned != 2 || c.Unknown != 0 {
			t.Errorf("counters = %+v, %v, want both returned", c, err)
		}
	})
}

// ending is a store in which a document ends at the moment at which it is read for the answer of
// its call.
type ending struct {
	signing.Store
	of atomic.Int64 // the operation; 0 = none yet
}

// Prepared implements signing.Journal.
func (e *ending) Prepared(ctx context.Context, ref signing.Ref) (signing.Prepared, []byte, error) {
	if int64(ref.Operation) == e.of.Load() {
		_ = e.FinishDocuments(
			ctx,
			[]signing.DocumentResult{{Ref: ref, Failure: &signing.Failure{Kind: signing.KindProvider}}},
		)
	}
	return e.Store.Prepared(ctx, ref)
}

// TestNeighbourEndsMeanwhile: when a document ends while the answer of a shared call is requested,
// the other documents of the call are not affected.
func TestNeighbourEndsMeanwhile(t *testing.T) {
	store := &ending{Store: storetest.NewMemory()}
	run(t, func(h *harness) {
		h.store = store
		h.provider.answer = lostWithHandle
		// After the caller has stopped requesting the answer.
		h.provider.resumed = h.provider.fetchedFrom(time.Now().Add(4 * time.Minute))
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

// removing is a store in which an operation ends and is removed between two reads for the answer of
// its call: the read of its documents, and the read of the operation.
type removing struct {
	signing.Store
	armed atomic.Bool

	mu      sync.Mutex
	looked  time.Time  // when a document of a waiting operation was read
	removed signing.ID // 0 = none yet
	err     error
}

// Documents implements signing.Records.
func (r *removing) Documents(ctx context.Context, id signing.ID, from, limit int) ([]signing.Document, error) {
	docs, err := r.Store.Documents(ctx, id, from, limit)
	if len(docs) == 1 && docs[0].State == signing.DocumentSent {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.looked = time.Now()
	}
	return docs, err
}

// Operation implements signing.Records.
func (r *removing) Operation(ctx context.Context, id signing.ID) (signing.Operation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looked.Equal(time.Now()) && r.armed.CompareAndSwap(true, false) { // the clock is fake
		failed := signing.DocumentResult{
			Ref:     signing.Ref{Operation: id},
			Failure: &signing.Failure{Kind: signing.KindProvider},
		}
		op, missing := r.Store.Operation(ctx, id)
		r.removed, r.err = id, errors.Join(
			missing,
			r.FinishDocuments(ctx, []signing.DocumentResult{failed}),
			r.SetStatus(
				ctx,
				id,
				op.Status,
				signing.StatusChange{Status: signing.StatusFailed, Ended: time.Now()},
			),
			r.Remove(ctx, id),
		)
	}
	return r.Store.Operation(ctx, id)
}

// TestNeighbourRemovedMeanwhile: when an operation is removed while the answer of a shared call is
// requested, the other operations still get the answer.
func TestNeighbourRemovedMeanwhile(t *testing.T) {
	store := &removing{Store: storetest.NewMemory()}
	run(t, func(h *harness) {
		h.store = store
		h.provider.answer = lostWithHandle
		// After the caller has stopped requesting the answer.
		h.provider.resumed = h.provider.fetchedFrom(time.Now().Add(4 * time.Minute))
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

// TestEndThatCouldNotBeStored: a call whose documents have ended gets its end when the disk accepts
// it, not only at the next start.
func TestEndThatCouldNotBeStored(t *testing.T) {
	memory := storetest.NewMemory()
	run(t, func(h *harness) {
		h.store, h.cfg.UnknownOutcome = memory, signing.UnknownFail
		h.provider.answer = func(int, signing.Call, [][]byte) ([][]byte, error) { return nil, lost() }
	}, func(t *testing.T, h *harness) {
		memory.FailNext("AbandonCall", 6, storetest.NotStored)
		h.check(h.mustSubmit("a", "r", "one"), signing.StatusFailed, "f")
		time.Sleep(3 * time.Minute)
		if c := h.accounts(false); c.Sent != 1 || c.Unknown != 1 {
			t.Errorf("counters = %+v, want one digest sent, and unknown", c)
		}
	})
}

// late is a store that takes a while to store results, each time a different while.
type late struct{ signing.Store }

// FinishDocuments implements signing.Journal.
func (l late) FinishDocuments(ctx context.Context, results []signing.DocumentResult) error {
	time.Sleep(time.Duration(1+rand.IntN(4000)) * time.Microsecond)
	return l.Store.FinishDocuments(ctx, results)
}

// Documents implements signing.Records.
func (l late) Documents(ctx context.Context, id signing.ID, from, limit int) ([]signing.Document, error) {
	time.Sleep(50 * time.Microsecond)
	return l.Store.Documents(ctx, id, from, limit)
}

// TestGivingUpASharedCallTogether: when several operations give up a shared call at the same
// moment, one of them ends the call.
func TestGivingUpASharedCallTogether(t *testing.T) {
	for range 20 {
		run(t, func(h *harness) {
			h.store = late{storetest.NewMemory()}
			h.provider.credential.MaxBatch = 100
			h.provider.answer = lostWithHandle
			h.provider.resumed = func(signing.Call) ([][]byte, error) { return nil, lost() }
		}, func(t *testing.T, h *harness) {
			for _, id := range []signing.ID{h.mustSubmit("a", "r1", names(30)...), h.mustSubmit("b", "r2", names(30)...)} {
				h.check(id, signing.StatusFailed, strings.Repeat("f", 30))
			}
			if c := h.accounts(false); c.Sent != 60 || c.Unknown != 60 || len(h.provider.callSizes()) != 1 {
				t.Errorf("counters = %+v of calls %v, want 60 digests sent in one, and unknown", c, h.provider.callSizes())
			}
		})
	}
}

// TestLostAnswersAreApart: a service that is not reachable does not delay operations that wait for
// the answer of another service.
func TestLostAnswersAreApart(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.stop()
		down := newProvider(t)
		down.key, down.credential, down.silent = h.provider.key, h.provider.credential, true
		down.credential.Name = "down"
		h.cfg.Providers = func(client string) (signing.Provider, error) {
			if client == "b" {
				return h.provider, nil
			}
			return down, nil
		}
		ids := map[string]signing.ID{}
		for client, credential := range map[string]string{"a": "down", "b": "test"} {
			ids[client] = h.crashedOperationOf(client, "of "+client)
			err := h.store.BeginCall(
				t.Context(),
				signing.CallRecord{ID: client, Credential: credential, Refs: []signing.Ref{{Operation: ids[client]}}},
			)
			if err = errors.Join(err, h.store.NoteCall(t.Context(), client, "r-1")); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		h.start()
		h.check(ids["b"], signing.StatusExecuted, "s")
		if took := time.Since(start); took > time.Second {
			t.Errorf("what was there at once was taken after %v of fake time", took)
		}
	})
}

// TestBacklogOfOthers: the backlog of one client service at a slow service does not stop others
// from signing at another service.
func TestBacklogOfOthers(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.latency, h.provider.credential.MaxBatch, h.provider.credential.InFlight = time.Minute, 1, 1
		fast := newProvider(t)
		fast.key, fast.credential = h.provider.key, h.provider.credential
		fast.credential.Name = "fast"
		h.cfg.Providers = func(client string) (signing.Provider, error) {
			if client == "b" {
				return fast, nil
			}
			return h.provider, nil
		}
	}, func(t *testing.T, h *harness) {
		for i := range 1100 {
			h.mustSubmit("a", fmt.Sprint(i), fmt.Sprint("document ", i))
		}
		time.Sleep(time.Second)
		start := time.Now()
		h.check(h.mustSubmit("b", "small", "one"), signing.StatusExecuted, "s")
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v of fake time, at a service that takes 100 ms", took)
		}
	})
}
