package endpoints

import (
	"testing"
	"time"
)

// TestUndatedLimit checks that a verdict counts as undated for a limited time, which starts again
// after a verdict that was not.
func TestUndatedLimit(t *testing.T) {
	now := time.Now()
	u := undated{now: func() time.Time { return now }}
	is := func(undated bool) bool {
		verdicts := map[string]verdict{"a": {why: "w", undated: undated}}
		u.bound(verdicts)
		return verdicts["a"].undated
	}
	for _, step := range []struct {
		after         time.Duration
		undated, want bool
	}{
		{0, true, true}, {undatedLimit - 1, true, true}, {1, true, false}, {time.Hour, true, false},
		{0, false, false}, {0, true, true}, {undatedLimit, true, false},
	} {
		now = now.Add(step.after)
		if got := is(step.undated); got != step.want {
			t.Errorf("after %v the verdict is undated: %v, want %v", step.after, got, step.want)
		}
	}
}
