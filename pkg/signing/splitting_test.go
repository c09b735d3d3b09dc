package signing_test

import (
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestRefusedCallIsSplit: when a service refuses a call because of a few digests, only their
// documents fail.
func TestRefusedCallIsSplit(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.credential.MaxBatch = 64
		h.provider.answer = func(_ int, c signing.Call, values [][]byte) ([][]byte, error) {
			for _, d := range c.Digests {
				if d[0] == 0x9f { // it does not matter which document this is
					return nil, signing.Errorf(signing.KindProvider, "the signing service refused the request")
				}
			}
			return values, nil
		}
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", names(200)...)
		h.waitFor(id)
		docs, err := h.Documents(t.Context(), id, 0, 200)
		if err != nil {
			t.Fatal(err)
		}
		failed := 0
		for _, d := range docs {
			if d.State == signing.DocumentFailed {
				failed++
			} else {
				h.verify(d)
			}
		}
		if failed == 0 || failed > 4 {
			t.Errorf("%d documents failed, want the few with the refused digest", failed)
		}
		h.checkCounters(true)
	})
}

// TestRefusedCredentialsAreNotSplit: a call that was refused because of the credentials is not
// split, because more calls would only block the account.
func TestRefusedCredentialsAreNotSplit(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.answer = failAlways(signing.Errorf(signing.KindProviderCredentials, "the signing service refused the PIN"))
	}, func(t *testing.T, h *harness) {
		h.check(h.mustSubmit("a", "r1", names(10)...), signing.StatusFailed, "ffffffffff")
		if got := h.provider.callSizes(); len(got) != 1 {
			t.Errorf("calls of %v digests, want one of 10", got)
		}
	})
}

// TestSplittingIsBounded: the search for a bad digest ends when the refusals are not about a
// digest.
func TestSplittingIsBounded(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.credential.MaxBatch = 100
		h.provider.answer = failAlways(signing.Errorf(signing.KindProvider, "the signing service refused the request"))
	}, func(t *testing.T, h *harness) {
		h.check(h.mustSubmit("a", "r1", names(64)...), signing.StatusFailed, strings.Repeat("f", 64))
		if n := len(h.provider.callSizes()); n != 10 {
			t.Errorf("%d calls, want 10", n)
		}
	})
}
