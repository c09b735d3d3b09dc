package store

import (
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// readTime is how long retention spares an operation for one who reads it: 2,500 documents of 200
// KB at 1 Mbit/s take over an hour. Whoever reads slower, by intent perhaps, does not hold the disk
// for ever.
const readTime = 2 * time.Hour

// beingRead are operations whose documents are read one after the other.
type beingRead struct {
	mu sync.Mutex
	by map[signing.ID]reading
}

type reading struct {
	count int
	until time.Time
}

// Reading keeps retention from removing an operation until done is called, for two hours at most.
// Its owner may remove it all the same.
func (s *Store) Reading(id signing.ID) (done func()) {
	r := &s.beingRead
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = make(map[signing.ID]reading)
	}
	r.by[id] = reading{r.by[id].count + 1, time.Now().Add(readTime)}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		one := r.by[id]
		if one.count--; one.count == 0 {
			delete(r.by, id)
			return
		}
		r.by[id] = one
	}
}

// spared are those that retention leaves alone, as an idList.
func (r *beingRead) spared(now time.Time) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]int64, 0, len(r.by))
	for id, one := range r.by {
		if now.Before(one.until) {
			ids = append(ids, int64(id))
		}
	}
	return idList(ids)
}
