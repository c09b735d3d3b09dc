package signing_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestNoSignatureWithoutATimestamp: while no authority gives timestamps, no signature is spent on
// documents that need one. Other documents are signed. When an authority is available again, the
// waiting documents are signed too.
func TestNoSignatureWithoutATimestamp(t *testing.T) {
	var down atomic.Bool
	run(t, func(h *harness) {
		h.cfg.TimestampReady = func(context.Context) error {
			if down.Load() {
				return noTimestamp()
			}
			return nil
		}
	}, func(t *testing.T, h *harness) {
		down.Store(true)
		h.level = signing.LevelT
		stamped := h.mustSubmit("a", "r1", "one", "two")
		h.level = signing.LevelB
		h.check(h.mustSubmit("a", "r2", "three"), signing.StatusExecuted, "s")
		time.Sleep(30 * time.Second)
		if op, err := h.store.Operation(t.Context(), stamped); err != nil || op.Status != signing.StatusRetrying {
			t.Errorf("operation = %+v, %v, want a retry planned", op, err)
		}
		if got := h.checkCounters(true); got.Sent != 1 {
			t.Errorf("counters = %+v, want only the document without a timestamp sent", got)
		}
		down.Store(false)
		h.check(stamped, signing.StatusExecuted, "ss")

		down.Store(true)
		h.level = signing.LevelLTA
		docs := h.check(h.mustSubmit("a", "r3", "four"), signing.StatusFailed, "f")
		if f := docs[0].Failure; f.Kind != signing.KindTimestamp {
			t.Errorf("failure = %+v, want the timestamp's", f)
		}
		if got := h.checkCounters(true); got.Sent != 3 {
			t.Errorf("counters = %+v, want three sent in all", got)
		}
	})
}
