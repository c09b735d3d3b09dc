package keyhome

import (
	"context"
	"fmt"
	"slices"
)

// membership answers peers that leave, join or return.
type membership struct {
	*register
}

// handOver takes over the claims of a peer that leaves. With the last message of a hand-over this
// instance begins to act for the peer.
//
// An instance that waits for heirs of its own takes nothing over. Otherwise instances that return
// at the same time could wait for each other in a circle.
func (m *membership) handOver(ctx context.Context, msg Message) (reply Reply, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	answer := func(a Answer) (Reply, error) { return m.told(&m.state, a), nil }
	p, known := m.state.Peers[msg.From]
	switch {
	case m.state.Standing != In || m.leaving || len(m.state.Heirs) > 0:
		return answer(Declined)
	case !known || p.Epoch > msg.Epoch && !m.omit.has(ruleEpoch):
		return answer(Stale)
	case !msg.Last:
		position, err := m.table.Save(ctx, nil, msg.Claims)
		if err != nil {
			return Reply{}, fmt.Errorf("keep claims of a hand-over: %w", err)
		}
		m.advance(msg.Claims)
		reply = m.told(&m.state, Done)
		reply.Next = position
		return reply, nil
	case !slices.Contains(msg.Heirs, m.ordinal):
		return answer(Declined)
	}
	_, err = m.changeLocked(ctx, nil, func(s *State) error {
		p.Standing, p.Epoch, p.ForGood = Out, msg.Epoch, msg.ForGood
		p.Heirs, p.Held, p.Folder = msg.Heirs, msg.Held, msg.Folder
		s.Peers[msg.From] = p
		m.merge(s, msg.Clock)
		return nil
	})
	if err != nil {
		return Reply{}, err
	}
	return answer(Done)
}

// fetch gives a peer that joins or returns the claims of the keys for which it outranks this
// instance. With Commit and when no claim is left, this instance stops acting for the peer.
//
// A peer that returns must wait until this instance has fetched its own claims back. A peer that
// joins need not, because it asks all members.
func (m *membership) fetch(ctx context.Context, msg Message) (reply Reply, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.state
	p, known := s.Peers[msg.From]
	switch {
	case known && p.Epoch > msg.Epoch && !m.omit.has(ruleEpoch):
		return m.told(s, Stale), nil
	case msg.Commit && !m.admits(msg):
		return m.told(s, Declined), nil
	}
	entries, err := m.table.Page(ctx, msg.After, PageSize)
	if err != nil {
		return Reply{}, fmt.Errorf("read claims: %w", err)
	}
	next, more := msg.After, len(entries) == PageSize
	var claims []Claim
	for i := range entries {
		next = entries[i].Position
		if outranks(entries[i].Key, msg.From, m.ordinal) {
			claims = append(claims, entries[i].Claim)
		}
	}
	if msg.Commit && !more {
		err = m.admit(ctx, msg)
	}
	if err != nil {
		return Reply{}, err
	}
	reply = m.told(s, Done)
	reply.Claims, reply.Next, reply.More = claims, next, more
	return reply, nil
}

// admits reports whether this instance can stop acting for a peer now.
func (m *membership) admits(msg Message) bool {
	if m.leaving || m.state.Standing == Out || m.state.Standing == Gone {
		return false
	}
	return msg.Standing == Joining || m.state.Standing == In && len(m.state.Heirs) == 0
}

// admit records that a peer is in, so that this instance acts for it no more.
func (m *membership) admit(ctx context.Context, msg Message) error {
	p, known := m.state.Peers[msg.From]
	if known && p.Epoch == msg.Epoch && p.Standing == In {
		return nil // the message arrived twice
	}
	_, err := m.changeLocked(ctx, nil, func(s *State) error {
		if p.Folder != msg.Folder {
			p.After = 0 // another table
		}
		s.Peers[msg.From] = Peer{
			Epoch: msg.Epoch, Standing: In, Folder: msg.Folder, Removals: msg.Removals, After: p.After,
		}
		if msg.Standing == Joining {
			s.supersede(msg.From)
		}
		m.merge(s, msg.Clock)
		return nil
	})
	return err
}

// seen records what a reply to a fetch tells about the peer itself and about others. A hand-over is
// void when its sender has a later epoch: it was back since.
func (m *membership) seen(s *State, peer int, reply Reply) {
	p := s.Peers[peer]
	if p.Folder != reply.Folder {
		p.After = 0
	}
	if reply.Epoch >= p.Epoch && reply.Standing == In {
		p = Peer{Epoch: reply.Epoch, Standing: In, Removals: p.Removals, After: p.After}
	}
	p.Folder = reply.Folder
	s.Peers[peer] = p
	for _, other := range append(reply.Members, Member{Ordinal: peer, Epoch: reply.Epoch}) {
		o := s.Peers[other.Ordinal]
		if o.Standing == Out && other.Epoch > o.Epoch && other.Ordinal != m.ordinal {
			o.Standing, o.Epoch, o.ForGood, o.Heirs, o.Held = In, other.Epoch, false, nil, nil
			s.Peers[other.Ordinal] = o
		}
	}
	m.merge(s, reply.Clock)
}
