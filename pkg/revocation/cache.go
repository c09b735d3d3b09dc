package revocation

import (
	"context"
	"sync"
	"time"
)

const (
	// maxKept bounds the cache: each signing chain and each authority has a handful of entries.
	maxKept = 256
	// maxKeptBytes bounds it in memory; one large CRL takes a good part.
	maxKeptBytes = 32 << 20
	// failurePause is how long a source that failed is left alone, so that a batch of documents does
	// not wait for it one by one.
	failurePause = 15 * time.Second
)

// cache keeps answers and, shortly, failures. The zero value is empty.
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

// first returns the key that would be dropped next anyway.
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

// sized is a value that knows what it takes, in bytes.
type sized interface{ size() int }

// kept returns what is kept under key, or makes it; make says how long it may be kept. Callers at
// the same time share one make, which runs to its end within its own time-outs even if the caller
// goes away: the next one will want it.
func (g *Gatherer) kept(
	ctx context.Context,
	key string,
	produce func(ctx context.Context) (any, time.Time, error),
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
