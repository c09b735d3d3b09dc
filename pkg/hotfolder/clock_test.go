package hotfolder

import (
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/cron"
)

// TestClockJumpsTick counts the files once after a jump of the wall clock, and then at the times of
// the schedule.
func TestClockJumpsTick(t *testing.T) {
	schedule, err := cron.Parse("0 0/5 * * * ?")
	if err != nil {
		t.Fatal(err)
	}
	const hour, year = time.Hour, 365 * 24 * time.Hour
	for _, jump := range []time.Duration{hour, year, -hour, -year} {
		var p plan
		now := time.Date(2026, 6, 1, 12, 1, 0, 0, time.UTC)
		p.ticked(schedule, now)
		ticks := 0
		for range 120 { // an hour, every 30 seconds
			now = now.Add(30 * time.Second)
			if p.ticked(schedule, now) {
				ticks++
			}
		}
		if ticks != 12 {
			t.Errorf("%d ticks in an hour before a jump, want 12", ticks)
		}
		now, ticks = now.Add(jump), 0
		for range 120 {
			now = now.Add(30 * time.Second)
			if p.ticked(schedule, now) {
				ticks++
			}
		}
		if ticks < 12 || ticks > 13 { // a jump forward may skip a time, which is made up for
			t.Errorf("%d ticks in an hour after a jump of %v, want 12 or 13", ticks, jump)
		}
	}
}

// TestClockJumpsSilence takes an instance that lives for alive, and one that is gone for gone, also
// if the clock of the storage jumps.
func TestClockJumpsSilence(t *testing.T) {
	const hour, year, limit = time.Hour, 365 * 24 * time.Hour, 24 * time.Hour
	for _, jump := range []time.Duration{0, hour, year, -hour, -year} {
		s := make(silence)
		start := time.Now()
		wall := start
		alive := Owner{Ordinal: 1, Renewed: wall.Add(-20 * time.Second)}
		gone := Owner{Ordinal: 2, Renewed: wall.Add(-20 * time.Second)}
		var last time.Duration
		for minute := range 25 * 60 {
			if minute == 10 {
				wall = wall.Add(jump)
			}
			wall = wall.Add(time.Minute)
			now := start.Add(time.Duration(minute) * time.Minute)
			alive.Silent, gone.Silent = max(wall.Sub(alive.Renewed), 0), max(wall.Sub(gone.Renewed), 0)
			if got := s.of(alive, now); got >= trustAfter {
				t.Fatalf("after a jump of %v and %d minutes an instance that lives is silent for %v", jump, minute, got)
			}
			last = s.of(gone, now)
			if jump <= 0 && minute < 23*60 && last >= limit {
				t.Fatalf("after a jump of %v and %d minutes an instance is silent for %v", jump, minute, last)
			}
			alive.Renewed = wall.Add(-20 * time.Second) // it renews every minute
		}
		if last < limit {
			t.Errorf("after a jump of %v an instance that was gone for 25 hours is silent for %v", jump, last)
		}
	}
}

// TestLeastLockTime keeps the runs of an instance that misses one renewal, also if the setting is
// as short as the time between two renewals.
func TestLeastLockTime(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{
		0: 24 * time.Hour, time.Minute: 3 * time.Minute, time.Hour: time.Hour,
	} {
		cfg := Config{LockTime: set}
		cfg.setDefaults()
		if cfg.LockTime != want {
			t.Errorf("lock time %v becomes %v, want %v", set, cfg.LockTime, want)
		}
	}
}
