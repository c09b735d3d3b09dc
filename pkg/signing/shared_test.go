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

// What operations share must not let one suffer from another: calls, providers that are out of
// reach, the places at which they are worked on.

func lost() error {
	return &signing.Error{Kind: signing.KindProvider, Unknown: true, Err: errors.New("lost")}
}

// sentTimes is how often a digest was given to the provider.
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

// fetched is the answer to a call that is asked for later; a digest that is nil is of a document
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

// lostWithHandle loses the answer of a call that can be asked for again.
func lostWithHandle(_ int, c signing.Call, _ [][]byte) ([][]byte, error) {
	_ = c.Note(context.Background(), "r-1")
	return nil, lost()
}

// fetchedFrom has the answer of an earlier call there from a time on.
func (p *fakeProvider) fetchedFrom(there time.Time) func(signing.Call) ([][]byte, error) {
	return func(c signing.Call) ([][]byte, error) {
		if time.Now().Before(there) {
			return nil, lost()
		}
		return p.fetched(c)
	}
}

// What must not be sent again is not, whatever the disk does when the call is given up.
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

// What must not be sent again is not after a stop either, though other calls of the operation were
// still under way.
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

// An operation that is given up takes nothing from another that waits for the same answer.
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
		// After the old one was given up, and before the new one would be.
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

// ending is a store in which an operation's document ends just when it is looked at for the answer
// of its call.
type ending struct {
	signing.Store
	of atomic.Int64 // the operation; 0 = none yet
}

func (e *ending) Prepared(ctx context.Context, ref signing.Ref) (signing.Prepared, []byte, error) {
	if int64(ref.Operation) == e.of.Load() {
		_ = e.FinishDocuments(
			ctx,
			[]signing.DocumentResult{{Ref: ref, Failure: &signing.Failure{Kind: signing.KindProvider}}},
		)
	}
	return e.Store.Prepared(ctx, ref)
}

// What ends while the answer of a shared call is asked for is no fault of the others.
func TestNeighbourEndsMeanwhile(t *testing.T) {
	store := &ending{Store: storetest.NewMemory()}
	run(t, func(h *harness) {
		h.store = store
		h.provider.answer = lostWithHandle
		// after whoever made the call has stopped asking
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

// removing is a store in which an operation ends and is removed between two looks at it for the
// answer of its call: at its documents, then at itself.
type removing struct {
	signing.Store
	armed atomic.Bool

	mu      sync.Mutex
	looked  time.Time  // at a document of one that waits
	removed signing.ID // 0 = none yet
	err     error
}

func (r *removing) Documents(ctx context.Context, id signing.ID, from, limit int) ([]signing.Document, error) {
	docs, err := r.Store.Documents(ctx, id, from, limit)
	if len(docs) == 1 && docs[0].State == signing.DocumentSent {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.looked = time.Now()
	}
	return docs, err
}

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

// What is removed while the answer of a shared call is asked for takes it from nobody.
func TestNeighbourRemovedMeanwhile(t *testing.T) {
	store := &removing{Store: storetest.NewMemory()}
	run(t, func(h *harness) {
		h.store = store
		h.provider.answer = lostWithHandle
		// after whoever made the call has stopped asking
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

// A call whose documents have ended gets its end when the disk takes it, not at the next start.
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

// late is a store in which results take a while to be stored, each its own.
type late struct{ signing.Store }

func (l late) FinishDocuments(ctx context.Context, results []signing.DocumentResult) error {
	time.Sleep(time.Duration(1+rand.IntN(4000)) * time.Microsecond)
	return l.Store.FinishDocuments(ctx, results)
}

func (l late) Documents(ctx context.Context, id signing.ID, from, limit int) ([]signing.Document, error) {
	time.Sleep(50 * time.Microsecond)
	return l.Store.Documents(ctx, id, from, limit)
}

// Operations that give up a shared call at one moment do not leave it to each other.
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

// A service that is out of reach holds up nobody who waits for another's answer.
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

// The backlog of one client service at a slow service keeps nobody from signing at another.
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
