package signing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

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
			t.Error("Admit accepts a request for which there is no room")
		}
		h.check(id, signing.StatusExecuted, "sss")
		h.check(h.mustSubmit("a", "r2", "four"), signing.StatusExecuted, "s")
	})
}

// TestQueueReservesAnEighth: the backlog of one client service leaves room for the others. No
// client service gets the reserved room twice.
func TestQueueReservesAnEighth(t *testing.T) {
	run(t, func(h *harness) {
		h.cfg.MaxQueuedDocuments, h.provider.latency = 16, time.Minute
	}, func(t *testing.T, h *harness) {
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
	})
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
