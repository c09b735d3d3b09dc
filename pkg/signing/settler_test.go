package signing_test

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"testing"
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
				id := h.lostCall("test", handle)
				var failed []signing.DocumentResult
				for _, ref := range twoRefs(id) {
					failed = append(failed, signing.DocumentResult{
						Ref: ref, Failure: &signing.Failure{Kind: signing.KindProvider},
					})
				}
				if err := h.store.FinishDocuments(t.Context(), failed); err != nil {
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

// TestOpenCallsAreSettled: a call whose answer was never recorded is counted as unknown, and the
// policy decides about its documents. Its answer is requested again where the provider can give it.
func TestOpenCallsAreSettled(t *testing.T) {
	for name, c := range map[string]struct {
		policy  signing.UnknownPolicy
		handle  string
		outage  int
		status  signing.Status
		docs    string
		unknown int64
	}{
		"retry":          {signing.UnknownRetry, "", 0, signing.StatusExecuted, "ss", 2},
		"fail":           {signing.UnknownFail, "", 0, signing.StatusFailed, "ff", 2},
		"resume":         {signing.UnknownFail, "r-1", 0, signing.StatusExecuted, "ss", 0},
		"after outage":   {signing.UnknownFail, "r-1", 5, signing.StatusExecuted, "ss", 0},
		"unknown handle": {signing.UnknownRetry, "lost", 0, signing.StatusExecuted, "ss", 2},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(h *harness) {
				h.cfg.UnknownOutcome = c.policy
				h.provider.latency = time.Hour
				h.cfg.Grace = time.Second
			}, func(t *testing.T, h *harness) {
				id := h.lostCall("test", c.handle)
				h.provider.latency, h.provider.outage = time.Millisecond, c.outage
				h.start()
				h.check(id, c.status, c.docs)
				if got, err := h.memory.Counters(t.Context()); err != nil || got.Unknown != c.unknown {
					t.Errorf("counters = %+v, %v, want %d unknown", got, err, c.unknown)
				}
			})
		})
	}
}

// TestStartOnFullDisk: a start on a full disk waits for room. The process does not end, and no
// operation is queued twice.
func TestStartOnFullDisk(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		id := h.lostCall("test", "")
		h.memory.Inject(func(string) storetest.Fault { return storetest.NotStored })
		h.start()
		time.Sleep(time.Hour)
		h.memory.Inject(nil)
		h.check(id, signing.StatusExecuted, "ss")
		got, err := h.memory.Counters(t.Context())
		if want := (signing.Counters{Sent: 4, Unknown: 2, Returned: 2}); err != nil || got != want {
			t.Errorf("counters = %+v, %v, want %+v", got, err, want)
		}
	})
}

// beginCall records a call without an end. A handle is recorded if call has one.
func (h *harness) beginCall(call signing.CallRecord) {
	h.t.Helper()
	call.ID = cmp.Or(call.ID, "call")
	err := h.store.BeginCall(h.t.Context(), call)
	if err == nil && call.Handle != "" {
		err = h.store.NoteCall(h.t.Context(), call.ID, call.Handle)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// twoRefs returns the Refs of the first two documents of an operation.
func twoRefs(id signing.ID) []signing.Ref {
	return []signing.Ref{{Operation: id, Index: 0}, {Operation: id, Index: 1}}
}

// crashedOperation makes an operation as a process leaves it that dies before the call: its
// documents are prepared. The service is stopped.
func (h *harness) crashedOperation(contents ...string) signing.ID {
	h.t.Helper()
	return h.crashedOperationOf("a", contents...)
}

// crashedOperationOf is crashedOperation for a given client service.
func (h *harness) crashedOperationOf(client string, contents ...string) signing.ID {
	h.t.Helper()
	h.stop()
	ctx := h.t.Context()
	up, err := h.store.NewUpload(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	op := signing.NewOperation{
		ClientService: client,
		Created:       time.Now(),
		Request:       signing.Request{ExternalReference: "r1"},
	}
	var prepared []signing.PreparedDocument
	for i, text := range contents {
		c, err := up.Add(strings.NewReader(text))
		if err != nil {
			h.t.Fatal(err)
		}
		op.Contents = append(op.Contents, c)
		op.Request.Documents = append(op.Request.Documents, signing.DocumentRequest{
			Signature: signing.SignatureInfo{Type: signing.PAdES, Level: signing.LevelB},
		})
		prepared = append(prepared, signing.PreparedDocument{
			Ref:      signing.Ref{Index: i},
			Prepared: signing.Prepared{Digest: c.SHA256[:], State: c.SHA256[:]},
		})
	}
	created, err := h.store.Create(ctx, up, op)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := range prepared {
		prepared[i].Operation = created.ID
	}
	if err := h.store.SavePrepared(ctx, prepared); err != nil {
		h.t.Fatal(err)
	}
	return created.ID
}

// hookedStore is a store that runs functions before and after calls are listed for the first time.
type hookedStore struct {
	signing.Store
	mu            sync.Mutex
	before, after func()
}

// OpenCalls implements signing.Journal.
func (l *hookedStore) OpenCalls(ctx context.Context) ([]signing.CallRecord, error) {
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
	var list *hookedStore
	run(t, func(h *harness) {
		list = &hookedStore{Store: h.memory}
		h.store, h.cfg.UnknownOutcome = list, signing.UnknownFail
		h.format.embed = func([]byte) error { time.Sleep(time.Hour); return nil } // fake time: valued, and not ended
	}, func(t *testing.T, h *harness) {
		h.provider.answer = failFirst(1, lost())
		h.memory.Inject(failWrites("FinishDocuments")) // the first call has no recorded end
		var other signing.ID
		list.mu.Lock()
		list.before = func() {
			h.memory.Inject(nil)
			other = h.mustSubmit("a", "other", "two")
			time.Sleep(h.provider.latency / 2) // fake time: its call is in flight when calls are listed
		}
		list.after = func() { time.Sleep(time.Minute) }
		list.mu.Unlock()
		h.check(h.mustSubmit("a", "lost", "one"), signing.StatusFailed, "f")
		h.check(other, signing.StatusExecuted, "s")
	})
}

// TestSettledDocumentsContinue: the next attempt settles a call whose end could not be recorded. It
// continues with the documents and is not postponed again.
func TestSettledDocumentsContinue(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.memory.Inject(failWrites("EndCall"))
		start := time.Now()
		id := h.mustSubmit("a", "r1", "one")
		time.Sleep(45 * time.Second) // fake time
		h.memory.Inject(nil)
		h.check(id, signing.StatusExecuted, "s")
		if took := time.Since(start); took > 2*time.Minute {
			t.Errorf("the operation ended after %v, want half a minute and one pause of a minute", took)
		}
		h.checkCounters(false)
	})
}

// TestEndThatCouldNotBeStored: a call whose documents have ended gets its end when the disk accepts
// it, not only at the next start.
func TestEndThatCouldNotBeStored(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.UnknownOutcome = signing.UnknownFail
		h.provider.answer = failAlways(lost())
	}, func(t *testing.T, h *harness) {
		h.memory.FailNext("AbandonCall", 6, storetest.NotStored)
		h.check(h.mustSubmit("a", "r", "one"), signing.StatusFailed, "f")
		time.Sleep(3 * time.Minute)
		if c := h.checkCounters(false); c.Sent != 1 || c.Unknown != 1 {
			t.Errorf("counters = %+v, want one digest sent, and unknown", c)
		}
	})
}
