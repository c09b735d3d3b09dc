package store

import (
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// readTime is how long retention keeps an operation for a reader. Reading 2,500 documents of 200 KB
// at 1 Mbit/s takes over an hour. The bound keeps a slow reader, who may be slow on purpose, from
// holding the disk for ever.
const readTime = 2 * time.Hour

// readers are the operations whose documents are being read one after the other. It is safe for
// concurrent use.
type readers struct {
	mu sync.Mutex
	by map[signing.ID]reading
}

type reading struct {
	count int
	until time.Time
}

// Reading keeps retention from removing an operation until done is called, for two hours at most.
// The owner of the operation can still remove it.
func (r *readers) Reading(id signing.ID) (done func()) {
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

// kept returns the operations that retention must not remove now, as an idList.
func (r *readers) kept(now time.Time) string {
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
