package clients

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPace: a run of changes is looked at when it has been quiet for a moment, and not put off for
// ever.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		if got := p.start(time.Now()); got != 0 {
			t.Errorf("without a change start = %v, want 0", got)
		}
		p.changed(time.Now())
		if got := p.start(time.Now()); got != quiet {
			t.Errorf("right after a change start = %v, want %v", got, quiet)
		}
		time.Sleep(quiet - time.Millisecond)
		p.changed(time.Now())
		if got := p.start(time.Now()); got != quiet {
			t.Errorf("after a second change start = %v, want %v", got, quiet)
		}
		time.Sleep(quiet)
		if got := p.start(time.Now()); got != 0 {
			t.Errorf("when it is quiet start = %v, want 0", got)
		}

		looks := 0
		for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
			p.changed(time.Now())
			if p.start(time.Now()) == 0 {
				looks++
			}
		}
		if looks < 4 || looks > 5 {
			t.Errorf("20 s of changes were looked at %d times, want one in %v", looks, longest)
		}
	})
}
