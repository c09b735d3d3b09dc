package clients

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestDebouncer checks that a series of changes is handled after a short pause, and that a stream
// without pauses does not delay it for ever.
func TestDebouncer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p debouncer
		if got := p.start(time.Now()); got != 0 {
			t.Errorf("without a change start = %v, want 0", got)
		}
		p.changed(time.Now())
		if got := p.start(time.Now()); got != quietTime {
			t.Errorf("right after a change start = %v, want %v", got, quietTime)
		}
		time.Sleep(quietTime - time.Millisecond)
		p.changed(time.Now())
		if got := p.start(time.Now()); got != quietTime {
			t.Errorf("after a second change start = %v, want %v", got, quietTime)
		}
		time.Sleep(quietTime)
		if got := p.start(time.Now()); got != 0 {
			t.Errorf("after a quiet time start = %v, want 0", got)
		}

		looks := 0
		for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
			p.changed(time.Now())
			if p.start(time.Now()) == 0 {
				looks++
			}
		}
		if looks < 4 || looks > 5 {
			t.Errorf("20 s of changes were looked at %d times, want one in %v", looks, maxDelay)
		}
	})
}
