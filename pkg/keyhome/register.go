package keyhome

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// register holds the State of an instance and decides who may act. Decisions about claims run at
// the same time as each other, and never while the State changes. It is safe for concurrent use.
type register struct {
	ordinal int
	table   Table
	folder  string // identity of the state folder
	omit    rules
	*versionClock
	started atomic.Bool // the State is loaded

	mu      sync.RWMutex
	state   State
	leaving bool // this instance has stopped acting for a hand-over, or does not join any more
	joining bool // members are being told that this instance acts
	callers strangers
}

// start loads the State. An instance that left comes back with a new epoch: it acts again, except
// for the keys that it has not fetched back.
func (r *register) start(ctx context.Context, v View) error {
	loaded, err := r.table.Load(ctx)
	if err != nil {
		return fmt.Errorf("load claims: %w", err)
	}
	r.mu.Lock()
	r.folder, r.state, r.leaving, r.joining = loaded.Folder, loaded.State.clone(), false, false
	r.mu.Unlock()
	removals := v.removals(r.ordinal)
	return r.change(ctx, nil, func(s *State) error {
		r.restart(s, loaded.Version)
		switch {
		case rejoins(s, removals) && !r.omit.has(ruleJoin):
			*s = State{Clock: s.Clock, Epoch: s.Epoch}
		case s.Standing == Out:
			s.Standing, s.Epoch = In, r.nextEpoch(s)
		}
		if s.Standing == Joining {
			s.Removals, s.Peers = removals, make(map[int]Peer) // it asks all members again
			// Its epoch is new, because members that it told may say that it was removed since.
			if s.Epoch == 0 || !r.omit.has(ruleNewEpoch) {
				s.Epoch = r.nextEpoch(s)
			}
		}
		return nil
	})
}

// rejoins reports whether this instance was a member and may have been removed since. Then others
// act for it, whether it handed over or not, and what it knows is old: it joins again.
func rejoins(s *State, removals uint64) bool {
	return s.Standing == Gone || s.Standing != Joining && removals > s.Removals
}

// reserve moves State.Clock ahead of the time when the clock has come close to it.
func (r *register) reserve(ctx context.Context) error {
	return r.catchUp(ctx, r.nearBound)
}

// followTime makes sure that the next tick is not behind the time. It writes only after the
// instance was idle for some seconds. Otherwise the version of a new claim could be below the
// version of an old copy at an instance that nobody can ask now.
func (r *register) followTime(ctx context.Context) error {
	if r.omit.has(ruleFollowTime) {
		return nil
	}
	return r.catchUp(ctx, r.mayFallBehind)
}

// errCaughtUp means that another call has moved the clock meanwhile.
var errCaughtUp = errors.New("the clock was moved")

// catchUp moves the clock and State.Clock to the time if that is due. Of many calls at the same
// time only the first one writes.
func (r *register) catchUp(ctx context.Context, due func() bool) error {
	if !due() {
		return nil
	}
	err := r.change(ctx, nil, func(s *State) error {
		if !due() {
			return errCaughtUp
		}
		r.merge(s, nanos(r.now()))
		return nil
	})
	if errors.Is(err, errCaughtUp) {
		return nil
	}
	return err
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
	r.saved(next.Clock)
	return position, nil
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

// nextEpoch returns an epoch above all that this instance has had.
func (r *register) nextEpoch(s *State) uint64 { return max(r.tick(), s.Epoch+1) }

// told returns the part of a Reply that describes this instance.
func (r *register) told(s *State, a Answer) Reply {
	reply := Reply{Answer: a, Standing: s.Standing, DeferTo: -1, Epoch: s.Epoch, Folder: r.folder, Removals: s.Removals}
	for _, q := range slices.Sorted(maps.Keys(s.Peers)) {
		if p := s.Peers[q]; p.Standing != Joining {
			reply.Members = append(reply.Members, Member{Ordinal: q, Epoch: p.Epoch, Left: p.left()})
		}
	}
	reply.Clock = r.latest()
	return reply
}
