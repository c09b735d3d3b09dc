package affinity

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestBreaker lets one message a second through to an instance that hangs, and all messages again
// after it has answered.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breaker
		enter := func(what string, want bool) {
			t.Helper()
			if got := b.enter(1); got != want {
				t.Errorf("%s: enter = %v, want %v", what, got, want)
			}
		}
		enter("at first", true)
		enter("at the same time", true)
		b.leave(1, timedOut)
		enter("after a time-out", false)
		if !b.enter(2) {
			t.Error("the breaker of another instance is open")
		}
		time.Sleep(breakerPause) // of the fake clock
		enter("the probe", true)
		enter("beside the probe", false)
		b.leave(1, abandoned)
		enter("after a probe whose sender did not wait", true)
		b.leave(1, timedOut)
		enter("after a probe that timed out", false)
		time.Sleep(breakerPause)
		enter("the next probe", true)
		b.leave(1, ended)
		enter("after an answer", true)
		enter("beside it", true)
	})
}
