package keyhome_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

// keyRanking returns a key for which the instances rank in that order.
func keyRanking(t *testing.T, f *keyhometest.Fleet, first, second int) keyhome.Key {
	t.Helper()
	if len(f.Homes) != 3 {
		t.Fatal("the order of two instances decides that of three only")
	}
	return keyWithRanks(t, first, second)
}

// TestHeirDeclines checks that a hand-over is repeated without an heir that has stopped, or has
// lost its folder, after it was chosen. Otherwise no instance acts for the keys of this heir.
func TestHeirDeclines(t *testing.T) {
	stops := func(t *testing.T, f *keyhometest.Fleet) {
		if err := f.Homes[1].Leave(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	loses := func(t *testing.T, f *keyhometest.Fleet) {
		f.Lose(1)
		if err := f.Homes[1].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		heir func(*testing.T, *keyhometest.Fleet)
		omit keyhome.Rules
		told int // instances that get the last message in the end
	}{
		{"stops", stops, 0, 1},
		{"stops, without the rule", stops, keyhome.RuleAllHeirs, 2},
		{"lost its folder", loses, 0, 1},
		{"lost its folder, without the rule", loses, keyhome.RuleAllHeirs, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFleetWithout(t, 3, c.omit)
			k := keyRanking(t, f, 2, 1)
			heirs := 0
			f.Watch = func(m keyhome.Message) {
				if m.Kind != keyhome.KindHandOver || !m.Last || m.From != 2 {
					return
				}
				if heirs == 0 {
					heirs = -1 // the hand-over of the heir calls this function too
					c.heir(t, f)
				}
				heirs = len(m.Heirs)
			}
			if err := f.Homes[2].Leave(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if heirs != c.told {
				t.Errorf("the last message names %d heirs, want %d", heirs, c.told)
			}
			want := keyhome.NotHome // an instance that lost its folder must join before it or another acts
			if c.name == "stops" {
				want = keyhome.Granted
			}
			if got := answerOf(t, f, 0, k); got != want {
				t.Errorf("answer of the instance that is left = %q, want %q", got, want)
			}
		})
	}
}

// TestWaitsForHeir checks that an instance that leaves waits for a peer that has not fetched its
// claims back yet, because this peer is the only heir.
func TestWaitsForHeir(t *testing.T) {
	f := newFleetWithout(t, 2, 0)
	if err := f.Stop(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	f.Down[1] = false
	if err := f.Homes[1].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked := 0
	f.Watch = func(m keyhome.Message) {
		if m.Kind == keyhome.KindHandOver && m.From == 0 {
			if asked++; asked == 3 {
				if err := f.Homes[1].Tick(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if err := f.Homes[0].Leave(t.Context(), false); err != nil {
		t.Errorf("Leave = %v, want nil because the other instance is back", err)
	}
}

// TestStopAtTheEndOfJoining checks that a stop waits until an instance that tells members that it
// acts has told all of them, and then hands over. Otherwise they would wait for it.
func TestStopAtTheEndOfJoining(t *testing.T) {
	f := newFleetWithout(t, 3, 0)
	f.Lose(2)
	if err := f.Homes[2].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	f.Watch = func(m keyhome.Message) {
		if m.From == 2 && m.Kind == keyhome.KindFetch && m.Commit {
			if err := f.Homes[2].Leave(impatient, false); !errors.Is(err, context.Canceled) {
				t.Errorf("Leave while members are told = %v, want it to wait", err)
			}
		}
	}
	if err := f.Homes[2].Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Homes[2].Leave(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got := f.Homes[2].State().Standing; got != keyhome.Out {
		t.Errorf("standing after the stop = %q, want out", got)
	}
	if got := answerOf(t, f, 1, keyRanking(t, f, 2, 1)); got != keyhome.Granted {
		t.Errorf("answer of the heir = %q, want granted", got)
	}
}

// TestReleaseAtSuccessor checks that a claim is released although its home has left since, so that
// another instance can claim the key.
func TestReleaseAtSuccessor(t *testing.T) {
	f := newFleetWithout(t, 3, 0)
	k := keyRanking(t, f, 0, 1)
	hold, err := f.Homes[2].Acquire(t.Context(), k, keyhome.Fingerprint{})
	if err != nil || hold.Outcome != keyhome.Create {
		t.Fatalf("Acquire = %+v, %v, want create", hold.Decision, err)
	}
	if err := f.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	hold.Done(t.Context(), false)
	hold, err = f.Homes[1].Acquire(t.Context(), k, keyhome.Fingerprint{})
	if err != nil || hold.Outcome != keyhome.Create {
		t.Errorf("Acquire after the release = %+v, %v, want create", hold.Decision, err)
	}
}

// TestExpiryOfRemovedOwner checks that the claim of an owner that was removed stays for 15 seconds
// after its expiry, because the owner may be back with the operation before this instance knows.
func TestExpiryOfRemovedOwner(t *testing.T) {
	for omit, stays := range map[keyhome.Rules]bool{0: true, keyhome.RuleExpireLate: false} {
		view := keyhome.View{Known: true, Expected: 3}
		f, err := keyhometest.NewFleet(t.Context(), 3, func(cfg keyhome.Config) *keyhome.Home {
			cfg.View, cfg.Lifetime = func() keyhome.View { return view }, time.Minute
			return keyhome.NewWithout(cfg, omit)
		})
		if err != nil {
			t.Fatal(err)
		}
		k := keyRanking(t, f, 0, 1)
		hold, err := f.Homes[2].Acquire(t.Context(), k, keyhome.Fingerprint{})
		if err != nil {
			t.Fatal(err)
		}
		hold.Done(t.Context(), true)
		f.Down[2] = true
		view = keyhome.View{Known: true, Expected: 2, Listed: []int{0, 1}}
		for _, c := range []struct {
			pass time.Duration
			want bool
		}{{time.Minute + 5*time.Second, stays}, {15 * time.Second, false}} {
			f.Now = f.Now.Add(c.pass)
			_ = f.Homes[0].Tick(t.Context())
			if _, got, err := f.Tables[0].Get(t.Context(), k); got != c.want || err != nil {
				t.Errorf("with rules %v taken out, at %v: the claim is left = %v, %v, want %v", omit, f.Now, got, err, c.want)
			}
		}
	}
}

// TestLearnsOfDeparture checks that an instance that returns hears from the others that a peer has
// left for good meanwhile, and takes over from it without waiting until the directory says so.
func TestLearnsOfDeparture(t *testing.T) {
	for omit, want := range map[keyhome.Rules]keyhome.Answer{0: keyhome.Granted, keyhome.RuleRemoved: keyhome.NotHome} {
		f := newFleetWithout(t, 3, omit)
		f.Watch = func(m keyhome.Message) {
			if m.From == 1 && m.Last {
				f.Watch = nil
				if err := f.Homes[2].Leave(t.Context(), false); err != nil { // instance 1 declines to be its heir
					t.Fatal(err)
				}
			}
		}
		if err := f.Homes[1].Leave(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		f.Down[1] = true
		if err := f.Homes[2].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = f.Homes[2].Tick(t.Context())
		if got := answerOf(t, f, 2, keyRanking(t, f, 1, 2)); got != want {
			t.Errorf("answer after the return with rules %v taken out = %q, want %q", omit, got, want)
		}
	}
}
