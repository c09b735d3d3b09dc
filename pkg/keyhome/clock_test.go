package keyhome_test

import (
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
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
