package store_test

import (
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// twoClocks are a wall clock and a monotonic clock that a test sets.
type twoClocks struct {
	wall time.Time
	mono time.Duration
}

// pass lets time pass on both clocks.
func (c *twoClocks) pass(d time.Duration) { c.wall, c.mono = c.wall.Add(d), c.mono+d }

// jump sets the wall clock only.
func (c *twoClocks) jump(d time.Duration) { c.wall = c.wall.Add(d) }

const day = 24 * time.Hour

// agingStore has an operation that has just ended and one that ended nearly a retention time ago.
func agingStore(
	t *testing.T, r store.Retention,
) (s *store.Store, cfg store.Config, c *twoClocks, fresh, old signing.Operation) {
	c = &twoClocks{wall: time.Now().Round(0)}
	cfg = store.Config{Folder: t.TempDir(), Retention: r}
	cfg.SetClock(func() time.Time { return c.wall }, func() time.Duration { return c.mono })
	s = open(t, cfg)
	fresh, old = create(t, s, "fresh", "a"), create(t, s, "old", "b")
	end(t, s, fresh, c.wall)
	end(t, s, old, c.wall.Add(-7*day+time.Hour))
	return s, cfg, c, fresh, old
}

func sweep(t *testing.T, s *store.Store, want int, when string) {
	t.Helper()
	if n, err := s.Sweep(t.Context()); n != want || err != nil {
		t.Errorf("Sweep %s = %d, %v, want %d", when, n, err, want)
	}
}

func wantJump(t *testing.T, s *store.Store, want time.Duration) {
	t.Helper()
	if st, err := s.Stats(t.Context()); err != nil || st.ClockJump != want {
		t.Errorf("Stats.ClockJump = %s, %v, want %s", st.ClockJump, err, want)
	}
}

// TestClockRunsAhead removes nothing while the clock is 30 days ahead for some time. Operations
// that become old in the time that really passes are removed as usual.
func TestClockRunsAhead(t *testing.T) {
	s, _, c, fresh, old := agingStore(t, store.Retention{Age: 7 * day})
	ops := []signing.Operation{fresh, old}
	sweep(t, s, 0, "at first")
	c.jump(30 * day)
	for range 3 {
		c.pass(15 * time.Second)
		sweep(t, s, 0, "with a clock that is ahead")
	}
	wantJump(t, s, 30*day)
	c.pass(2 * time.Hour)
	sweep(t, s, 1, "two hours later")
	wantKept(t, s, ops, true, false)
	c.jump(-30 * day)
	c.pass(time.Minute)
	sweep(t, s, 0, "with the clock put right")
	wantJump(t, s, 0)
	c.pass(7 * day)
	sweep(t, s, 1, "a week later")
}

// TestClockWasBehind trusts a jump that lasts for a day.
func TestClockWasBehind(t *testing.T) {
	s, _, c, _, _ := agingStore(t, store.Retention{Age: 7 * day})
	sweep(t, s, 0, "at first")
	c.jump(30 * day)
	sweep(t, s, 0, "at the jump")
	c.pass(day - time.Minute)
	sweep(t, s, 1, "nearly a day later") // what is old by the time that has passed
	c.pass(2 * time.Minute)
	sweep(t, s, 1, "a day later")
	wantJump(t, s, 0)
}

// TestClockRunsAheadAtStart removes nothing after a jump that a restart hides, nor after the
// restarts that follow.
func TestClockRunsAheadAtStart(t *testing.T) {
	for name, earlierRelease := range map[string]bool{"": false, "of an earlier release": true} {
		s, cfg, c, fresh, old := agingStore(t, store.Retention{Age: 7 * day})
		ops := []signing.Operation{fresh, old}
		sweep(t, s, 0, "at first")
		if err := s.Check(t.Context()); err != nil { // as readiness probes do
			t.Fatal(err)
		}
		if earlierRelease {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			alter(t, cfg.Folder, "UPDATE instance SET swept = 0")
		}
		c.jump(30 * day)
		for range 3 {
			c.mono = 0
			s = reopen(t, s, cfg)
			c.pass(time.Minute)
			sweep(t, s, 0, "after a restart "+name)
			c.pass(11 * time.Minute) // the time of the last sweep is written again
			sweep(t, s, 0, "after a restart "+name)
		}
		wantKept(t, s, ops, true, true)
		c.jump(-30 * day)
		sweep(t, s, 0, "with the clock put right")
		c.jump(30 * day)
		sweep(t, s, 0, "after the clock was put forward permanently")
		c.pass(day)
		sweep(t, s, 2, "a day later "+name)
	}
}

// TestClockRunsAheadOfFetched is TestClockRunsAhead for results that were fetched.
func TestClockRunsAheadOfFetched(t *testing.T) {
	s, _, c, fresh, _ := agingStore(t, store.Retention{Age: 700 * day, Fetched: time.Hour})
	if err := s.Fetched(t.Context(), fresh.ID); err != nil {
		t.Fatal(err)
	}
	sweep(t, s, 0, "at first")
	c.jump(30 * day)
	sweep(t, s, 0, "with a clock that is ahead")
	c.pass(2 * time.Hour)
	sweep(t, s, 1, "two hours later")
}

// TestClockSlews trusts a clock that NTP slews.
func TestClockSlews(t *testing.T) {
	s, _, c, _, _ := agingStore(t, store.Retention{Age: 7 * day})
	for range 70 {
		c.pass(time.Minute)
		c.jump(30 * time.Millisecond)
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantJump(t, s, 0)
	if st, err := s.Stats(t.Context()); err != nil || st.Operations != 1 {
		t.Errorf("Stats = %+v, %v, want the old operation removed", st, err)
	}
}
