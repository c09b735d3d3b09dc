package signing_test

import (
	"testing"
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
			t.Errorf(
				"Wait returned %v after %v, want an operation that has not ended, after the grace period of a second",
				op.Status,
				waited,
			)
		}
		if op := h.waitFor(id); op.Status.Ended() {
			t.Errorf("Wait after the stop = %v, want an operation that has not ended", op.Status)
		}
	})
}
