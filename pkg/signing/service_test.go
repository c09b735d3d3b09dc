package signing_test

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestOperationIsSigned: every document of an operation is signed, each signature is counted, and
// nothing is left in the queue.
func TestOperationIsSigned(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one", "two", "three")
		h.check(id, signing.StatusExecuted, "sss")
		if c := h.checkCounters(true); c.Sent != 3 || c.Returned != 3 {
			t.Errorf("counters = %+v, want 3 sent and returned", c)
		}
		if st := h.Stats(); st.QueuedDocuments != 0 || st.ActiveOperations != 0 || st.OldestQueued != 0 {
			t.Errorf("Stats = %+v, want nothing queued", st)
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

// TestOperationOfOtherClientService: a client service cannot find an operation of another one.
func TestOperationOfOtherClientService(t *testing.T) {
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
