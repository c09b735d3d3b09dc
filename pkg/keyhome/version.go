package keyhome

import (
	"sync"
	"time"
)

// clockReserve is by how much State.Clock is ahead of the time, so that the clock needs no write
// for each claim. After a restart the clock is ahead of the time by clockReserve at most.
const clockReserve = uint64(2 * time.Second)

// clockMargin is how far the clock stays below State.Clock when it follows the time. It leaves room
// for 50 million values that are counted until the next Tick. A restart takes longer than this
// margin, so that many restarts in a row do not move the clock further and further ahead.
const clockMargin = uint64(50 * time.Millisecond)

// maxAhead is how far the clock of a peer may be ahead of the time at this instance: clocks differ
// by 10 seconds at most, and the clock of an instance is ahead of its time by clockReserve at most.
// A clock that is further ahead is wrong. It is not followed, because it would spread to all
// instances and stay for as long as it is ahead.
const maxAhead = uint64(15 * time.Second)

// versionClock gives the versions of claims, the attempts of an owner and the epochs. Each value is
// higher than all earlier ones, also over a restart, and close to the time in nanoseconds since
// 1970. It is safe for concurrent use.
type versionClock struct {
	now func() time.Time

	clockMu sync.Mutex
	clock   uint64 // the last value that was used
	bound   uint64 // State.Clock as it was saved last
}

// nanos returns a time in nanoseconds since 1970.
func nanos(t time.Time) uint64 { return uint64(max(t.UnixNano(), 0)) }

// restart starts the clock after all values that were used before, of which version may be one.
// Call it within change.
func (v *versionClock) restart(s *State, version uint64) {
	v.clockMu.Lock()
	v.clock = max(s.Clock, v.limit(version), nanos(v.now()))
	v.clockMu.Unlock()
	v.merge(s, 0)
}

// saved says that State.Clock is durable.
func (v *versionClock) saved(bound uint64) {
	v.clockMu.Lock()
	defer v.clockMu.Unlock()
	v.bound = bound
}

// nearBound reports whether State.Clock should be moved ahead soon.
func (v *versionClock) nearBound() bool {
	v.clockMu.Lock()
	defer v.clockMu.Unlock()
	return v.clock+clockReserve/2 > v.bound
}

// mayFallBehind reports whether State.Clock must be moved so that the next tick is not behind the
// time, nor above State.Clock.
func (v *versionClock) mayFallBehind() bool {
	v.clockMu.Lock()
	defer v.clockMu.Unlock()
	return max(v.clock+1, nanos(v.now())+clockMargin) > v.bound
}

// tick returns the next value of the clock. It is the time, or a little more than the last value.
// It is always below State.Clock, which is durable, because it follows the time only to a distance
// from that bound which no counting overcomes.
func (v *versionClock) tick() uint64 {
	v.clockMu.Lock()
	defer v.clockMu.Unlock()
	v.clock = max(v.clock+1, min(nanos(v.now()), v.bound-clockMargin))
	return v.clock
}

// merge moves the clock forward to a clock of another instance, and State.Clock ahead of the time.
// If the clock is ahead of the time already, State.Clock gets only the margin. Otherwise each
// restart would move the clock further ahead. Call merge within change, because the reserve must be
// durable.
func (v *versionClock) merge(s *State, clock uint64) {
	v.clockMu.Lock()
	defer v.clockMu.Unlock()
	v.clock = max(v.clock, v.limit(clock))
	s.Clock = max(s.Clock, v.clock+clockMargin, nanos(v.now())+clockReserve)
}

// advance moves the clock forward to the versions of imported claims. It need not be durable,
// because the claims are.
func (v *versionClock) advance(claims []Claim) {
	v.clockMu.Lock()
	defer v.clockMu.Unlock()
	for i := range claims {
		v.clock = max(v.clock, v.limit(claims[i].Version))
	}
}

// limit returns how far the clock follows a clock of another instance.
func (v *versionClock) limit(clock uint64) uint64 { return min(clock, nanos(v.now())+maxAhead) }

// latest returns the last value of the clock.
func (v *versionClock) latest() uint64 {
	v.clockMu.Lock()
	defer v.clockMu.Unlock()
	return v.clock
}
