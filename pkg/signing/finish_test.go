package signing_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// lastStop is why operations fail that a process which is not started again cannot end.
var lastStop = signing.Errorf(signing.KindBusy, "this instance was removed")

// TestFinishEndsAllOperations: after Finish a stop works on all accepted operations, also on those
// that were not started and those that wait for their next attempt. It takes longer than the grace
// period, and accepts nothing new. Finish may come before the stop and in the middle of it.
func TestFinishEndsAllOperations(t *testing.T) {
	for name, late := range map[string]bool{"before the stop": false, "in the middle": true} {
		t.Run(name, func(t *testing.T) {
			run(t, func(h *harness) {
				h.cfg.Grace = time.Hour
				h.cfg.Backoff = time.Minute
				h.provider.latency = 10 * time.Second
				h.provider.answer = failFirst(1, signing.Errorf(signing.KindProvider, "down").Retryable(0))
			}, func(t *testing.T, h *harness) {
				ids := []signing.ID{h.mustSubmit("a", "fails at first", "one")}
				time.Sleep(20 * time.Second) // it waits for its second attempt
				ids = append(ids, h.mustSubmit("a", "running", "two"))
				time.Sleep(time.Second)
				ids = append(ids, h.mustSubmit("a", "not started", "three"))
				if !late {
					h.Finish(4*time.Hour, lastStop)
				}
				stopped := make(chan struct{})
				go func() {
					h.stop()
					close(stopped)
				}()
				synctest.Wait()
				if late {
					h.Finish(4*time.Hour, lastStop)
				}
				if _, err := h.submit("a", "new", "four"); signing.KindOf(err) != signing.KindBusy {
					t.Errorf("Submit during the stop = %v, want busy", err)
				}
				<-stopped
				for _, id := range ids {
					h.check(id, signing.StatusExecuted, "s")
				}
				if st := h.Stats(); st.QueuedDocuments != 0 {
					t.Errorf("%d documents are queued after the stop, want none", st.QueuedDocuments)
				}
			})
		})
	}
}

// TestFinishFailsTheRest: operations that have not ended when the time of Finish is over fail with
// its reason, and clients that wait for them get it. A call in flight goes on and is counted. The
// next start has nothing left to do.
func TestFinishFailsTheRest(t *testing.T) {
	run(t, func(h *harness) { h.provider.latency = time.Minute }, func(t *testing.T, h *harness) {
		sent := h.mustSubmit("a", "sent", names(3)...)
		time.Sleep(time.Second)
		waiting := h.mustSubmit("b", "not started", "document")
		waited := make(chan signing.Operation, 1)
		go func() { waited <- h.waitFor(waiting) }()
		h.Finish(10*time.Second, lastStop)
		began := time.Now()
		stopped := make(chan struct{})
		go func() {
			h.stop()
			close(stopped)
		}()
		if op := <-waited; op.Status != signing.StatusFailed {
			t.Errorf("Wait = %v, want %v", op.Status, signing.StatusFailed)
		}
		if took := time.Since(began); took > 20*time.Second { // of the bubble
			t.Errorf("the operations failed after %v, want the time of Finish", took)
		}
		<-stopped
		for id, want := range map[signing.ID]string{sent: "fff", waiting: "f"} {
			for _, d := range h.check(id, signing.StatusFailed, want) {
				if d.Failure == nil || !strings.Contains(d.Failure.Detail, "removed") {
					t.Errorf("document %d failed because of %+v, want the reason of Finish", d.Index, d.Failure)
				}
			}
		}
		h.checkCounters(true)
		if st := h.Stats(); st.QueuedDocuments != 0 {
			t.Errorf("%d documents are queued after the stop, want none", st.QueuedDocuments)
		}
		h.start()
		synctest.Wait()
		if left, err := h.store.Unfinished(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("Unfinished = %v, %v, want none", left, err)
		}
	})
}

// TestFinishAfterTheStop: after the stop, Finish changes nothing.
func TestFinishAfterTheStop(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.Grace, h.provider.latency = time.Second, time.Minute
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r", "document")
		time.Sleep(time.Second)
		h.stop()
		h.Finish(time.Hour, lastStop)
		if op, err := h.store.Operation(t.Context(), id); err != nil || op.Status.Ended() {
			t.Errorf("after the stop: %v, %v, want an operation that has not ended", op.Status, err)
		}
	})
}

// TestFinishEmbedsPaidSignatures: at the end of the time of Finish, documents whose signature
// values exist are still embedded.
func TestFinishEmbedsPaidSignatures(t *testing.T) {
	var reachable atomic.Bool // whether the timestamp authority is
	run(t, func(h *harness) {
		h.format.embed = func([]byte) error {
			if reachable.Load() {
				return nil
			}
			return noTimestamp()
		}
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r", "document")
		time.Sleep(time.Second) // it waits for its second attempt
		reachable.Store(true)
		h.Finish(10*time.Second, lastStop)
		h.stop()
		h.check(id, signing.StatusExecuted, "s")
	})
}
