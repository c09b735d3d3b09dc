package keyhome_test

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

// TestAsksOldWayNoLongerThanNeeded checks that an instance asks all others in the old way while one
// is of a release without key homes, and not after that one was upgraded, although no key of this
// instance has it as its home.
func TestAsksOldWayNoLongerThanNeeded(t *testing.T) {
	f := newFleetWithout(t, 3, 0)
	legacyHome, otherHome := keyWithRanks(t, 2, 1), keyWithRanks(t, 0, 1)
	asksAll := func(k keyhome.Key) bool {
		t.Helper()
		hold, err := f.Homes[0].Acquire(t.Context(), k, keyhome.Fingerprint{})
		if err != nil {
			t.Fatal(err)
		}
		hold.Done(t.Context(), false)
		return hold.AskAll
	}
	f.Legacy[2] = true
	asksAll(legacyHome) // it notices
	if !asksAll(otherHome) {
		t.Error("a key is not asked for in the old way, although instance 2 knows no key homes")
	}
	f.Legacy[2] = false
	if err := f.Homes[0].Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if asksAll(otherHome) {
		t.Error("a key is asked for in the old way after the upgrade")
	}
}
