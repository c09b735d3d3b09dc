package signing

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// item is one digest that waits for its signature value.
type item struct {
	ref           Ref
	digest        []byte
	clientService string
	waiting       bool

	since     time.Time
	withdrawn bool  // its operation does not wait any more; guarded by batcher.mu
	err       error // set before done is called; nil = the signature value is stored
	done      func()
}

// batcher queues digests and merges the digests of independent operations into calls. It is safe
// for concurrent use.
type batcher struct {
	cfg   *Config
	calls *callMaker

	mu      sync.Mutex
	queues  map[credentialKey]*credentialQueue
	history map[credentialKey]callHistory // one for each credential used since the start
}

// credentialKey identifies a credential with its certificate. A renewed certificate makes another
// key, because the digests were made for the old certificate.
type credentialKey struct {
	name        string
	certificate [sha256.Size]byte
}

func keyOf(c *Credential) credentialKey {
	return credentialKey{c.Name, sha256.Sum256(c.Certificate().Raw)}
}

func newBatcher(cfg *Config, calls *callMaker) *batcher {
	return &batcher{
		cfg:     cfg,
		calls:   calls,
		queues:  make(map[credentialKey]*credentialQueue),
		history: make(map[credentialKey]callHistory),
	}
}

// sign sends items to the provider, merged with other items that wait for the credential, and
// returns when each item has its result. If ctx is cancelled, items that have not been sent are
// withdrawn. sign still waits for items that are part of a call.
func (b *batcher) sign(ctx context.Context, p Provider, c *Credential, items []*item) {
	key := keyOf(c)
	var all sync.WaitGroup
	all.Add(len(items))
	now := time.Now()
	for _, it := range items {
		it.since, it.done = now, all.Done
	}
	b.mu.Lock()
	q := b.queues[key]
	if q == nil {
		q = &credentialQueue{b: b, key: key}
		b.queues[key] = q
	}
	q.provider, q.credential = p, c // the key is the same; newer settings replace older ones
	q.add(items, now)
	b.mu.Unlock()

	stop := context.AfterFunc(ctx, func() { b.withdraw(q, items) })
	defer stop()
	all.Wait()
}

// withdraw takes back items that have not been sent.
func (b *batcher) withdraw(q *credentialQueue, items []*item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, it := range items {
		it.withdrawn = true
	}
	for _, it := range q.items.remove(items) {
		it.err = errStopping()
		it.done()
	}
	q.startCalls(time.Now())
}

func errStopping() error { return Errorf(KindBusy, "the service is stopping").Retryable(0) }
