package signing_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

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

// TestPartialCallIsSentInTime: a call that is not full waits for more digests only while other
// calls of its credential are in flight, and never longer than its limit.
func TestPartialCallIsSentInTime(t *testing.T) {
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

// TestMergeOfNextRequests: when the first of several clients that have shared a call sends its next
// request, the call waits a little for the others, also after a larger batch was sent in between.
// The request of a client that comes alone does not wait for long.
func TestMergeOfNextRequests(t *testing.T) {
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
				t.Errorf("request %d that came alone took %v, want at most %d ms", i, took, most)
			}
		}
	})
}
