package keyhome

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// strangers remembers which instances have asked about a key while this instance was joining. Such
// an instance may have created the operation, because no instance was a member. So it must answer
// before this instance becomes a member, even if the View does not list it yet. It is safe for
// concurrent use.
type strangers struct {
	mu    sync.Mutex
	asked map[int]time.Time // by ordinal: when it asked last
}

func (s *strangers) note(ordinal int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = make(map[int]time.Time)
	}
	s.asked[ordinal] = now
}

// list returns the instances that asked. It leaves out those that are absent and have not asked for
// removedWait, because they were removed.
func (s *strangers) list(v View, now time.Time) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.asked, func(o int, last time.Time) bool { return v.absent(o) && now.Sub(last) >= removedWait })
	return slices.Sorted(maps.Keys(s.asked))
}
