package limits

import "sync"

// Shares bound how much all requests together hold of something at the same time. The requests of
// one client service may hold half of it. Safe for concurrent use.
type Shares struct {
	all, each int64

	mu       sync.Mutex
	taken    int64
	byClient map[string]int64 // without those that hold nothing
}

// NewShares returns Shares of all units, of which one client service may hold half, but at least
// one.
func NewShares(all int64) *Shares {
	return &Shares{all: all, each: max(all/2, 1), byClient: make(map[string]int64)}
}

// Take takes n units for a client service, which must return them by Give. It reports false, and
// takes nothing, if there are not that many left.
func (s *Shares) Take(client string, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken+n > s.all || s.byClient[client]+n > s.each {
		return false
	}
	s.taken += n
	s.byClient[client] += n
	return true
}

// Give returns n units that Take has taken.
func (s *Shares) Give(client string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken -= n
	if s.byClient[client] -= n; s.byClient[client] == 0 {
		delete(s.byClient, client)
	}
}

// Holding is what one request has taken of Shares. It is not safe for concurrent use.
type Holding struct {
	shares *Shares
	client string
	taken  int64
}

// Hold returns an empty Holding for a request of a client service.
func (s *Shares) Hold(client string) *Holding { return &Holding{shares: s, client: client} }

// Add takes n more units. It reports false, and takes nothing, if there are not that many left.
func (h *Holding) Add(n int64) bool {
	if !h.shares.Take(h.client, n) {
		return false
	}
	h.taken += n
	return true
}

// Release gives back everything that was taken.
func (h *Holding) Release() {
	h.shares.Give(h.client, h.taken)
	h.taken = 0
}
