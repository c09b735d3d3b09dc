package keyhome_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

// newFleetWithout returns members that do not follow some rules.
func newFleetWithout(t *testing.T, n int, omit keyhome.Rules) *keyhometest.Fleet {
	t.Helper()
	create := func(cfg keyhome.Config) *keyhome.Home { return keyhome.NewWithout(cfg, omit) }
	f, err := keyhometest.NewFleet(t.Context(), n, create)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// keyWithRanks returns a key for which the instances rank in that order.
func keyWithRanks(t *testing.T, first, second int) keyhome.Key {
	t.Helper()
	for i := range 1000 {
		k := keyhome.KeyOf("client", fmt.Sprint("ranked ", i))
		if a, b := keyhome.Homes(k, 3); a == first && b == second {
			return k
		}
	}
	t.Fatal("no key has these ranks")
	return keyhome.Key{}
}

// keysWithFirst returns keys whose first home among three instances is that one.
func keysWithFirst(first, count int) (keys []keyhome.Key) {
	for i := 0; len(keys) < count; i++ {
		k := keyhome.KeyOf("client", fmt.Sprint("first ", i))
		if a, _ := keyhome.Homes(k, 3); a == first {
			keys = append(keys, k)
		}
	}
	return keys
}

// answerOf returns what an instance answers to a claim.
func answerOf(t *testing.T, f *keyhometest.Fleet, at int, k keyhome.Key) keyhome.Answer {
	t.Helper()
	claim := keyhome.Claim{Key: k, Owner: at, Attempt: 1}
	r, err := f.Homes[at].Handle(t.Context(), keyhome.Message{Kind: keyhome.KindClaim, From: at, Claim: claim})
	if err != nil {
		t.Fatal(err)
	}
	return r.Answer
}

// handOver sends the last message of a hand-over and returns the answer.
func handOver(t *testing.T, f *keyhometest.Fleet, to int, m keyhome.Message) keyhome.Answer {
	t.Helper()
	m.Kind, m.Last = keyhome.KindHandOver, true
	r, err := f.Homes[to].Handle(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return r.Answer
}

// TestStopsActing checks that an instance grants claims while it sends the claims that it has to
// its heirs, and none while it sends the claims of the time in between, because a further claim
// would not be among them.
func TestStopsActing(t *testing.T) {
	for omit, want := range map[keyhome.Rules]keyhome.Answer{0: keyhome.NotHome, keyhome.RuleStopActing: keyhome.Granted} {
		f := newFleetWithout(t, 3, omit)
		keys := keysWithFirst(0, 3)
		answerOf(t, f, 0, keys[0])
		var early, got keyhome.Answer
		f.Watch = func(m keyhome.Message) {
			switch {
			case m.Kind == keyhome.KindHandOver && len(m.Claims) > 0 && early == "":
				early = answerOf(t, f, 0, keys[1])
			case m.Kind == keyhome.KindHandOver && len(m.Claims) > 0 && got == "":
				got = answerOf(t, f, 0, keys[2])
			}
		}
		if err := f.Homes[0].Leave(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if early != keyhome.Granted {
			t.Errorf("answer while the first claims are sent = %q, want granted", early)
		}
		if got != want {
			t.Errorf("answer while the last claims are sent = %q with rules %v taken out, want %q", got, omit, want)
		}
	}
}

// TestStopWhileJoining checks that an instance that is stopped before it is a member does not
// become one, because it has handed nothing over when it ends.
func TestStopWhileJoining(t *testing.T) {
	standings := map[keyhome.Rules]keyhome.Standing{0: keyhome.Joining, keyhome.RuleStopJoining: keyhome.In}
	for omit, want := range standings {
		f := newFleetWithout(t, 2, omit)
		f.Lose(1)
		if err := errors.Join(f.Homes[1].Start(t.Context()), f.Homes[1].Leave(t.Context(), true)); err != nil {
			t.Fatal(err)
		}
		_ = f.Homes[1].Tick(t.Context())
		if got := f.Homes[1].State().Standing; got != want {
			t.Errorf("standing after the stop = %q with rules %v taken out, want %q", got, omit, want)
		}
	}
}

// TestPassedOn checks that the heir of an heir acts for a key only if the first hand-over had
// reached the second instance that left.
func TestPassedOn(t *testing.T) {
	for _, c := range []struct {
		name   string
		passed bool
		omit   keyhome.Rules
		want   keyhome.Answer
	}{
		{"passed on", true, 0, keyhome.Granted},
		{"not passed on", false, 0, keyhome.NotHome},
		{"not passed on, without the rule", false, keyhome.RulePassedOn, keyhome.Granted},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFleetWithout(t, 3, c.omit)
			k := keyWithRanks(t, 0, 1)
			epoch := f.Homes[0].State().Epoch + 1_000_000
			handOver(t, f, 2, keyhome.Message{From: 0, Epoch: epoch, Heirs: []int{1, 2}})
			second := keyhome.Message{From: 1, Epoch: f.Homes[1].State().Epoch + 1_000_000, Heirs: []int{2}}
			if c.passed {
				second.Held = map[int]uint64{0: epoch}
			}
			handOver(t, f, 2, second)
			if got := answerOf(t, f, 2, k); got != c.want {
				t.Errorf("answer = %q, want %q", got, c.want)
			}
		})
	}
}

// TestLateHandOver checks that a hand-over that arrives after its sender has returned has no
// effect.
func TestLateHandOver(t *testing.T) {
	for _, c := range []struct {
		name string
		omit keyhome.Rules
		want keyhome.Answer
	}{
		{"refused", 0, keyhome.NotHome},
		{"without the rule two instances act", keyhome.RuleEpoch, keyhome.Granted},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFleetWithout(t, 2, c.omit)
			k := keyhome.KeyOf("client", "key")
			first, second := keyhome.Homes(k, 2)
			late := keyhome.Message{From: first, Epoch: f.Homes[first].State().Epoch + 1, Heirs: []int{second}}
			returned := keyhome.Message{
				Kind: keyhome.KindFetch, From: first, Standing: keyhome.In, Epoch: late.Epoch + 1, Commit: true,
			}
			if _, err := f.Homes[second].Handle(t.Context(), returned); err != nil {
				t.Fatal(err)
			}
			handOver(t, f, second, late)
			if got := answerOf(t, f, second, k); got != c.want {
				t.Errorf("answer of the second home = %q, want %q", got, c.want)
			}
		})
	}
}

// TestLateRelease checks that a release that arrives late does not remove the newer claim of the
// same owner.
func TestLateRelease(t *testing.T) {
	for omit, want := range map[keyhome.Rules]bool{0: true, keyhome.RuleAttempt: false} {
		f := newFleetWithout(t, 2, omit)
		k := keyhome.KeyOf("client", "key")
		home, second := keyhome.Homes(k, 2)
		claim := keyhome.Claim{Key: k, Owner: second, Attempt: 1}
		late := keyhome.Message{Kind: keyhome.KindRelease, From: second, Claim: claim}
		claim.Attempt++
		for _, m := range []keyhome.Message{{Kind: keyhome.KindClaim, From: second, Claim: claim}, late} {
			if _, err := f.Homes[home].Handle(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		if _, got, err := f.Tables[home].Get(t.Context(), k); got != want || err != nil {
			t.Errorf("with rules %v taken out: the claim is left = %v, %v, want %v", omit, got, err, want)
		}
	}
}

// TestPlannedStop checks the path of a planned stop message by message: the heir acts, knows the
// claims, and stops acting when the instance returns.
func TestPlannedStop(t *testing.T) {
	f := newFleetWithout(t, 3, 0)
	old, later := keyWithRanks(t, 0, 1), keyWithRanks(t, 0, 2)
	if got := answerOf(t, f, 0, old); got != keyhome.Granted {
		t.Fatalf("answer before the stop = %q, want granted", got)
	}
	if got := answerOf(t, f, 1, old); got != keyhome.Known {
		t.Errorf("answer of the second home = %q, want known", got)
	}
	if err := f.Homes[0].Leave(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	f.Down[0] = true
	hold, err := f.Homes[1].Acquire(t.Context(), old, keyhome.Fingerprint{})
	if err != nil || hold.Outcome != keyhome.Forward || hold.Owner != 0 {
		t.Errorf("known key while its home is stopped = %+v, %v, want a forward to 0", hold.Decision, err)
	}
	hold, err = f.Homes[1].Acquire(t.Context(), later, keyhome.Fingerprint{1})
	if err != nil || hold.Outcome != keyhome.Create {
		t.Fatalf("new key while its home is stopped = %+v, %v, want create", hold.Decision, err)
	}
	hold.Done(t.Context(), true)
	f.Down[0] = false
	for range 2 { // start again with the same table
		if err := f.Homes[0].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := answerOf(t, f, 0, later); got != keyhome.NotHome {
		t.Errorf("answer before the claims are fetched back = %q, want not home", got)
	}
	if f.Homes[0].Ready() {
		t.Error("the instance is ready before it has its claims back")
	}
	if err := f.Homes[0].Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	hold, err = f.Homes[2].Acquire(t.Context(), later, keyhome.Fingerprint{2})
	if err != nil || hold.Outcome != keyhome.Forward || hold.Owner != 1 || !hold.Differs {
		t.Errorf("key of the time in between = %+v, %v, want a forward to 1 that differs", hold.Decision, err)
	}
}

// TestHomes holds the ranks of some keys fast, because all releases must compute the same.
func TestHomes(t *testing.T) {
	var got []int
	for i := range 6 {
		first, second := keyhome.Homes(keyhome.KeyOf("client", fmt.Sprint(i)), 7)
		got = append(got, 10*first+second)
	}
	if text := fmt.Sprint(got, keyhome.KeyOf("a", "bc"), keyhome.KeyOf("ab", "c")); text != goldenHomes {
		t.Errorf("homes = %s, want %s", text, goldenHomes)
	}
}

const goldenHomes = "[23 54 62 52 35 41] 523eee06172998fdd4cd7a1457eef9de 1296ab6841ba6b6dce49910c28d65755"

// TestFetchesAll checks that an instance that must join again fetches also claims that its peers
// had before it left. One of them may have got such a claim from a third instance.
func TestFetchesAll(t *testing.T) {
	for omit, want := range map[keyhome.Rules]keyhome.Answer{0: keyhome.Known, keyhome.RuleFetchAll: keyhome.Granted} {
		f := newFleetWithout(t, 3, omit)
		k := keyWithRanks(t, 1, 0)
		start := func(o int) {
			f.Down[o] = false
			if err := f.Homes[o].Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			_ = f.Homes[o].Tick(t.Context())
		}
		f.Down[0] = true // instance 0 gets no copy
		if got := answerOf(t, f, 1, k); got != keyhome.Granted {
			t.Fatalf("first answer = %q, want granted", got)
		}
		if err := f.Stop(t.Context(), 1); err != nil { // instance 2 gets the claim
			t.Fatal(err)
		}
		start(1)
		f.Down[0] = false
		if err := f.Stop(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Homes[1].Leave(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		f.Down[1] = true
		start(0)
		_ = f.Homes[0].Tick(t.Context()) // it joins
		if got := answerOf(t, f, 0, k); got != want {
			t.Errorf("answer with rules %v taken out = %q, want %q", omit, got, want)
		}
	}
}
