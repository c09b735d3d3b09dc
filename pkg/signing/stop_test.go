package signing_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestStopWakesWaiters: a stop answers clients that wait for an operation which only the next
// process can end.
func TestStopWakesWaiters(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.Grace = time.Second
		h.provider.latency = time.Hour
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("client", "slow", "document")
		answered := make(chan signing.Operation, 1)
		began := time.Now()
		var waited time.Duration
		go func() {
			op := h.waitFor(id)
			waited = time.Since(began)
			answered <- op
		}()
		time.Sleep(time.Millisecond)
		h.stop()
		if op := <-answered; op.Status.Ended() || waited > 2*time.Second {
			t.Errorf("Wait returned %v after %v, want an operation that has not ended after one second", op.Status, waited)
		}
		if op := h.waitFor(id); op.Status.Ended() {
			t.Errorf("Wait after the stop = %v, want an operation that has not ended", op.Status)
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

// strictStore is a store that returns an error when the context of its caller is done.
type strictStore struct{ signing.Store }

// Operation implements signing.Records.
func (a strictStore) Operation(ctx context.Context, id signing.ID) (signing.Operation, error) {
	if err := ctx.Err(); err != nil {
		return signing.Operation{}, err
	}
	return a.Store.Operation(ctx, id)
}

// TestWaitOfOtherCallersContinues: Wait returns the current state when its context is done, even
// from the start. The other callers of Wait keep waiting.
func TestWaitOfOtherCallersContinues(t *testing.T) {
	run(t, func(h *harness) { h.store = strictStore{h.store} }, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one")
		ended := make(chan signing.Operation)
		go func() { ended <- h.waitFor(id) }()
		synctest.Wait()
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if op, err := h.Wait(done, id); err != nil || op.Status != signing.StatusPending {
			t.Errorf("Wait with a context that is done = %v, %v, want it pending", op.Status, err)
		}
		if op := <-ended; op.Status != signing.StatusExecuted {
			t.Errorf("Wait = %v, want EXECUTED", op.Status)
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

// TestRestartContinues: the next start continues the operations that a stop has interrupted. The
// answer of a call in flight is not lost.
func TestRestartContinues(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.Grace, h.provider.latency = time.Second, 30*time.Second
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", names(50)...)
		time.Sleep(10 * time.Second)
		h.stop()
		if op, err := h.store.Operation(t.Context(), id); err != nil || op.Status.Ended() {
			t.Fatalf("after a stop: %v, %v, want an operation that has not ended", op.Status, err)
		}
		h.start()
		h.check(id, signing.StatusExecuted, strings.Repeat("s", 50))
		h.checkCounters(true)
	})
}

// TestStopStartsOperationsWithWaitingClient: a client that waits gets its result although the stop
// came before its operation was started.
func TestStopStartsOperationsWithWaitingClient(t *testing.T) {
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

// TestStopDuringBackoff: a stop does not wait for the back-off of a credential.
func TestStopDuringBackoff(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.Grace = time.Second
		h.provider.answer = failAlways(tooMany(50 * time.Second))
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
