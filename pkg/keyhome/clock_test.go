package keyhome_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

// TestClockOfRestarts checks that restarts in quick succession do not move the clock of an instance
// further and further ahead of the time. Versions of its claims would then be above those that its
// successors give.
func TestClockOfRestarts(t *testing.T) {
	f := newFleetWithout(t, 2, 0)
	for range 100 {
		f.Now = f.Now.Add(100 * time.Millisecond)
		if err := f.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for o, h := range f.Homes {
		ahead := time.Unix(0, int64(h.State().Clock)).Sub(f.Now)
		if ahead < 0 || ahead > 3*time.Second {
			t.Errorf("clock of instance %d is %v ahead of the time, want at most 3s", o, ahead)
		}
	}
}

// TestVersionFollowsTime checks that the first claim after a quiet hour has a version of now. A
// lower version could lose against an old copy of a claim that was released meanwhile.
func TestVersionFollowsTime(t *testing.T) {
	for omit, want := range map[keyhome.Rules]bool{0: true, keyhome.RuleFollowTime: false} {
		f := newFleetWithout(t, 2, omit)
		f.Now = f.Now.Add(time.Hour)
		k := keyhome.KeyOf("client", "key")
		home, _ := keyhome.Homes(k, 2)
		answerOf(t, f, home, k)
		e, ok, err := f.Tables[home].Get(t.Context(), k)
		if err != nil || !ok {
			t.Fatal("no claim was written", err)
		}
		if got := e.Version >= uint64(f.Now.UnixNano()); got != want {
			t.Errorf("with rules %v taken out: version is of now = %v, want %v", omit, got, want)
		}
	}
}

// aheadClock is the clock of an instance that is ahead of the others.
type aheadClock struct {
	keyhome.Clock
	ahead *time.Duration
}

// Now implements keyhome.Clock.
func (c aheadClock) Now() time.Time { return c.Clock.Now().Add(*c.ahead) }

// newFleetAhead returns three members. The clock of instance 1 is ahead by a time that may be
// changed. warnings counts the warnings of the others.
func newFleetAhead(t *testing.T, ahead *time.Duration, omit keyhome.Rules) (f *keyhometest.Fleet, warnings *int) {
	t.Helper()
	warnings, right := new(int), new(time.Duration)
	f, err := keyhometest.NewFleet(t.Context(), 3, func(cfg keyhome.Config) *keyhome.Home {
		if cfg.Ordinal == 1 {
			cfg.Clock = aheadClock{cfg.Clock, ahead}
			return keyhome.NewWithout(cfg, omit)
		}
		cfg.Clock = aheadClock{cfg.Clock, right}
		cfg.Log = funcr.New(func(_, args string) {
			if strings.Contains(args, `"WARNING: the clock of another instance is ahead`) &&
				strings.Contains(args, `"instance"=1 "ahead"="1h0m`) {
				*warnings++
			}
		}, funcr.Options{})
		return keyhome.NewWithout(cfg, omit)
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, warnings
}

// TestClockOfPeer checks that a peer whose clock is an hour ahead is warned about and serves keys,
// and that its clock does not spread to the others. Later, when its clock is right and its folder
// is lost, it joins and claims its keys again.
func TestClockOfPeer(t *testing.T) {
	ahead := time.Hour
	f, warnings := newFleetAhead(t, &ahead, 0)
	acquire := func(at int, k keyhome.Key) {
		t.Helper()
		hold, err := f.Homes[at].Acquire(t.Context(), k, keyhome.Fingerprint{})
		if err != nil || hold.Outcome != keyhome.Create {
			t.Errorf("Acquire at instance %d = %+v, %v, want create", at, hold.Decision, err)
		}
		hold.Done(t.Context(), true)
	}
	for _, k := range keysWithFirst(1, 5) {
		acquire(0, k)
	}
	owned := keysWithFirst(2, 5)
	for _, k := range owned {
		acquire(1, k)
	}
	if err := f.Stop(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, k := range keysWithFirst(1, 10) {
		acquire(0, k)
	}
	if err := f.Start(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if *warnings != 2 {
		t.Errorf("%d warnings were logged, want one by each of the two other instances", *warnings)
	}
	f.Lose(1)
	ahead = 0
	if err := f.Start(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, k := range owned {
		acquire(1, k)
	}
	for o, h := range f.Homes {
		if ahead := time.Unix(0, int64(h.State().Clock)).Sub(f.Now); ahead > 20*time.Second {
			t.Errorf("clock of instance %d is %v ahead of the time, want at most 20s", o, ahead)
		}
	}
}

// TestClaimAheadOfClock checks that a claim whose home had a wrong clock is not removed. Otherwise
// the next claim of the key would have a lower version, and an old copy would win against it.
func TestClaimAheadOfClock(t *testing.T) {
	for omit, want := range map[keyhome.Rules]bool{0: true, keyhome.RuleKeepNew: false} {
		ahead := time.Hour
		f, _ := newFleetAhead(t, &ahead, omit)
		k := keyWithRanks(t, 1, 2)
		acquire := func() *keyhome.Hold {
			hold, err := f.Homes[0].Acquire(t.Context(), k, keyhome.Fingerprint{})
			if err != nil || hold.Outcome != keyhome.Create {
				t.Fatalf("Acquire = %+v, %v, want create", hold.Decision, err)
			}
			return hold
		}
		acquire().Done(t.Context(), true)
		before, ok, err := f.Tables[2].Get(t.Context(), k)
		if !ok || err != nil {
			t.Fatal("the second home has no copy", err)
		}
		if err := f.Stop(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		hold := acquire()
		if e, _, _ := f.Tables[2].Get(t.Context(), k); e.Version <= before.Version {
			t.Errorf("version %d follows version %d, want a higher one", e.Version, before.Version)
		}
		hold.Done(t.Context(), false)
		if _, got, err := f.Tables[2].Get(t.Context(), k); got != want || err != nil {
			t.Errorf("with rules %v taken out: the claim is left = %v, %v, want %v", omit, got, err, want)
		}
	}
}

// TestImpossibleClock checks that a message with a number after the year 2116 is refused, because
// counting on from it could overflow.
func TestImpossibleClock(t *testing.T) {
	f := newFleetWithout(t, 2, 0)
	const late = uint64(1)<<62 + 1
	for name, m := range map[string]keyhome.Message{
		"clock":   {Kind: keyhome.KindFetch, Clock: late},
		"epoch":   {Kind: keyhome.KindFetch, Epoch: late},
		"attempt": {Kind: keyhome.KindClaim, Claim: keyhome.Claim{Attempt: late}},
		"version": {Kind: keyhome.KindCopy, Claims: []keyhome.Claim{{Version: late}}},
		"held":    {Kind: keyhome.KindHandOver, Held: map[int]uint64{3: late}},
	} {
		m.From = 1
		if _, err := f.Homes[0].Handle(t.Context(), m); err == nil || !strings.Contains(err.Error(), "2116") {
			t.Errorf("%s: Handle = %v, want an error that names the year 2116", name, err)
		}
	}
}
