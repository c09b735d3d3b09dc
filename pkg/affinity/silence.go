package affinity

import (
	"sync"
	"time"
)

const (
	// minRetryAfter is the Retry-After when an instance has just become silent. A connection may have
	// broken off, and the next question may be answered.
	minRetryAfter = time.Second
	// maxRetryAfter bounds the Retry-After of an instance that is silent for long. A client that waits
	// longer would notice late that the instance is back.
	maxRetryAfter = 10 * time.Second
	// silenceGap is the time without a question after which an earlier silence means nothing. The
	// instance may have been back meanwhile.
	silenceGap = time.Minute
)

// silences knows for how long each of the other instances has given no useful answer. It is the one
// place that computes the Retry-After of errors about them. The zero value is empty and ready. Safe
// for concurrent use.
type silences struct {
	mu sync.Mutex
	of map[int]silence // by ordinal
}

// silence is a series of questions without a useful answer.
type silence struct{ first, last time.Time }

// unreadDirectory stands for the peers file in silences. It is not an ordinal.
const unreadDirectory = -1

// noAnswer records that an instance gave no useful answer now. It returns when the client may ask
// again: after as long as the instance has been silent, from minRetryAfter to maxRetryAfter.
func (s *silences) noAnswer(ordinal int) (retryAfter time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	one, known := s.of[ordinal]
	if !known || now.Sub(one.last) > silenceGap {
		one.first = now
	}
	one.last = now
	if s.of == nil {
		s.of = make(map[int]silence)
	}
	s.of[ordinal] = one
	return min(max(now.Sub(one.first), minRetryAfter), maxRetryAfter)
}

// answered records that an instance gave a useful answer.
func (s *silences) answered(ordinal int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, ordinal)
}
