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
	if !msg.Last {
		err = m.decide(func(s *State) error {
			reply, err = m.keepHandedOver(ctx, s, msg)
			return err
		})
		return reply, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch refusal := m.refuses(&m.state, msg); {
	case refusal != "":
		return m.told(&m.state, refusal), nil
	case !slices.Contains(msg.Heirs, m.ordinal):
		return m.told(&m.state, Declined), nil
	}
	_, err = m.changeLocked(ctx, nil, func(s *State) error {
		p := s.Peers[msg.From]
		p.Standing, p.Epoch, p.ForGood = Out, msg.Epoch, msg.ForGood
		p.Heirs, p.Held, p.Folder = msg.Heirs, msg.Held, msg.Folder
		s.Peers[msg.From] = p
		m.merge(s, msg.Clock)
		return nil
	})
	if err != nil {
		return Reply{}, err
	}
	return m.told(&m.state, Done), nil
}

// refuses returns the answer to a hand-over that this instance does not take; empty = it takes it.
func (m *membership) refuses(s *State, msg Message) Answer {
	p, known := s.Peers[msg.From]
	switch {
	case s.Standing != In || m.leaving || len(s.Heirs) > 0:
		return Declined
	case !known || p.Epoch > msg.Epoch && !m.omit.has(ruleEpoch):
		return Stale
	}
	return ""
}

// keepHandedOver stores claims of a peer that leaves. Call it within decide: claims of other
// messages go on meanwhile, and this instance does not stop in the middle.
func (m *membership) keepHandedOver(ctx context.Context, s *State, msg Message) (Reply, error) {
	if refusal := m.refuses(s, msg); refusal != "" {
		return m.told(s, refusal), nil
	}
	position, err := m.table.Save(ctx, nil, msg.Claims)
	if err != nil {
		return Reply{}, fmt.Errorf("keep claims of a hand-over: %w", err)
	}
	m.advance(msg.Claims)
	reply := m.told(s, Done)
	reply.Next = position
	return reply, nil
}

// fetch gives a peer that joins or returns the claims of the keys for which it outranks this
// instance. With Commit and when no claim is left, this instance stops acting for the peer.
//
// A peer that returns must wait until this instance has fetched its own claims back. A peer that
// joins need not, because it asks all members.
func (m *membership) fetch(ctx context.Context, msg Message) (reply Reply, err error) {
	if !msg.Commit {
		err = m.decide(func(*State) error { // claims go on meanwhile
			reply, err = m.fetchPage(ctx, msg)
			return err
		})
		return reply, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fetchPage(ctx, msg)
}

// fetchPage is fetch while the State is locked, with Commit for writing.
func (m *membership) fetchPage(ctx context.Context, msg Message) (reply Reply, err error) {
	s := &m.state
	p, known := s.Peers[msg.From]
	switch {
	case known && p.Epoch > msg.Epoch && !m.omit.has(ruleEpoch):
		reply = m.told(s, Stale)
		reply.Clock = p.Epoch
		return reply, nil
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
// void when its sender has a later epoch: it was back since. This instance takes over from a peer
// that has left for good without telling it; see arrival.gone.
func (m *membership) seen(s *State, peer int, reply Reply) {
	p := s.Peers[peer]
	if p.Folder != reply.Folder {
		p.After = 0
	}
	if reply.Epoch >= p.Epoch && reply.Standing == In {
		p = Peer{Epoch: reply.Epoch, Standing: In, Removals: max(p.Removals, reply.Removals), After: p.After}
	}
	p.Folder = reply.Folder
	s.Peers[peer] = p
	for _, other := range append(reply.Members, Member{Ordinal: peer, Epoch: reply.Epoch}) {
		o := s.Peers[other.Ordinal]
		if o.Standing == Out && other.Epoch > o.Epoch && other.Ordinal != m.ordinal {
			o.Standing, o.Epoch, o.ForGood, o.Heirs, o.Held = In, other.Epoch, false, nil, nil
			s.Peers[other.Ordinal] = o
		}
		if o.Standing == In && other.Left && other.Epoch >= o.Epoch {
			o.ForGood, o.Epoch = true, other.Epoch
			s.Peers[other.Ordinal] = o
		}
	}
	m.merge(s, reply.Clock)
}
