package keyhome

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// arrival makes this instance act after its start: as a new member, or as one that returns.
type arrival struct {
	*membership
	transport Transport
	view      func() View
	removedAt map[int]time.Time // members that were removed: since when it is known
}

// removedWait is how long an instance that was removed may still be running. It is also longer than
// the differences of clocks, so that the versions of whoever takes over are higher.
const removedWait = 15 * time.Second

// errWaiting means that a peer did not answer or declined. The next round asks again.
var errWaiting = errors.New("waiting for other instances")

// arrive does what is left to do until this instance acts for all of its keys. It returns
// errWaiting while peers are missing.
func (a *arrival) arrive(ctx context.Context) error {
	var err error
	if s := a.look(); s.Standing == In && len(s.Heirs) > 0 {
		err = a.settle(ctx, &s)
	}
	if s := a.look(); s.Standing == Joining {
		return a.join(ctx) // at once, because heirs that answered act no more
	}
	return err
}

// settle fetches this instance's claims back from its heirs, each for itself. If an heir has left
// for good, others have its claims. This instance then joins like a new one.
func (a *arrival) settle(ctx context.Context, s *State) error {
	var waiting error
	c := census{self: a.ordinal, replies: make(map[int]Reply)}
	for _, heir := range s.Heirs {
		settled := slices.Contains(s.Settled, heir) // it is asked for what it knows about the others
		reply, err := a.pull(ctx, heir, !settled)
		if reply.Answer != "" {
			c.replies[heir] = reply
		}
		if err != nil && !settled {
			waiting = err
		}
	}
	v, lost := a.view(), false
	for _, heir := range s.Heirs {
		p := s.Peers[heir]
		lost = lost || c.left(heir, p.Epoch) || c.replies[heir].Standing == Gone || p.left() || v.removed(heir, p.Removals)
	}
	return errors.Join(waiting, a.change(ctx, nil, func(s *State) error {
		switch {
		case s.Standing != In:
			return errWaiting // it has left meanwhile, and has other heirs
		case len(s.Settled) == len(s.Heirs):
			s.Heirs, s.Settled = nil, nil
		case lost:
			s.Standing, s.Epoch, s.Heirs, s.Settled = Joining, a.nextEpoch(s), nil, nil
			if !a.omit.has(ruleFetchAll) {
				s.fetchAll()
			}
		}
		return nil
	}))
}

// join makes this instance a member. First it fetches claims while others still act for its keys.
// When all members have answered, it tells each of them that it acts from now on.
func (a *arrival) join(ctx context.Context) error {
	v := a.view()
	if !v.Known {
		return errWaiting
	}
	c := census{self: a.ordinal, all: a.others(v), replies: make(map[int]Reply)}
	if a.omit.has(ruleJoin) {
		return a.change(ctx, nil, func(s *State) error {
			s.Standing = In
			return nil
		})
	}
	if err := a.forget(ctx, v); err != nil {
		return err
	}
	if err := a.askAll(ctx, &c, false); err != nil {
		return err
	}
	if !a.startJoining() {
		return errWaiting
	}
	defer a.endJoining()
	if err := a.askAll(ctx, &c, true); err != nil {
		return err
	}
	return a.becomeMember(ctx, v, &c)
}

// becomeMember makes this instance act after all members have answered.
func (a *arrival) becomeMember(ctx context.Context, v View, c *census) error {
	return a.change(ctx, nil, func(s *State) error {
		for _, o := range a.others(v) {
			if !slices.Contains(c.all, o) {
				return errWaiting // it has asked about a key meanwhile
			}
		}
		s.Standing, s.Heirs, s.Settled = In, nil, nil
		for peer, p := range s.Peers {
			reply, answered := c.replies[peer]
			switch {
			case answered && c.mustAnswer(peer):
				s.Peers[peer] = a.member(p, reply)
			case p.Standing == Joining:
				delete(s.Peers, peer)
			case c.left(peer, p.Epoch):
				p.Standing = Gone
				s.Peers[peer] = p
			}
		}
		return nil
	})
}

// member returns what this instance knows about a peer that is a member now. p is what it knew
// before. A peer that joins again after it has left is not the one that left.
func (a *arrival) member(p Peer, reply Reply) Peer {
	p.Standing = In
	if reply.Epoch > p.Epoch && (reply.Standing == Joining || reply.Standing == In) && !a.omit.has(ruleReturned) {
		p.Epoch, p.ForGood, p.Heirs, p.Held = reply.Epoch, false, nil, nil
		p.Removals = max(p.Removals, reply.Removals)
	}
	return p
}

// others returns the instances that are expected or exist, and those that have shown that they do.
func (a *arrival) others(v View) []int {
	all := v.all()
	if a.omit.has(ruleStrangers) {
		return all
	}
	for _, o := range a.callers.list(v, a.now()) {
		if !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	return all
}

// startJoining reports whether this instance may tell members that it acts. endJoining must follow.
// It may not after a stop has begun.
func (a *arrival) startJoining() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.joining = !a.leaving || a.omit.has(ruleStopJoining)
	return a.joining
}

func (a *arrival) endJoining() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.joining = false
}

// askAll fetches claims from all members, and without commit also from all other instances, which
// may know members. It fails unless all members have answered.
func (a *arrival) askAll(ctx context.Context, c *census, commit bool) error {
	var failed error
	done := make(map[int]uint64) // epoch of the peer at its reply
	for peer := c.next(done, commit); peer >= 0; peer = c.next(done, commit) {
		reply, err := a.pull(ctx, peer, commit)
		switch {
		case err == nil:
			c.replies[peer] = reply
		case c.mustAnswer(peer) && !a.omit.has(ruleAllMembers):
			return err
		default:
			failed = err
		}
		done[peer] = max(c.replies[peer].Epoch, c.members()[peer], 1)
	}
	if !c.complete() && !a.omit.has(ruleAllMembers) {
		return errors.Join(errWaiting, failed)
	}
	return nil
}

// forget stops waiting for peers that were removed, because this instance asks all others anyway.
func (a *arrival) forget(ctx context.Context, v View) error {
	before := a.look()
	removed := a.gone(&before, v)
	if len(removed) == 0 {
		return nil
	}
	return a.change(ctx, nil, func(s *State) error {
		for _, o := range removed {
			if p := s.Peers[o]; p.Epoch == before.Peers[o].Epoch { // else it has joined again meanwhile
				p.Standing = Gone
				s.Peers[o] = p
			}
		}
		return nil
	})
}

// gone returns the peers that were removed at least removedWait ago, and those that have left for
// good. A peer whose hand-over this instance knows is not urgent: others act for it. If a member
// only reports that the peer has left, it keeps this instance from acting.
func (a *arrival) gone(s *State, v View) (list []int) {
	for _, o := range slices.Sorted(maps.Keys(s.Peers)) {
		p := s.Peers[o]
		removed := v.removed(o, p.Removals) || p.ForGood && v.absent(o)
		if p.Standing == In && p.ForGood && !a.omit.has(ruleRemoved) {
			list = append(list, o)
			continue
		}
		if p.Standing == Joining || p.Standing == Gone || !removed || a.omit.has(ruleRemoved) {
			delete(a.removedAt, o)
			continue
		}
		since, known := a.removedAt[o]
		if !known {
			a.removedAt[o] = a.now()
		} else if a.now().Sub(since) >= removedWait {
			list = append(list, o)
		}
	}
	return list
}

// pull fetches claims page by page until a peer has no more. With commit the peer stops acting for
// this instance at the last page.
func (a *arrival) pull(ctx context.Context, peer int, commit bool) (Reply, error) {
	for {
		s := a.look()
		m := Message{
			Kind: KindFetch, From: a.ordinal, Standing: s.Standing, Epoch: s.Epoch, Clock: a.latest(), Folder: a.folder,
			After: s.Peers[peer].After, Commit: commit, Removals: s.Removals,
		}
		reply, err := a.transport.Send(ctx, peer, m)
		switch {
		case err != nil:
			return reply, fmt.Errorf("fetch claims from instance %d: %w", peer, err)
		case reply.Answer == Stale:
			// The peer knows a later epoch of this instance, whose folder was lost.
			_ = a.change(ctx, nil, func(s *State) error {
				s.Epoch = max(a.nextEpoch(s), reply.Clock+1)
				return nil
			})
			return reply, errWaiting
		case reply.Answer != Done:
			return reply, errWaiting
		case len(reply.Claims) > PageSize || reply.More && reply.Next <= m.After:
			return reply, fmt.Errorf("instance %d sent %d claims after position %d, and %d as the next position", peer,
				len(reply.Claims), m.After, reply.Next)
		}
		other := s.Peers[peer].Folder != reply.Folder && m.After > 0
		if err := a.keepPage(ctx, peer, reply, other, commit); err != nil {
			return reply, err
		}
		if !reply.More && !other {
			return reply, nil
		}
	}
}

// keepPage records what a peer has answered to a fetch. other says that the page does not follow
// what this instance has, because the peer has another state folder now.
func (a *arrival) keepPage(ctx context.Context, peer int, reply Reply, other, commit bool) error {
	return a.change(ctx, reply.Claims, func(s *State) error {
		a.seen(s, peer, reply)
		p := s.Peers[peer]
		if !other {
			p.After = reply.Next
		}
		s.Peers[peer] = p
		if commit && !reply.More && !other && s.Standing == In && !slices.Contains(s.Settled, peer) {
			s.Settled = append(s.Settled, peer)
		}
		return nil
	})
}
