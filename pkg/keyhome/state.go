package keyhome

import (
	"hash/fnv"
	"maps"
	"slices"
)

// Standing says whether an instance may act as a home.
type Standing string

const (
	// Joining is the standing of an instance with a new state folder. It must fetch the claims of its
	// keys from all members before it may say that a key is unknown.
	Joining Standing = ""
	// In is the standing of a member.
	In Standing = "in"
	// Out is the standing of a member that handed its claims over and may return.
	Out Standing = "out"
	// Gone is the standing of an instance that left for good. If it returns, it joins.
	Gone Standing = "gone"
)

// State is what an instance knows about itself and its peers. It is saved whenever it changes,
// before any message tells somebody about the change.
type State struct {
	Standing Standing `json:"standing,omitempty"` // of this instance
	// Epoch grows whenever this instance joins, leaves or returns. Messages of an earlier epoch that
	// arrive late are refused.
	Epoch uint64 `json:"epoch,omitempty"`
	// Removals counts how often this instance was removed before it joined; see View.
	Removals uint64 `json:"removals,omitempty"`
	// Clock is not below any version, attempt or epoch that this instance has used.
	Clock uint64 `json:"clock,omitempty"`
	// Heirs lists the peers that may act for this instance because it handed claims over to them. It
	// is emptied when all of them are settled.
	Heirs []int `json:"heirs,omitempty"`
	// Settled lists the heirs from which this instance has fetched its claims back.
	Settled []int        `json:"settled,omitempty"`
	Peers   map[int]Peer `json:"peers,omitempty"` // by ordinal
}

// Peer is what an instance knows about another.
type Peer struct {
	Epoch    uint64   `json:"epoch"`
	Standing Standing `json:"standing"` // In, Out or Gone; Out also after a hand-over for good
	// ForGood says that the peer has left for good. With In, a member has said so, and this instance
	// has not taken over yet.
	ForGood  bool   `json:"forGood,omitempty"`
	Folder   string `json:"folder,omitempty"`   // identity of its state folder
	Removals uint64 `json:"removals,omitempty"` // State.Removals of the peer
	// Heirs lists the instances that the peer handed its claims over to: each key's claim to the one
	// that ranks highest.
	Heirs []int `json:"heirs,omitempty"`
	// Held gives the epochs of the hand-overs that the peer had received when it left, also of those
	// whose senders were removed since. It has passed their claims on.
	Held map[int]uint64 `json:"held,omitempty"`
	// After is the position in the peer's table up to which this instance has fetched its claims.
	After int64 `json:"after,omitempty"`
}

// left reports whether the peer is not a member any more, and is not waited for.
func (p Peer) left() bool { return p.Standing == Gone || p.ForGood }

// clone returns a copy that shares nothing that is changed.
func (s State) clone() State {
	s.Heirs = slices.Clone(s.Heirs)
	s.Settled = slices.Clone(s.Settled)
	s.Peers = maps.Clone(s.Peers)
	if s.Peers == nil {
		s.Peers = make(map[int]Peer)
	}
	return s
}

// certain reports whether nobody else can act any more for this instance on a key. An instance that
// returned is certain about the keys whose heir is settled.
func (s *State) certain(k Key) bool {
	heir := top(k, s.Heirs)
	return heir < 0 || slices.Contains(s.Settled, heir)
}

// heirActs reports whether the hand-over of peer q lets instance self act on a key: q gave the
// claim to self, or to another instance that had it when it left in turn.
func (s *State) heirActs(k Key, q, self int, omit rules) bool {
	p := s.Peers[q]
	heir := top(k, p.Heirs)
	if heir == self || heir < 0 {
		return heir == self
	}
	next := s.Peers[heir]
	if next.Standing == Gone {
		return true // this instance has taken over from the heir
	}
	return next.Standing == Out && (next.Held[q] == p.Epoch || omit.has(rulePassedOn))
}

// supersede forgets that claims were handed over to an earlier life of a peer that joins again: it
// fetches them from all members.
func (s *State) supersede(joining int) {
	for q, p := range s.Peers {
		if p.Standing == Out && slices.Contains(p.Heirs, joining) {
			p.Heirs = slices.DeleteFunc(slices.Clone(p.Heirs), func(o int) bool { return o == joining })
			s.Peers[q] = p
		}
	}
}

// fetchAll makes this instance fetch all claims of its peers once more. What a peer had before is
// not enough for an instance that joins: the peer may have got claims from a third instance, for
// keys for which this instance did not act then.
func (s *State) fetchAll() {
	for q, p := range s.Peers {
		p.After = 0
		s.Peers[q] = p
	}
}

// blocker returns the highest ranked peer that keeps instance self from acting as the home of a
// key, and -1 if self may act. A peer that is not a member yet keeps nobody from acting.
func (s *State) blocker(k Key, self int, omit rules) int {
	blocker := -1
	for q, p := range s.Peers {
		if p.Standing == Joining || p.Standing == Gone || !outranks(k, q, self) ||
			p.Standing == Out && s.heirActs(k, q, self, omit) {
			continue
		}
		if blocker < 0 || outranks(k, q, blocker) {
			blocker = q
		}
	}
	return blocker
}

// known reports whether the instance knows the peer as a member, present or former.
func (s *State) known(peer int) bool {
	p, ok := s.Peers[peer]
	return ok && p.Standing != Joining
}

// members returns the other members, ordered by ordinal: the instances that are in, and those that
// are out and may return.
func (s *State) members() (list []int) {
	for q, p := range s.Peers {
		if p.Standing != Joining && !p.left() {
			list = append(list, q)
		}
	}
	slices.Sort(list)
	return list
}

// inside returns the other members that are in, ordered by ordinal.
func (s *State) inside() (list []int) {
	for q, p := range s.Peers {
		if p.Standing == In && !p.ForGood {
			list = append(list, q)
		}
	}
	slices.Sort(list)
	return list
}

// tag identifies a state folder in an Entry.
func tag(folder string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(folder)) // never fails
	return max(h.Sum64(), 1)
}
