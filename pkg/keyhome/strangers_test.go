package keyhome_test

import (
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

// TestJoinsWithStrangers checks that an instance does not become a member alone after another one
// has asked it about a key that its own list of instances does not show yet. The other one has
// created an operation, because no instance was a member.
func TestJoinsWithStrangers(t *testing.T) {
	for omit, want := range map[keyhome.Rules]keyhome.Outcome{
		0:                     keyhome.Forward,
		keyhome.RuleStrangers: keyhome.Create,
	} {
		homes := make(direct, 2)
		for i := range homes {
			view := keyhome.View{Known: true, Expected: i + 1} // that of instance 0 is old
			homes[i] = keyhome.NewWithout(keyhome.Config{
				Ordinal: i, Table: keyhometest.NewMemory(string(rune('a' + i))), Transport: homes, Holdings: noHoldings{},
				View: func() keyhome.View { return view }, Clock: realClock{}, Lifetime: time.Hour,
			}, omit)
			if err := homes[i].Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		key := keyhome.KeyOf("client", "key")
		first, err := homes[1].Acquire(t.Context(), key, keyhome.Fingerprint{})
		if err != nil || first.Outcome != keyhome.Create {
			t.Fatalf("first: %+v, %v, want a claim", first, err)
		}
		if ok, err := first.AskedAll(t.Context()); err != nil || !ok {
			t.Fatalf("AskedAll = %v, %v", ok, err)
		}
		first.Done(t.Context(), true)
		if err := homes[0].Tick(t.Context()); err != nil || !homes[0].Ready() {
			t.Errorf("Tick = %v, ready = %v, want a member", err, homes[0].Ready())
		}
		second, err := homes[0].Acquire(t.Context(), key, keyhome.Fingerprint{})
		if err != nil || second.Outcome != want {
			t.Errorf("repetition with rules %v taken out: %+v, %v, want %q", omit, second, err, want)
		}
		second.Done(t.Context(), false)
	}
}
