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
	switch s := a.look(); {
	case s.Standing == Joining:
		return a.join(ctx)
	case s.Standing == In && len(s.Heirs) > 0:
		return a.settle(ctx, &s)
	}
	return nil
}

// settle fetches this instance's claims back from its heirs, each for itself. If an heir has left
// for good, others have its claims. This instance then joins like a new one.
func (a *arrival) settle(ctx context.Context, s *State) error {
	var waiting error
	c := census{self: a.ordinal, replies: make(map[int]Reply)}
	for _, heir := range s.Heirs {
		if slices.Contains(s.Settled, heir) {
			continue
		}
		reply, err := a.pull(ctx, heir, true)
		if reply.Answer != "" {
			c.replies[heir] = reply
		}
		if err != nil {
			waiting = err
		}
	}
	v, lost := a.view(), false
	for _, heir := range s.Heirs {
		p := s.Peers[heir]
		lost = lost || c.left(heir, p.Epoch) || p.left() || v.removed(heir, p.Removals)
	}
	return errors.Join(waiting, a.change(ctx, nil, func(s *State) error {
		switch {
		case len(s.Settled) == len(s.Heirs):
			s.Heirs, s.Settled = nil, nil
		case lost:
			s.Standing, s.Epoch, s.Heirs, s.Settled = Joining, a.tick(), nil, nil
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
	c := census{self: a.ordinal, all: v.all(), replies: make(map[int]Reply)}
	if a.omit.has(ruleJoin) {
		return a.change(ctx, nil, func(s *State) error {
			s.Standing = In
			return nil
		})
	}
	if err := a.forget(ctx, v); err != nil {
		return err
	}
	for _, commit := range []bool{false, true} {
		done := make(map[int]uint64) // epoch of the peer at its reply
		for peer := c.next(done, commit); peer >= 0; peer = c.next(done, commit) {
			reply, err := a.pull(ctx, peer, commit)
			switch {
			case err == nil:
				c.replies[peer] = reply
			case c.mustAnswer(peer) && !a.omit.has(ruleAllMembers):
				return err
			}
			done[peer] = max(c.replies[peer].Epoch, c.members()[peer], 1)
		}
		if !c.complete() && !a.omit.has(ruleAllMembers) {
			return errWaiting
		}
	}
	return a.change(ctx, nil, func(s *State) error {
		s.Standing, s.Heirs, s.Settled = In, nil, nil
		for peer, p := range s.Peers {
			_, answered := c.replies[peer]
			switch {
			case answered && c.mustAnswer(peer):
				p.Standing = In
				s.Peers[peer] = p
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

// forget stops waiting for peers that were removed, because this instance asks all others anyway.
func (a *arrival) forget(ctx context.Context, v View) error {
	s := a.look()
	removed := a.gone(&s, v)
	if len(removed) == 0 {
		return nil
	}
	return a.change(ctx, nil, func(s *State) error {
		for _, o := range removed {
			p := s.Peers[o]
			p.Standing = Gone
			s.Peers[o] = p
		}
		return nil
	})
}

// gone returns the peers that were removed at least removedWait ago, or have left for good.
func (a *arrival) gone(s *State, v View) (list []int) {
	for _, o := range slices.Sorted(maps.Keys(s.Peers)) {
		p := s.Peers[o]
		removed := v.removed(o, p.Removals) || p.ForGood && v.absent(o)
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
				a.merge(s, reply.Clock)
				s.Epoch = a.tick()
				return nil
			})
			return reply, errWaiting
		case reply.Answer != Done:
			return reply, errWaiting
		}
		other := s.Peers[peer].Folder != reply.Folder && m.After > 0
		err = a.change(ctx, reply.Claims, func(s *State) error {
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
		if err != nil {
			return reply, err
		}
		if !reply.More && !other {
			return reply, nil
		}
	}
}

// census finds out which instances are members while one joins.
type census struct {
	self    int
	all     []int // instances that are expected or exist
	replies map[int]Reply
}

// formed reports whether an instance that answered is a member.
func (c *census) formed() bool {
	for _, r := range c.replies {
		if r.Standing == In {
			return true
		}
	}
	return false
}

// members returns the epochs of the members by what the replies say about them.
func (c *census) members() map[int]uint64 {
	latest := make(map[int]Member)
	for peer, r := range c.replies {
		all := r.Members
		if r.Standing == In || !c.formed() {
			all = append(slices.Clone(all), Member{Ordinal: peer, Epoch: r.Epoch})
		}
		for _, m := range all {
			known, ok := latest[m.Ordinal]
			if !ok || m.Epoch > known.Epoch || m.Epoch == known.Epoch && m.Left {
				latest[m.Ordinal] = m
			}
		}
	}
	epochs := make(map[int]uint64)
	for o, m := range latest {
		if !m.Left && o != c.self {
			epochs[o] = m.Epoch
		}
	}
	return epochs
}

// left reports whether a reply says that a peer has left for good since that epoch.
func (c *census) left(peer int, since uint64) bool {
	for _, r := range c.replies {
		for _, m := range r.Members {
			if m.Ordinal == peer && m.Left && m.Epoch >= since {
				return true
			}
		}
	}
	return false
}

// mustAnswer reports whether this instance cannot join without the answer of a peer: it is a
// member, or there are no members yet.
func (c *census) mustAnswer(peer int) bool {
	_, member := c.members()[peer]
	return member
}

// complete reports whether all members have answered, and without members all instances that are
// expected or exist.
func (c *census) complete() bool {
	for o := range c.members() {
		if _, answered := c.replies[o]; !answered {
			return false
		}
	}
	if c.formed() {
		return true
	}
	for _, o := range c.all {
		if _, answered := c.replies[o]; !answered && o != c.self {
			return false
		}
	}
	return true
}

// next returns a peer to ask: a member that was not asked at its present epoch, or unless
// membersOnly another instance that is expected or exists. -1 = there is none.
func (c *census) next(done map[int]uint64, membersOnly bool) int {
	best := -1
	for o, epoch := range c.members() {
		if done[o] < epoch && (best < 0 || o < best) {
			best = o
		}
	}
	for _, o := range c.all {
		if !membersOnly && o != c.self && done[o] == 0 && (best < 0 || o < best) {
			best = o
		}
	}
	return best
}
