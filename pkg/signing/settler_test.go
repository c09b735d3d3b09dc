package signing_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// TestHalfSettledCall: the next start settles a call when a process dies after it has failed the
// documents of the lost call and before it has recorded the end of the call.
func TestHalfSettledCall(t *testing.T) {
	for _, handle := range []string{"", "r-1"} {
		t.Run("handle "+handle, func(t *testing.T) {
			run(t, func(h *harness) { h.cfg.UnknownOutcome = signing.UnknownFail }, func(t *testing.T, h *harness) {
				id := h.crashedOperation("one", "two")
				refs := []signing.Ref{{Operation: id, Index: 0}, {Operation: id, Index: 1}}
				failed := make([]signing.DocumentResult, len(refs))
				for i, ref := range refs {
					failed[i] = signing.DocumentResult{Ref: ref, Failure: &signing.Failure{Kind: signing.KindProvider}}
				}
				err := h.store.BeginCall(t.Context(), signing.CallRecord{ID: "call", Credential: "test", Refs: refs})
				if err == nil && handle != "" {
					err = h.store.NoteCall(t.Context(), "call", handle)
				}
				if err := errors.Join(err, h.store.FinishDocuments(t.Context(), failed)); err != nil {
					t.Fatal(err)
				}
				h.start()
				h.check(id, signing.StatusFailed, "ff")
				if calls, err := h.store.OpenCalls(t.Context()); err != nil || len(calls) != 0 {
					t.Errorf("OpenCalls = %v, %v, want none", calls, err)
				}
			})
		})
	}
}

// listing is a store that runs functions before and after calls are listed for the first time.
type listing struct {
	signing.Store
	mu            sync.Mutex
	before, after func()
}

// OpenCalls implements signing.Journal.
func (l *listing) OpenCalls(ctx context.Context) ([]signing.CallRecord, error) {
	l.mu.Lock()
	before, after := l.before, l.after
	l.before, l.after = nil, nil
	l.mu.Unlock()
	if before != nil {
		before()
	}
	calls, err := l.Store.OpenCalls(ctx)
	if after != nil {
		after()
	}
	return calls, err
}

// TestCallThatEndsMeanwhileIsNotSettled: a call that ends during the search for orphaned calls does
// not count as orphaned.
func TestCallThatEndsMeanwhileIsNotSettled(t *testing.T) {
	memory := storetest.NewMemory()
	list := &listing{Store: memory}
	run(t, func(h *harness) {
		h.store, h.cfg.UnknownOutcome = list, signing.UnknownFail
		h.format.embed = func([]byte) error { time.Sleep(time.Hour); return nil } // fake time: valued, and not ended
	}, func(t *testing.T, h *harness) {
		h.provider.answer = func(n int, _ signing.Call, values [][]byte) ([][]byte, error) {
			if n == 0 {
				return nil, &signing.Error{Kind: signing.KindProvider, Unknown: true}
			}
			return values, nil
		}
		memory.Inject(func(method string) storetest.Fault { // the first call has no recorded end
			if method == "FinishDocuments" {
				return storetest.NotStored
			}
			return storetest.NoFault
		})
		var other signing.ID
		list.mu.Lock()
		list.before = func() {
			memory.Inject(nil)
			other = h.mustSubmit("a", "other", "two")
			time.Sleep(h.provider.latency / 2) // fake time: its call is in flight when calls are listed
		}
		list.after = func() { time.Sleep(time.Minute) }
		list.mu.Unlock()
		h.check(h.mustSubmit("a", "lost", "one"), signing.StatusFailed, "f")
		h.check(other, signing.StatusExecuted, "s")
	})
}

// attentive is a store that returns an error when the context of its caller is done.
type attentive struct{ signing.Store }

// Operation implements signing.Records.
func (a attentive) Operation(ctx context.Context, id signing.ID) (signing.Operation, error) {
	if err := ctx.Err(); err != nil {
		return signing.Operation{}, err
	}
	return a.Store.Operation(ctx, id)
}

// TestWaitOfOthersGoesOn: Wait returns the current state when its context is done, even from the
// start. The other callers of Wait keep waiting.
func TestWaitOfOthersGoesOn(t *testing.T) {
	run(t, func(h *harness) { h.store = attentive{h.store} }, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one")
		ended := make(chan signing.Operation)
		go func() { ended <- h.waitFor(id) }()
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if op, err := h.Wait(gone, id); err != nil || op.Status != signing.StatusPending {
			t.Errorf("Wait of no time = %v, %v, want it pending", op.Status, err)
		}
		if op := <-ended; op.Status != signing.StatusExecuted {
			t.Errorf("Wait = %v, want EXECUTED", op.Status)
		}
	})
}

// TestFetchingIsBounded: a lost answer is requested for no longer than a restart of the service
// takes. After that the next try requests it, and it is given up together with the operation.
// Meanwhile nothing is signed again, whatever the policy is.
func TestFetchingIsBounded(t *testing.T) {
	for _, policy := range []signing.UnknownPolicy{signing.UnknownFail, signing.UnknownRetry} {
		run(t, func(h *harness) {
			h.provider.silent, h.cfg.UnknownOutcome = true, policy
			h.provider.answer = func(_ int, call signing.Call, _ [][]byte) ([][]byte, error) {
				if err := call.Note(t.Context(), "r"); err != nil {
					t.Error(err)
				}
				return nil, &signing.Error{Kind: signing.KindProvider, Unknown: true}
			}
		}, func(t *testing.T, h *harness) {
			id := h.mustSubmit("a", "r1", "one")
			time.Sleep(4 * time.Minute) // fake time
			if op, err := h.store.Operation(
				t.Context(),
				id,
			); err != nil || op.Status != signing.StatusRetrying ||
				op.Tries != 1 {
				t.Errorf("%s: after four minutes: %+v, %v, want that a retry is planned", policy, op, err)
			}
			h.check(id, signing.StatusFailed, "f")
			calls, err := h.store.OpenCalls(t.Context())
			if c := h.accounts(false); err != nil || len(calls) != 0 || c.Sent != 1 || c.Unknown != 1 {
				t.Errorf("%s: open calls %v, %v, counters %+v, want one digest sent, and unknown", policy, calls, err, c)
			}
		})
	}
}

// lostCall leaves a call without an end, under a handle, for an operation of two documents, and
// starts a new service.
func (h *harness) lostCall(credential, handle string) (id signing.ID) {
	h.t.Helper()
	id = h.crashedOperation("one", "two")
	err := h.store.BeginCall(
		h.t.Context(),
		signing.CallRecord{
			ID:         "call",
			Credential: credential,
			Refs:       []signing.Ref{{Operation: id, Index: 0}, {Operation: id, Index: 1}},
		},
	)
	if err = errors.Join(err, h.store.NoteCall(h.t.Context(), "call", handle)); err != nil {
		h.t.Fatal(err)
	}
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
			if got, err := h.store.Counters(t.Context()); err != nil || got.Unknown != unknown {
				t.Errorf("call with %s: counters = %+v, %v, want %d unknown", credential, got, err, unknown)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("call with %s: the operation ended after %v of fake time, want it at once", credential, took)
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
		if got, err := h.store.Counters(t.Context()); err != nil || got.Unknown != 0 || got.Returned != 2 {
			t.Errorf("counters = %+v, %v, want 2 returned and none unknown", got, err)
		}
	})
}

// TestAnswerThatNeverComes: a service that does not know a handle is asked once. The start does not
// wait for an answer that never comes.
func TestAnswerThatNeverComes(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		id := h.lostCall("test", "nobody's")
		start := time.Now()
		h.start()
		h.check(id, signing.StatusExecuted, "ss")
		if took := time.Since(start); took > time.Second {
			t.Errorf("the operation ended after %v of fake time, want it at once", took)
		}
	})
}

// TestSettledDocumentsGoOn: the next try settles a call whose end could not be recorded. Then it
// continues with the documents and is not postponed again.
func TestSettledDocumentsGoOn(t *testing.T) {
	memory := storetest.NewMemory()
	run(t, func(h *harness) { h.store = memory }, func(t *testing.T, h *harness) {
		memory.Inject(func(method string) storetest.Fault {
			if method == "EndCall" {
				return storetest.NotStored
			}
			return storetest.NoFault
		})
		start := time.Now()
		id := h.mustSubmit("a", "r1", "one")
		time.Sleep(45 * time.Second) // fake time: storing the values was tried for half a minute, and given up
		memory.Inject(nil)
		h.check(id, signing.StatusExecuted, "s")
		if took := time.Since(start); took > 2*time.Minute {
			t.Errorf("the operation ended after %v, want half a minute and one pause of a minute", took)
		}
		h.accounts(false)
	})
}

// TestCreateMisreported: an operation that was stored runs although Create reported an error, and
// its client is not told that it was refused.
func TestCreateMisreported(t *testing.T) {
	memory := storetest.NewMemory()
	run(t, func(h *harness) { h.store = memory }, func(t *testing.T, h *harness) {
		memory.FailNext("Create", 1, storetest.Misreported)
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusExecuted, "s")
		h.accounts(true)
		if st := h.Stats(); st.QueuedDocuments != 0 {
			t.Errorf("Stats = %+v, want an empty queue", st)
		}
	})
}

// blind is a store that can be told not to find references.
type blind struct {
	signing.Store
	is *atomic.Bool
}

// FindByReference implements signing.Records.
func (b blind) FindByReference(ctx context.Context, client, reference string) ([]signing.Operation, error) {
	if b.is.Load() {
		return nil, errors.New("input/output error")
	}
	return b.Store.FindByReference(ctx, client, reference)
}

// TestCreateMisreportedAndUnread: an operation that was stored although Create failed, and that
// cannot be read for a while, runs when it can be read.
func TestCreateMisreportedAndUnread(t *testing.T) {
	for name, how := range map[string]storetest.Fault{"stored": storetest.Misreported, "not stored": storetest.NotStored} {
		memory := storetest.NewMemory()
		var is atomic.Bool
		run(t, func(h *harness) { h.store = blind{memory, &is} }, func(t *testing.T, h *harness) {
			memory.FailNext("Create", 1, how)
			is.Store(true)
			if _, err := h.submit("a", "r1", "one"); signing.KindOf(err) != signing.KindStorage {
				t.Fatalf("%s: Submit = %v, want KindStorage", name, err)
			}
			time.Sleep(10 * time.Minute) // fake time
			is.Store(false)
			time.Sleep(10 * time.Minute) // fake time
			ops, err := h.store.FindByReference(t.Context(), "a", "r1")
			if err != nil || len(ops) != 0 && ops[0].Status != signing.StatusExecuted ||
				(len(ops) == 1) != (how == storetest.Misreported) {
				t.Errorf("%s: operations = %+v, %v", name, ops, err)
			}
			if st := h.Stats(); st.QueuedDocuments != 0 {
				t.Errorf("%s: Stats = %+v, want an empty queue", name, st)
			}
		})
	}
}
