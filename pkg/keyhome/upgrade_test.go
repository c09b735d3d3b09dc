package keyhome_test

import (
	"fmt"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
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

// TestClaimsDuringUpgrade checks that no key is refused while several instances understand key
// homes and another does not yet, so that no instance is a member. A repetition at another instance
// goes to the first one.
func TestClaimsDuringUpgrade(t *testing.T) {
	ctx := t.Context()
	f, err := keyhometest.NewFleet(ctx, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	for o := range f.Homes {
		f.Lose(o) // as if no instance had ever been a member
	}
	f.Legacy[2] = true
	upgraded := f.Homes[:2]
	for _, h := range upgraded {
		if err := h.Start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		for _, h := range upgraded {
			if err := h.Tick(ctx); err == nil || h.Ready() {
				t.Errorf("Tick = %v, ready = %v, want that it waits for instance 2", err, h.Ready())
			}
		}
	}
	for i := range 20 {
		key := keyhome.KeyOf("c", fmt.Sprint(i))
		hold, err := upgraded[i%2].Acquire(ctx, key, keyhome.Fingerprint{})
		if err != nil || hold.Outcome != keyhome.Create || !hold.AskAll {
			t.Fatalf("Acquire of key %d = %+v, %v, want that all instances are asked", i, hold, err)
		}
		if ok, err := hold.AskedAll(ctx); err != nil || !ok {
			t.Errorf("AskedAll of key %d = %v, %v", i, ok, err)
		}
		hold.Done(ctx, true)
	}
	for _, h := range upgraded {
		_ = h.Tick(ctx) // it fetches the claims of the other one, and still waits
	}
	for i := range 20 {
		hold, err := upgraded[1-i%2].Acquire(ctx, keyhome.KeyOf("c", fmt.Sprint(i)), keyhome.Fingerprint{})
		if err != nil || hold.Outcome != keyhome.Forward || hold.Owner != i%2 {
			t.Fatalf("Acquire of a repetition of key %d = %+v, %v, want it forwarded to %d", i, hold, err, i%2)
		}
		hold.Done(ctx, false)
	}
}
