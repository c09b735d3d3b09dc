package signing_test

import (
	"fmt"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// renewedToken is a refusal because a token had expired.
func renewedToken(unknown bool) error {
	err := signing.Errorf(
		signing.KindProviderCredentials,
		"token ended",
	).Because(
		fmt.Errorf("status 401: %w", signing.ErrRenewed),
	)
	err.Unknown = unknown
	return err
}

// TestRenewedCallsAreCounted: a call that was refused because a token or activation data had
// expired is made again at once and uses up no try. Each of the calls is in the counters. A call
// that may have signed is not made again at once.
func TestRenewedCallsAreCounted(t *testing.T) {
	for _, c := range []struct {
		name     string
		refusals int
		unknown  bool
		status   signing.Status
		want     signing.Counters
	}{
		{"one", 1, false, signing.StatusExecuted, signing.Counters{Sent: 2, Refused: 1, Returned: 1}},
		{"two", 2, false, signing.StatusExecuted, signing.Counters{Sent: 3, Refused: 2, Returned: 1}},
		{"three", 3, false, signing.StatusFailed, signing.Counters{Sent: 3, Refused: 3}},
		{"one that may have signed", 1, true, signing.StatusExecuted, signing.Counters{Sent: 2, Unknown: 1, Returned: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(h *harness) {
				h.provider.answer = func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
					if call < c.refusals {
						return nil, renewedToken(c.unknown)
					}
					return values, nil
				}
			}, func(t *testing.T, h *harness) {
				op := h.waitFor(h.mustSubmit("a", "r1", "one"))
				if tries := op.Tries > 0; op.Status != c.status || tries != c.unknown {
					t.Errorf("operation = %+v, want %s, another try: %v", op, c.status, c.unknown)
				}
				if got := h.accounts(!c.unknown); got != c.want {
					t.Errorf("counters = %+v, want %+v", got, c.want)
				}
			})
		})
	}
}
