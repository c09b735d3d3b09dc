package revocation

import (
	"context"
	"sync"
	"time"
)

const (
	// maxKept is the largest number of entries. Each signing chain and each authority needs a few.
	maxKept = 256
	// maxKeptBytes is the largest size of the cache in memory. One large CRL takes a good part of it.
	maxKeptBytes = 32 << 20
	// failurePause is how long a source that failed is not asked again, so that the documents of a
	// batch do not wait for it one after another.
	failurePause = 15 * time.Second
)

// cache keeps answers and, for a short time, failures. The zero value is empty.
type cache struct {
	mu      sync.Mutex
	entries map[string]entry
	bytes   int
}

type entry struct {
	value any
	err   error
	size  int
	until time.Time
}

func (c *cache) get(key string, now time.Time) (entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if ok && !now.Before(e.until) {
		c.remove(key)
		return entry{}, false
	}
	return e, ok
}

func (c *cache) put(key string, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = make(map[string]entry)
	}
	c.remove(key)
	for len(c.entries) > 0 && (len(c.entries) >= maxKept || c.bytes+e.size > maxKeptBytes) {
		c.remove(c.first())
	}
	c.entries[key] = e
	c.bytes += e.size
}

func (c *cache) remove(key string) {
	if e, ok := c.entries[key]; ok {
		c.bytes -= e.size
		delete(c.entries, key)
	}
}

// first returns the key of the entry that expires first.
func (c *cache) first() string {
	var first string
	var until time.Time
	for key, e := range c.entries {
		if until.IsZero() || e.until.Before(until) {
			first, until = key, e.until
		}
	}
	return first
}

// sized is a value that knows its size in memory, in bytes.
type sized interface{ size() int }

// cached returns the cached value of key. If there is none, it calls produce, which also returns
// how long the value may be cached. Concurrent callers share one call of produce. That call has its
// own time-outs and runs to its end even if the caller gives up, because the next caller will need
// the value.
func (g *Gatherer) cached(
	ctx context.Context, key string, produce func(ctx context.Context) (any, time.Time, error),
) (any, error) {
	if e, ok := g.cache.get(key, time.Now()); ok {
		return e.value, e.err
	}
	result := g.flights.DoChan(key, func() (any, error) {
		value, until, err := produce(context.WithoutCancel(ctx))
		e := entry{value: value, err: err, until: until}
		if err != nil {
			e = entry{err: err, until: time.Now().Add(failurePause)}
		}
		switch v := value.(type) {
		case []byte:
			e.size = len(v)
		case sized:
			e.size = v.size()
		}
		g.cache.put(key, e)
		return value, err
	})
	select {
	case r := <-result:
		return r.Val, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
