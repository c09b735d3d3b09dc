package store

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

const (
	// jumpTolerance is by how much wall clock and monotonic clock may part between two looks. NTP
	// slews a clock by 30 ms a minute.
	jumpTolerance = time.Minute
	// stopTolerance is how long a process may have been stopped until its retention takes the time for
	// a jump of the clock. Restarts and rolling updates are shorter. After a longer stop old results
	// stay for distrustTime more, which harms nobody.
	stopTolerance = time.Hour
	// distrustTime is how long retention does not believe a clock that has jumped ahead: an operator
	// has a day to put it right.
	distrustTime = 24 * time.Hour
	// sweptEvery is how often the time of the last look is written to the database.
	sweptEvery = 10 * time.Minute
)

// clock is the time of the machine: the wall clock, which somebody may set, and the time since some
// moment, which nobody can.
type clock struct {
	wall func() time.Time
	mono func() time.Duration
}

func systemClock() clock {
	start := time.Now()
	return clock{
		wall: func() time.Time { return time.Now().Round(0) },
		mono: func() time.Duration { return time.Since(start) },
	}
}

// ageClock is the time that retention counts ages with. It is the wall clock without the jumps that
// are not believed yet. So what became old by a jump alone stays until the clock was put right, or
// until the jump has lasted for distrustTime. Safe for concurrent use.
type ageClock struct {
	clock clock // zero until start = the system's
	db    *database
	log   logr.Logger

	mu       sync.Mutex
	wall     time.Time     // at the last look
	mono     time.Duration // at the last look
	jumped   time.Duration // by how much the wall clock is ahead of what is believed; never negative
	since    time.Duration // mono of the last jump ahead
	recorded time.Duration // mono when the time was last written to the database
}

// begin sets the clock going. last is what the clock of an earlier process said last; zero = not
// known.
func (c *ageClock) begin(clock clock, last time.Time) (jumped time.Duration) {
	c.clock = clock
	c.wall, c.mono = clock.wall(), clock.mono()
	c.since, c.recorded = c.mono, c.mono-sweptEvery
	if stopped := c.wall.Sub(last); !last.IsZero() && stopped > stopTolerance {
		c.jumped = stopped
	}
	return c.jumped
}

// now is the time that ages are counted with. changed is a jump of the wall clock since the last
// look, which may be negative; 0 = none.
func (c *ageClock) now() (believed time.Time, changed time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, mono := c.clock.wall(), c.clock.mono()
	if jump := wall.Sub(c.wall) - (mono - c.mono); jump.Abs() > jumpTolerance {
		changed = jump
	}
	c.wall, c.mono = wall, mono
	switch {
	case changed > 0:
		c.jumped += changed
		c.since = mono
	case changed < 0:
		c.jumped = max(0, c.jumped+changed)
	}
	if mono-c.since >= distrustTime {
		c.jumped = 0
	}
	return wall.Add(-c.jumped), changed
}

// distrusted is by how much the wall clock is ahead of what is believed.
func (c *ageClock) distrusted() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jumped
}

// due reports whether the time is to be written to the database now.
func (c *ageClock) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mono-c.recorded < sweptEvery {
		return false
	}
	c.recorded = c.mono
	return true
}

// start reads what the clock of the last process said. A database of an earlier release
// knows when a readiness probe last came.
func (c *ageClock) start(ctx context.Context) error {
	var swept, checked int64
	if err := c.db.read.QueryRowContext(ctx, "SELECT swept, checked FROM instance").Scan(&swept, &checked); err != nil {
		return storageError("read time of the last sweep", err)
	}
	if swept == 0 {
		swept = checked
	}
	source := c.clock
	if source.wall == nil {
		source = systemClock()
	}
	if jumped := c.begin(source, fromNanos(swept)); jumped > 0 {
		c.log.Info(
			"the proxy was stopped for long, or the clock has jumped ahead: for a day nothing is removed that became old in this time",
			"since",
			fromNanos(swept).Format(time.RFC3339),
			"time",
			jumped.Round(time.Second).String(),
		)
	}
	return nil
}

// believed is the time that ages are counted with. It tells the log about jumps.
func (c *ageClock) believed() time.Time {
	now, jump := c.now()
	switch {
	case jump > 0:
		c.log.Info(
			"WARNING: the clock has jumped ahead: for a day nothing is removed that became old by it, unless the clock is put right",
			"jump",
			jump.Round(time.Second).String(),
		)
	case jump < 0:
		c.log.Info("the clock was put back", "jump", jump.Round(time.Second).String())
	}
	return now
}

// record writes the believed time to the database, now and then. Sweeps do not depend on it: on
// a full disk they make room for it.
func (c *ageClock) record(ctx context.Context) {
	now := c.believed()
	if !c.due() {
		return
	}
	err := c.db.do(ctx, 0, func(t *tx) error {
		return t.mustChange(1, "UPDATE instance SET swept = ?", now.UnixNano())
	})
	if err != nil && ctx.Err() == nil {
		c.log.Error(err, "could not record the time of the last sweep")
	}
}
