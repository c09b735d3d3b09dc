package keyhome

import (
	"context"
	"sync"
)

// defaultHints bounds the memory of hints to about 10 MB.
const defaultHints = 100_000

// hints remembers which instance holds the operation of an external reference. A hint is told to
// the two homes of the reference. It may be lost or wrong. An instance that follows it and finds
// nothing asks all instances. Hints are kept in memory only, because a lost hint costs questions
// and nothing else. It is safe for concurrent use.
type hints struct {
	requester *requester
	limit     int

	mu     sync.Mutex
	owners map[Key]int
	order  []Key // ring of the keys in owners, the oldest at next
	next   int
}

func newHints(r *requester, limit int) *hints {
	if limit <= 0 {
		limit = defaultHints
	}
	return &hints{requester: r, limit: limit, owners: make(map[Key]int)}
}

// Hint tells the homes of a reference that this instance holds its operation. It waits for both,
// and ignores failures.
func (h *hints) Hint(ctx context.Context, reference Key) {
	m := Message{Kind: KindHint, From: h.requester.ordinal, Claim: Claim{Key: reference, Owner: h.requester.ordinal}}
	for _, home := range h.homes(reference) {
		_, _ = h.requester.send(ctx, home, m) // asking all instances is the fall-back
	}
}

// FindHint returns the instance that probably holds the operation of a reference. ok is false if
// neither home knows. It asks at most two instances, and usually one.
func (h *hints) FindHint(ctx context.Context, reference Key) (owner int, ok bool) {
	m := Message{Kind: KindFindHint, From: h.requester.ordinal, Claim: Claim{Key: reference}}
	for _, home := range h.homes(reference) {
		if reply, err := h.requester.send(ctx, home, m); err == nil && reply.Answer == Known {
			return reply.Owner, true
		}
	}
	return 0, false
}

func (h *hints) homes(reference Key) []int {
	all := h.requester.route(reference)
	return all[:min(len(all), 2)]
}

// keep stores a hint. At the limit it replaces the oldest.
func (h *hints) keep(c Claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.owners[c.Key]; !known {
		if len(h.order) < h.limit {
			h.order = append(h.order, c.Key)
		} else {
			delete(h.owners, h.order[h.next])
			h.order[h.next] = c.Key
			h.next = (h.next + 1) % h.limit
		}
	}
	h.owners[c.Key] = c.Owner
}

func (h *hints) find(reference Key) Reply {
	h.mu.Lock()
	defer h.mu.Unlock()
	if owner, ok := h.owners[reference]; ok {
		return Reply{Answer: Known, Owner: owner, DeferTo: -1}
	}
	return Reply{Answer: Unknown, DeferTo: -1}
}
