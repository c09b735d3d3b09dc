package signing_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestOperationIsSigned: every document of an operation is signed, each signature is counted, and
// nothing is left in the queue.
func TestOperationIsSigned(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one", "two", "three")
		h.check(id, signing.StatusExecuted, "sss")
		if c := h.accounts(true); c.Sent != 3 || c.Returned != 3 {
			t.Errorf("counters = %+v, want 3 sent and returned", c)
		}
		if st := h.Stats(); st.QueuedDocuments != 0 || st.ActiveOperations != 0 || st.OldestQueued != 0 {
			t.Errorf("Stats = %+v, want nothing queued", st)
		}
	})
}

// TestFailureLeavesNeighboursAlone: a document that is damaged, or whose format panics, fails
// alone. The text of a panic is not shown to the client.
func TestFailureLeavesNeighboursAlone(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one", "damaged", "panic", "four")
		docs := h.check(id, signing.StatusExecuted, "sffs")
		if f := docs[1].Failure; f.Kind != signing.KindDamaged || f.Detail != "the cross-reference is damaged" {
			t.Errorf("failure = %+v, want the format's reason", f)
		}
		if f := docs[2].Failure; f.Kind != signing.KindInternal || f.Detail != "" {
			t.Errorf("failure after a panic = %+v, want internal without a text", f)
		}
	})
}

// TestNothingSignedIsFailed: an operation ends as EXECUTION_FAILED when none of its documents was
// signed.
func TestNothingSignedIsFailed(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.check(h.mustSubmit("a", "r1", "damaged"), signing.StatusFailed, "f")
	})
}

// TestOthersOperationDoesNotExist: a client service cannot find an operation of another one.
func TestOthersOperationDoesNotExist(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one")
		if _, err := h.Operation(t.Context(), "b", id); signing.KindOf(err) != signing.KindNotFound {
			t.Errorf("Operation as another client service = %v, want not-found", err)
		}
		if ops, err := h.FindByReference(t.Context(), "b", "r1"); err != nil || len(ops) != 0 {
			t.Errorf("FindByReference as another client service = %v, %v, want none", ops, err)
		}
		if _, err := h.FindByDocumentReference(t.Context(), "b", "r1-0"); signing.KindOf(err) != signing.KindNotFound {
			t.Errorf("FindByDocumentReference as another client service = %v, want not-found", err)
		}
	})
}

// TestReferenceIsUsedOnce: a client service cannot use an external reference twice.
func TestReferenceIsUsedOnce(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.mustSubmit("a", "r1", "one")
		if _, err := h.submit("a", "r1", "two"); signing.KindOf(err) != signing.KindReferenceUsed {
			t.Errorf("second Submit = %v, want reference-used", err)
		}
		h.mustSubmit("b", "r1", "three") // references of another client service are separate
	})
}

// TestIdempotencyKey: a repeated request with the same key gets the first operation and is not
// signed again. Another request with that key is refused.
func TestIdempotencyKey(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		send := func(key, content string) (signing.Operation, bool, error) {
			up, err := h.NewUpload(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c, err := up.Add(bytes.NewReader([]byte(content)))
			if err != nil {
				t.Fatal(err)
			}
			return h.Submit(
				t.Context(),
				up,
				signing.Submission{
					ClientService:  "a",
					IdempotencyKey: key,
					Contents:       []signing.Content{c},
					Request: signing.Request{
						ExternalReference: "r1",
						Documents: []signing.DocumentRequest{
							{Signature: signing.SignatureInfo{Type: signing.PAdES, Level: signing.LevelB}},
						},
					},
				},
			)
		}
		first, replayed, err := send("k", "one")
		if err != nil || replayed {
			t.Fatalf("first = %v, %v", replayed, err)
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if again, replayed, err := send("k", "one"); err != nil || !replayed || again.ID != first.ID {
					t.Errorf("repeated = %v, %v, %v, want a replay of %v", again.ID, replayed, err, first.ID)
				}
			})
		}
		wg.Wait()
		if _, _, err := send("k", "other"); signing.KindOf(err) != signing.KindKeyReused {
			t.Errorf("same key, other content = %v, want key-reused", err)
		}
		h.check(first.ID, signing.StatusExecuted, "s")
		if h.accounts(true).Sent != 1 {
			t.Error("a repeated request was signed")
		}
	})
}

// TestQueueIsBounded: a full queue answers busy with RetryAfter, and accepts requests again when
// there is room.
func TestQueueIsBounded(t *testing.T) {
	run(t, func(h *harness) { h.cfg.MaxQueuedDocuments = 3 }, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one", "two", "three")
		_, err := h.submit("a", "r2", "four")
		if e := signing.AsError(err); e == nil || e.Kind != signing.KindBusy || e.RetryAfter == 0 {
			t.Errorf("Submit to a full queue = %v, want busy with RetryAfter", err)
		}
		if h.Admit("a") == nil {
			t.Error("Admit lets in what has no room")
		}
		h.check(id, signing.StatusExecuted, "sss")
		h.check(h.mustSubmit("a", "r2", "four"), signing.StatusExecuted, "s")
	})
}

// TestQueueKeepsAnEighth: the backlog of one client service leaves room for the others. No client
// service gets the reserved room twice.
func TestQueueKeepsAnEighth(t *testing.T) {
	run(
		t,
		func(h *harness) { h.cfg.MaxQueuedDocuments, h.provider.latency = 16, time.Minute },
		func(t *testing.T, h *harness) {
			accepted := map[signing.ID]int{h.mustSubmit("a", "r", names(14)...): 14}
			for i, step := range []struct {
				client string
				busy   bool
			}{{"a", true}, {"b", false}, {"a", true}, {"b", false}, {"b", true}, {"c", true}} {
				if err := h.Admit(step.client); (signing.KindOf(err) == signing.KindBusy) != step.busy {
					t.Errorf("Admit(%s) = %v, want busy: %v", step.client, err, step.busy)
				}
				op, err := h.submit(step.client, fmt.Sprint("r", i), "one")
				if (signing.KindOf(err) == signing.KindBusy) != step.busy {
					t.Errorf("Submit of %s = %v, want busy: %v", step.client, err, step.busy)
				}
				if err == nil {
					accepted[op.ID] = 1
				}
			}
			for id, documents := range accepted {
				h.check(id, signing.StatusExecuted, strings.Repeat("s", documents))
			}
			h.check(h.mustSubmit("a", "again", names(15)...), signing.StatusExecuted, strings.Repeat("s", 15))
		},
	)
}

// TestStoppedServiceIsBusy: a stopped service answers busy.
func TestStoppedServiceIsBusy(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.stop()
		if err := h.Admit("a"); signing.KindOf(err) != signing.KindBusy {
			t.Errorf("Admit after stop = %v, want busy", err)
		}
	})
}

// TestWaitEndsWithItsContext: Wait returns the pending operation when its context is done, and the
// operation continues.
func TestWaitEndsWithItsContext(t *testing.T) {
	run(t, func(h *harness) { h.provider.latency = time.Minute }, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		op, err := h.Wait(ctx, id)
		if err != nil || op.Status != signing.StatusPending {
			t.Errorf("Wait = %v, %v, want the pending operation", op.Status, err)
		}
		h.check(id, signing.StatusExecuted, "s") // the operation continued
	})
}

// TestOperationsShareCalls: requests that were sent separately need few remote calls.
func TestOperationsShareCalls(t *testing.T) {
	run(t, func(h *harness) { h.provider.credential.MaxBatch = 100 }, func(t *testing.T, h *harness) {
		var ids []signing.ID
		for _, name := range names(200) {
			ids = append(ids, h.mustSubmit("a", name, name))
		}
		for _, id := range ids {
			h.check(id, signing.StatusExecuted, "s")
		}
		if sizes := h.provider.callSizes(); len(sizes) > 3 {
			t.Errorf("200 requests of one document took calls of %v digests, want 3 calls at most", sizes)
		}
	})
}

// TestCallsInFlightAreBounded: no more calls are in flight, and no call has more digests, than the
// credential allows.
func TestCallsInFlightAreBounded(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", names(100)...)
		h.waitFor(id)
		if h.provider.peak != 2 {
			t.Errorf("%d calls were in flight together, want 2", h.provider.peak)
		}
		for _, n := range h.provider.callSizes() {
			if n > 10 {
				t.Errorf("a call had %d digests, multisign is 10", n)
			}
		}
	})
}

// TestFairness: a large batch does not delay the single document of another client service for
// long.
func TestFairness(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		big := h.mustSubmit("a", "big", names(500)...)
		time.Sleep(time.Second) // fake time: much of the batch is still waiting
		start := time.Now()
		h.check(h.mustSubmit("b", "small", "one"), signing.StatusExecuted, "s")
		if took := time.Since(start); took > 3*h.provider.latency {
			t.Errorf("one document behind a batch took %v of fake time, want a call or two of %v", took, h.provider.latency)
		}
		if op, err := h.Service.Operation(t.Context(), "a", big); err != nil || op.Status.Ended() {
			t.Errorf("the batch = %v, %v: it should still be running", op.Status, err)
		}
		h.waitFor(big)
	})
}

// TestPartialCallLeavesInTime: a call that is not full waits for more digests only while other
// calls of its credential are in flight, and never longer than its limit.
func TestPartialCallLeavesInTime(t *testing.T) {
	run(t, func(h *harness) { h.cfg.Batch.CallTimeout = 2 * time.Hour }, func(t *testing.T, h *harness) {
		calls := func() int { return len(h.provider.callSizes()) - 1 } // without the first call, which is made alone
		h.check(h.mustSubmit("a", "r0", "zero"), signing.StatusExecuted, "s")
		h.provider.latency = time.Hour
		h.mustSubmit("a", "r1", "one")
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if got := calls(); got != 1 {
			t.Fatalf("%d calls after the quiet time, want 1", got)
		}
		h.mustSubmit("a", "r2", "two")
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		if got := calls(); got != 1 {
			t.Errorf("%d calls before the maximum wait, want 1", got)
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if got := calls(); got != 2 {
			t.Errorf("%d calls after the maximum wait, want 2", got)
		}
	})
}

// TestClientsComeBackTogether: when the first of several clients that have shared a call comes
// back, its call waits a little for the others, whatever larger batch was sent in between. A client
// that comes alone does not wait for long.
func TestClientsComeBackTogether(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.credential.MaxBatch, h.provider.latency = 100, 300*time.Millisecond
	}, func(t *testing.T, h *harness) {
		sizes := func(want ...int) {
			t.Helper()
			time.Sleep(5 * time.Second)
			if got := h.provider.callSizes(); !slices.Equal(got, want) {
				t.Fatalf("calls of %v digests, want %v", got, want)
			}
		}
		together := func(round string, gap time.Duration) {
			h.mustSubmit("a", round+"first", "one")
			time.Sleep(gap)
			for _, name := range names(4) {
				h.mustSubmit("a", round+name, name)
			}
		}
		together("1 ", 0)
		sizes(5)
		h.mustSubmit("a", "batch", names(20)...)
		sizes(5, 20)
		together("2 ", 90*time.Millisecond)
		sizes(5, 20, 5)
		for i, most := range []time.Duration{401, 401, 401, 306, 306} { // 5 shared a call, then 3, 2 and 1
			start := time.Now()
			h.check(h.mustSubmit("a", fmt.Sprint("alone ", i), "one"), signing.StatusExecuted, "s")
			if took := time.Since(start); took > most*time.Millisecond {
				t.Errorf("number %d that came alone took %v, want %d ms", i, took, most)
			}
		}
	})
}

// TestStopLetsRunningWorkEnd: a stop waits for running operations within the grace period.
func TestStopLetsRunningWorkEnd(t *testing.T) {
	run(t, func(h *harness) { h.provider.latency = 5 * time.Second }, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one")
		time.Sleep(time.Second)
		h.stop()
		op, err := h.store.Operation(t.Context(), id)
		if err != nil || op.Status != signing.StatusExecuted {
			t.Errorf("after a stop: %v, %v, want EXECUTED", op.Status, err)
		}
	})
}

// TestRestartResumes: the next start resumes what a stop has cut off. The answer of a call that was
// waited for is not lost.
func TestRestartResumes(t *testing.T) {
	run(
		t,
		func(h *harness) { h.cfg.Grace = time.Second; h.provider.latency = 30 * time.Second },
		func(t *testing.T, h *harness) {
			id := h.mustSubmit("a", "r1", names(50)...)
			time.Sleep(10 * time.Second)
			h.stop()
			if op, err := h.store.Operation(t.Context(), id); err != nil || op.Status.Ended() {
				t.Fatalf("after a stop: %v, %v, want it unended", op.Status, err)
			}
			h.start()
			h.check(id, signing.StatusExecuted, string(bytes.Repeat([]byte("s"), 50)))
			h.accounts(true)
			slices.Sort(h.provider.callSizes())
		},
	)
}

// TestStopBeginsWhatIsWaitedFor: a client that waits gets its result although the stop came before
// its operation was started.
func TestStopBeginsWhatIsWaitedFor(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.waiting = true
		var ids []signing.ID
		for _, name := range names(20) {
			ids = append(ids, h.mustSubmit("a", name, name)) // none has been started, because this goroutine has not paused
		}
		h.stop()
		for _, id := range ids {
			if op, err := h.store.Operation(t.Context(), id); err != nil || op.Status != signing.StatusExecuted {
				t.Errorf("after a stop: %v, %v, want EXECUTED", op.Status, err)
			}
		}
	})
}
