package signing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// TestValuesWaitForRoom: values that cannot be stored for hours stay in memory and are stored when
// there is room. Nothing is signed a second time.
func TestValuesWaitForRoom(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.memory.Inject(failWrites("EndCall"))
		id := h.mustSubmit("a", "r1", names(20)...)
		other := h.mustSubmit("b", "r2", names(5)...)
		time.Sleep(5 * time.Hour)
		if got := h.Stats().UnstoredValues; got == 0 || got != h.provider.made {
			t.Errorf("%d values wait to be stored, want all %d that were made", got, h.provider.made)
		}
		h.memory.Inject(nil)
		h.check(id, signing.StatusExecuted, strings.Repeat("s", 20))
		h.check(other, signing.StatusExecuted, strings.Repeat("s", 5))
		if c := h.checkCounters(true); c.Unknown != 0 || h.provider.made != 25 {
			t.Errorf("%d signatures were made, counters %+v, want 25 and none unknown", h.provider.made, c)
		}
		if got := h.Stats().UnstoredValues; got != 0 {
			t.Errorf("%d values still wait to be stored", got)
		}
	})
}

// TestValuesMisreported: a value that was stored although the store reported an error is used,
// and is not stored twice.
func TestValuesMisreported(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.memory.FailNext("EndCall", 1, storetest.Misreported)
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusExecuted, "s")
		if c := h.checkCounters(true); c.Returned != 1 {
			t.Errorf("counters = %+v, want one value returned", c)
		}
	})
}

// TestValuesAreCountedAfterStop: a stop does not wait without end for values that cannot be stored.
// The next start counts them as unknown.
func TestValuesAreCountedAfterStop(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.memory.Inject(failWrites("EndCall"))
		id := h.mustSubmit("a", "r1", "one", "two")
		time.Sleep(time.Minute)
		h.stop()
		h.memory.Inject(nil)
		h.start()
		h.check(id, signing.StatusExecuted, "ss")
		if c := h.checkCounters(false); c.Unknown != 2 || c.Returned != 2 {
			t.Errorf("counters = %+v, want two unknown and two returned", c)
		}
	})
}
