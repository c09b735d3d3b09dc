package signing_test

import (
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestRestartAfterClockWasAhead: a restart does not wait for a next try that was planned while the
// clock was ahead.
func TestRestartAfterClockWasAhead(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.Deadline = time.Hour
		h.provider.answer = func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
			if call == 0 {
				return nil, busy()
			}
			return values, nil
		}
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one")
		time.Sleep(time.Second) // fake time
		h.stop()
		change := signing.StatusChange{Status: signing.StatusRetrying, Tries: 1, NextTry: time.Now().AddDate(1, 0, 0)}
		if err := h.store.SetStatus(t.Context(), id, signing.StatusRetrying, change); err != nil {
			t.Fatal(err)
		}
		h.start()
		h.check(id, signing.StatusExecuted, "s")
	})
}
