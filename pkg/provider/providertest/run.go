package providertest

import (
	"context"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Harness gives the suite access to a provider.
type Harness struct {
	// Open returns a working provider. It may be new or shared. Each test calls it once.
	Open func(t *testing.T) signing.Provider
	// Spent returns how many signatures the key has made so far. If it is nil, the suite skips the
	// checks that need this number.
	Spent func() int
	// Free is what Credential.Free must be. Only a provider whose key is on the premises may set it.
	Free bool
}

// check is one rule of the contract. Its function returns an error when the provider breaks the
// rule.
type check struct {
	name string
	run  func(ctx context.Context, p signing.Provider, spent func() int) error
}

// checks are the rules of signing.Provider, one by one.
var checks = []check{
	{"credential", checkCredential},
	{"one digest", checkOne},
	{"full batch in order", checkBatch},
	{"equal digests", checkEqualDigests},
	{"caller's digests untouched", checkUntouched},
	{"wrong calls spend nothing", checkWrongCalls},
	{"cancelled before the call", checkCancelledBefore},
	{"cancelled during the call", checkCancelledDuring},
	{"concurrent calls", checkConcurrent},
	{"resume", checkResume},
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Run("free", func(t *testing.T) {
		c, err := h.Open(t).Credential(t.Context())
		if err != nil || c.Free != h.Free {
			t.Errorf("Credential = %+v, %v, want Free = %v", c, err, h.Free)
		}
	})
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if err := c.run(t.Context(), h.Open(t), h.Spent); err != nil {
				t.Error(err)
			}
		})
	}
}
