package keyhome_test

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

// TestJoinsAfterItLeft lets instance 1 leave for good and come back, while instances 0 and 2 join
// too. Instance 1 creates an operation before any of them is a member. Instance 0 knew that the
// earlier instance 1 has left. It does not decide about the keys of the one that came back.
func TestJoinsAfterItLeft(t *testing.T) {
	ctx := t.Context()
	for omit, creates := range map[keyhome.Rules]bool{0: false, keyhome.RuleReturned: true} {
		create := func(cfg keyhome.Config) *keyhome.Home { return keyhome.NewWithout(cfg, omit) }
		f, err := keyhometest.NewFleet(ctx, 3, create)
		if err != nil {
			t.Fatal(err)
		}
		start := func(o int) {
			t.Helper()
			f.Down[o] = false
			if err := f.Homes[o].Start(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Stop(ctx, 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Homes[1].Leave(ctx, true); err != nil {
			t.Fatal(err)
		}
		start(0)
		fetches := 0
		f.Watch = func(m keyhome.Message) { // instance 2 says that instance 1 has left, and then crashes
			if m.From == 0 && m.Kind == keyhome.KindFetch {
				fetches++
				f.Down[2] = fetches > 2
			}
		}
		_ = f.Homes[0].Tick(ctx) // it joins, because its heir has left for good, and waits for instance 2
		f.Watch = nil
		start(1)
		f.Lose(2)
		start(2)

		key := keyWithRanks(t, 1, 0)
		hold, err := f.Homes[1].Acquire(ctx, key, keyhome.Fingerprint{})
		if err != nil || hold.Outcome != keyhome.Create || !hold.AskAll {
			t.Fatalf("instance 1: %+v, %v, want a claim after all were asked", hold, err)
		}
		if granted, err := hold.AskedAll(ctx); err != nil || !granted {
			t.Fatalf("AskedAll = %t, %v", granted, err)
		}
		hold.Done(ctx, true)

		for range 2 {
			_ = f.Homes[0].Tick(ctx) // it says what it waits for
		}
		if !f.Homes[0].Ready() {
			t.Errorf("without %d: instance 0 is not a member", omit)
		}
		hold, err = f.Homes[0].Acquire(ctx, key, keyhome.Fingerprint{})
		if err != nil || (hold.Outcome == keyhome.Create) != creates {
			t.Errorf("without %d: instance 0: %+v, %v, want that it creates a second operation: %t", omit, hold, err, creates)
		}
		hold.Done(ctx, false)
	}
}
