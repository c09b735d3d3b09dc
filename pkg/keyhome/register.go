package keyhome

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// clockReserve is by how much State.Clock is ahead of the clock in use, so that the clock needs no
// write for each claim. It is shorter than a restart, so that a clock is not ahead of the time for
// long.
const clockReserve = uint64(2 * time.Second)

// register holds the State of an instance and decides who may act. Decisions about claims run at
// the same time as each other, and never while the State changes. It is safe for concurrent use.
type register struct {
	ordinal int
	table   Table
	folder  string // identity of the state folder
	now     func() time.Time
	omit    rules

	mu      sync.RWMutex
	state   State
	leaving bool // a hand-over has begun, so this instance acts no more

	clockMu sync.Mutex
	clock   uint64 // the last version, attempt or epoch that was used, in nanoseconds since 1970
	bound   uint64 // State.Clock
}

// start loads the State. An instance that left comes back with a new epoch: it acts again, except
// for the keys that it has not fetched back.
func (r *register) start(ctx context.Context, v View) error {
	loaded, err := r.table.Load(ctx)
	if err != nil {
		return fmt.Errorf("load claims: %w", err)
	}
	r.folder, r.state, r.leaving = loaded.Folder, loaded.State.clone(), false
	removals := v.removals(r.ordinal)
	r.clock = max(r.state.Clock, loaded.Version, nanos(r.now()))
	return r.change(ctx, nil, func(s *State) error {
		r.merge(s, r.clock)
		switch {
		case rejoins(s, removals) && !r.omit.has(ruleJoin):
			*s = State{Clock: s.Clock, Peers: make(map[int]Peer)}
			s.Epoch = r.tick()
		case s.Standing == Out:
			s.Standing, s.Epoch = In, r.tick()
		}
		if s.Epoch == 0 {
			s.Epoch = r.tick()
		}
		if s.Standing == Joining {
			s.Removals, s.Peers = removals, make(map[int]Peer) // it asks all members again
		}
		return nil
	})
}

// rejoins reports whether this instance was a member and may have been removed since. Then others
// act for it, whether it handed over or not, and what it knows is old: it joins again.
func rejoins(s *State, removals uint64) bool {
	return s.Standing == Gone || s.Standing != Joining && removals > s.Removals
}

func nanos(t time.Time) uint64 { return uint64(max(t.UnixNano(), 0)) }

// tick returns the next value of the clock. It is the time, or a little more than the last value.
// It is always below State.Clock, which is durable, because it follows the time only to a distance
// from that bound which no counting overcomes.
func (r *register) tick() uint64 {
	r.clockMu.Lock()
	defer r.clockMu.Unlock()
	r.clock = max(r.clock+1, min(nanos(r.now()), r.bound-clockReserve/4))
	return r.clock
}

// reserve moves State.Clock ahead of the time when the clock has come close to it.
func (r *register) reserve(ctx context.Context) error {
	r.clockMu.Lock()
	due := r.clock+clockReserve/2 > r.bound
	r.clockMu.Unlock()
	if !due {
		return nil
	}
	return r.change(ctx, nil, func(s *State) error {
		r.merge(s, nanos(r.now()))
		return nil
	})
}

// change changes the State and imports claims, and makes both durable. If edit returns an error,
// nothing changes. If the table fails, the old State stays in force.
func (r *register) change(ctx context.Context, claims []Claim, edit func(*State) error) error {
	_, err := r.changeAt(ctx, claims, edit)
	return err
}

// changeAt is change that also returns the last position in the table.
func (r *register) changeAt(ctx context.Context, claims []Claim, edit func(*State) error) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changeLocked(ctx, claims, edit)
}

func (r *register) changeLocked(ctx context.Context, claims []Claim, edit func(*State) error) (int64, error) {
	next := r.state.clone()
	if err := edit(&next); err != nil {
		return 0, err
	}
	position, err := r.table.Save(ctx, &next, claims)
	if err != nil {
		return 0, fmt.Errorf("save state of claims: %w", err)
	}
	r.state = next
	r.advance(claims)
	r.clockMu.Lock()
	r.bound = next.Clock
	r.clockMu.Unlock()
	return position, nil
}

// merge moves the clock forward to a clock of another instance. It belongs into change, because the
// reserve must be durable.
func (r *register) merge(s *State, clock uint64) {
	r.clockMu.Lock()
	defer r.clockMu.Unlock()
	r.clock = max(r.clock, clock)
	if s.Clock < r.clock+3*clockReserve/4 {
		s.Clock = r.clock + clockReserve
	}
}

// advance moves the clock forward to the versions of imported claims. It need not be durable,
// because the claims are.
func (r *register) advance(claims []Claim) {
	r.clockMu.Lock()
	defer r.clockMu.Unlock()
	for i := range claims {
		r.clock = max(r.clock, claims[i].Version)
	}
}

// look returns a copy of the State.
func (r *register) look() State {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.state.clone()
}

// decide runs f while the State does not change.
func (r *register) decide(f func(*State) error) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return f(&r.state)
}

// acts reports whether this instance decides about a key now. Call it within decide or change.
func (r *register) acts(s *State, k Key) bool {
	if s.Standing != In || r.leaving && !r.omit.has(ruleStopActing) {
		return false
	}
	if !s.certain(k) && !r.omit.has(ruleFetchBack) {
		return false
	}
	return r.omit.has(ruleOneHome) || s.blocker(k, r.ordinal, r.omit) < 0
}

// leave makes the instance stop acting, or act again after a hand-over that failed.
func (r *register) leave(leaving bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaving = leaving
}

// told returns the part of a Reply that describes this instance.
func (r *register) told(s *State, a Answer) Reply {
	reply := Reply{Answer: a, Standing: s.Standing, DeferTo: -1, Epoch: s.Epoch, Folder: r.folder}
	for _, q := range slices.Sorted(maps.Keys(s.Peers)) {
		if p := s.Peers[q]; p.Standing != Joining {
			reply.Members = append(reply.Members, Member{Ordinal: q, Epoch: p.Epoch, Left: p.left()})
		}
	}
	reply.Clock = r.latest()
	return reply
}

// latest returns the last value of the clock.
func (r *register) latest() uint64 {
	r.clockMu.Lock()
	defer r.clockMu.Unlock()
	return r.clock
}
