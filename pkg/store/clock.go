package store

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

const (
	// jumpTolerance is by how much the wall clock and the monotonic clock may differ between two
	// readings. NTP slews a clock by 30 ms a minute.
	jumpTolerance = time.Minute
	// stopTolerance is how long a process may have been stopped before retention takes the time for a
	// jump of the clock. Restarts and rolling updates are shorter. After a longer stop old results
	// stay for distrustTime longer, which harms nobody.
	stopTolerance = time.Hour
	// distrustTime is how long retention does not trust a clock that has jumped ahead, so that an
	// operator has a day to correct it.
	distrustTime = 24 * time.Hour
	// sweptEvery is how often the time of the last reading is written to the database.
	sweptEvery = 10 * time.Minute
)

// clock is the time of the machine: the wall clock, which somebody may set, and the monotonic time
// since some moment, which nobody can set.
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
// are not trusted yet. So an operation that is old only because of a jump stays until the clock is
// corrected, or until the jump has lasted for distrustTime. It is safe for concurrent use after
// start.
type ageClock struct {
	clock clock // zero until start = the system's
	db    *database
	log   logr.Logger

	mu       sync.Mutex
	wall     time.Time     // at the last reading
	mono     time.Duration // at the last reading
	jumped   time.Duration // by how much the wall clock is ahead of the trusted time; never negative
	since    time.Duration // mono of the last jump ahead
	recorded time.Duration // mono when the time was last written to the database
}

// begin starts the clock. last is what the clock of an earlier process said last; zero = not known.
// It returns the part of the time between that is not trusted.
func (c *ageClock) begin(clock clock, last time.Time) (jumped time.Duration) {
	c.clock = clock
	c.wall, c.mono = clock.wall(), clock.mono()
	c.since, c.recorded = c.mono, c.mono-sweptEvery
	if stopped := c.wall.Sub(last); !last.IsZero() && stopped > stopTolerance {
		c.jumped = stopped
	}
	return c.jumped
}

// now returns the time that ages are counted with. changed is by how much the wall clock jumped
// since the last reading; it may be negative, and 0 means that it did not jump.
func (c *ageClock) now() (trusted time.Time, changed time.Duration) {
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

// distrusted is by how much the wall clock is ahead of the trusted time.
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

// start reads what the clock of the last process said. A database of an earlier release knows only
// when the last readiness probe came.
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
		c.log.Info("the proxy was stopped for a long time, or the clock has jumped ahead; "+
			"operations that became old in this time are kept for a day",
			"since", fromNanos(swept).Format(time.RFC3339), "time", jumped.Round(time.Second).String())
	}
	return nil
}

// trusted is the time that ages are counted with. It logs jumps of the clock.
func (c *ageClock) trusted() time.Time {
	now, jump := c.now()
	switch {
	case jump > 0:
		c.log.Info("WARNING: the clock has jumped ahead; operations that became old by the jump are kept for a day, "+
			"or until the clock is corrected", "jump", jump.Round(time.Second).String())
	case jump < 0:
		c.log.Info("the clock was put back", "jump", jump.Round(time.Second).String())
	}
	return now
}

// record writes the trusted time to the database every sweptEvery. A failure does not stop a sweep,
// because on a full disk the sweep makes the room for this write.
func (c *ageClock) record(ctx context.Context) {
	now := c.trusted()
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
