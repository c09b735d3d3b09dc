package signing_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// A process that dies after it has failed the documents of a lost call, and before it has forgotten the call, starts again.
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
				err := h.store.BeginCall(t.Context(), "call", "test", refs)
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

// listing is a store in which something happens before and after calls are listed for the first time.
type listing struct {
	signing.Store
	before, after func()
}

func (l *listing) OpenCalls(ctx context.Context) ([]signing.CallRecord, error) {
	before, after := l.before, l.after
	l.before, l.after = nil, nil
	if before != nil {
		before()
	}
	calls, err := l.Store.OpenCalls(ctx)
	if after != nil {
		after()
	}
	return calls, err
}

// A call that ends while the calls without an end are looked for is not one of them.
func TestCallThatEndsMeanwhileIsNotSettled(t *testing.T) {
	memory := storetest.NewMemory()
	list := &listing{Store: memory}
	run(t, func(h *harness) {
		h.store, h.cfg.UnknownOutcome = list, signing.UnknownFail
		h.format.embed = func([]byte) error { time.Sleep(time.Hour); return nil } // fake: long valued, and not ended
	}, func(t *testing.T, h *harness) {
		memory.Inject(func(method string) storetest.Fault {
			if method == "EndCall" {
				return storetest.NotStored
			}
			return storetest.NoFault
		})
		var other signing.ID
		list.before = func() {
			memory.Inject(nil)
			other = h.mustSubmit("a", "other", "two")
			time.Sleep(h.provider.latency / 2) // fake: its call is in flight when calls are listed
		}
		list.after = func() { time.Sleep(time.Minute) }
		h.check(h.mustSubmit("a", "lost", "one"), signing.StatusFailed, "f")
		h.check(other, signing.StatusExecuted, "s")
	})
}

// attentive is a store that notices when its caller is gone.
type attentive struct{ signing.Store }

func (a attentive) Operation(ctx context.Context, id signing.ID) (signing.Operation, error) {
	if err := ctx.Err(); err != nil {
		return signing.Operation{}, err
	}
	return a.Store.Operation(ctx, id)
}

// Who goes away does not end the wait of others.
func TestWaitOfOthersGoesOn(t *testing.T) {
	run(t, func(h *harness) { h.store = attentive{h.store} }, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one")
		ended := make(chan signing.Operation)
		go func() { ended <- h.waitFor(id) }()
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.Wait(gone, id); err == nil {
			t.Error("Wait of a caller that is gone = nil, want an error")
		}
		if op := <-ended; op.Status != signing.StatusExecuted {
			t.Errorf("Wait = %v, want EXECUTED", op.Status)
		}
	})
}

// A service that does not answer is not asked for a lost answer for longer than a restart takes.
func TestFetchingIsBounded(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.silent, h.cfg.UnknownOutcome = true, signing.UnknownFail
		h.provider.answer = func(_ int, call signing.Call, _ [][]byte) ([][]byte, error) {
			if err := call.Note(t.Context(), "r"); err != nil {
				t.Error(err)
			}
			return nil, &signing.Error{Kind: signing.KindProvider, Unknown: true}
		}
	}, func(t *testing.T, h *harness) {
		start := time.Now()
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusFailed, "f")
		if took := time.Since(start); took > 4*time.Minute {
			t.Errorf("the operation ended after %v of fake time, want about 3 minutes", took)
		}
	})
}
