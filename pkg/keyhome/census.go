package keyhome

import "slices"

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
// expected or exist, of which this instance must be one.
func (c *census) complete() bool {
	for o := range c.members() {
		if _, answered := c.replies[o]; !answered {
			return false
		}
	}
	if c.formed() {
		return true
	}
	if !slices.Contains(c.all, c.self) {
		return false // several instances that nobody expects yet would each become the only member
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
