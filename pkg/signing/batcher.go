package signing

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// BatchConfig says when digests that wait for a credential leave as one call.
type BatchConfig struct {
	// Quiet is how long nothing may have come before a call that is not full leaves an idle
	// credential. 0 = 5 ms: requests that were sent together arrive within it, and beside a remote
	// signature of 100 ms and more nobody notices. It is cut to a tenth of what the credential's calls
	// have taken lately, so that a fast local key is not waited for. Where clients have just shared a
	// call, most come back together with their next request: until as many digests wait as then, it is
	// a third of that time, twenty times Quiet at most. Who comes while a call is in flight waits for
	// its end, so that too short a time costs a whole call's.
	Quiet time.Duration
	// MaxWaitSync and MaxWaitAsync bound the wait of the oldest digest while other calls of the
	// credential are in flight and its own call is not full. 0 = 500 ms and 1 s.
	MaxWaitSync, MaxWaitAsync time.Duration
	// CallTimeout bounds one call. 0 = 2 minutes: services that ask a person or poll an HSM take tens
	// of seconds; after that an answer is not expected and the outcome is unknown.
	CallTimeout time.Duration
}

func (c *BatchConfig) setDefaults() {
	setDefault(&c.Quiet, 5*time.Millisecond)
	setDefault(&c.MaxWaitSync, 500*time.Millisecond)
	setDefault(&c.MaxWaitAsync, time.Second)
	setDefault(&c.CallTimeout, 2*time.Minute)
}

// item is one digest on its way to the provider.
type item struct {
	ref           Ref
	digest        []byte
	clientService string
	waiting       bool

	since     time.Time
	withdrawn bool  // its caller is gone; guarded by batcher.mu
	err       error // set before done is called; nil = the signature value is stored
	done      func()
}

// batcher queues digests and merges those of independent operations into calls. It is safe for
// concurrent use.
type batcher struct {
	cfg    *Config
	caller *caller

	mu     sync.Mutex
	queues map[queueKey]*credentialQueue
	lately map[queueKey]experience // one for each credential used since the start
}

// queueKey tells credentials apart; a renewed certificate is another one, since the digests were
// made for the old.
type queueKey struct {
	name        string
	certificate [sha256.Size]byte
}

func keyOf(c *Credential) queueKey { return queueKey{c.Name, sha256.Sum256(c.Certificate().Raw)} }

func newBatcher(cfg *Config, caller *caller) *batcher {
	return &batcher{
		cfg:    cfg,
		caller: caller,
		queues: make(map[queueKey]*credentialQueue),
		lately: make(map[queueKey]experience),
	}
}

// sign hands items to the provider, merged with whatever else waits for the credential, and returns
// when each has its end. ctx may be cancelled for items that have not left; one that is part of a
// call is waited for.
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
	q.provider, q.credential = p, c // the same key; newer settings win
	q.add(items, now)
	b.mu.Unlock()

	stop := context.AfterFunc(ctx, func() { b.withdraw(q, items) })
	defer stop()
	all.Wait()
}

// withdraw takes back items that have not left.
func (b *batcher) withdraw(q *credentialQueue, items []*item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, it := range items {
		it.withdrawn = true
	}
	for _, it := range q.lanes.remove(items) {
		it.err = errStopping()
		it.done()
	}
	q.pump(time.Now())
}

func errStopping() error { return Errorf(KindBusy, "the service is stopping").Retryable(0) }

// credentialQueue is what waits for one credential. All of it is guarded by batcher.mu.
type credentialQueue struct {
	b          *batcher
	key        queueKey
	provider   Provider
	credential *Credential
	lanes      lanes
	inFlight   int
	lastAdded  time.Time
	timer      *time.Timer
}

func (q *credentialQueue) add(items []*item, now time.Time) {
	q.lanes.add(items)
	q.lastAdded = now
	q.pump(now)
}

// pump sends what may leave now, and sets the timer for what may leave later.
func (q *credentialQueue) pump(now time.Time) {
	q.returnThrottled(now)
	for q.lanes.n > 0 && q.inFlight < q.limit(now) {
		wait := q.delay(now)
		if wait > 0 {
			q.wakeIn(wait)
			return
		}
		items := q.lanes.take(max(1, q.credential.MaxBatch))
		q.inFlight++
		go q.send(q.provider, q.credential, items)
	}
	if q.lanes.n == 0 && q.inFlight == 0 && q.b.queues[q.key] == q {
		delete(q.b.queues, q.key)
	}
}

// delay returns how long the next call has to wait, for the end of a back-off or for more digests.
// It returns 0 when the call may start now.
func (q *credentialQueue) delay(now time.Time) time.Duration {
	rest, _ := q.b.caller.throttle.remaining(q.key, now)
	return max(rest, q.mergeDelay(now))
}

// mergeDelay returns how long the next call has to wait for more digests.
func (q *credentialQueue) mergeDelay(now time.Time) time.Duration {
	cfg := q.b.cfg.Batch
	if q.lanes.n >= q.credential.MaxBatch {
		return 0
	}
	wait := q.lanes.oldest(false).Add(cfg.MaxWaitAsync).Sub(now)
	if sync := q.lanes.oldest(true); !sync.IsZero() {
		wait = min(wait, sync.Add(cfg.MaxWaitSync).Sub(now))
	}
	if q.inFlight == 0 {
		quiet := cfg.Quiet
		if lately := q.b.lately[q.key]; q.lanes.n < lately.shared {
			quiet = min(20*quiet, lately.took/3)
		} else if lately.took > 0 {
			quiet = min(quiet, lately.took/10)
		}
		wait = min(wait, q.lastAdded.Add(quiet).Sub(now))
	}
	return max(0, wait)
}

func (q *credentialQueue) wakeIn(d time.Duration) {
	if q.timer != nil {
		q.timer.Stop()
	}
	q.timer = time.AfterFunc(d, func() {
		q.b.mu.Lock()
		defer q.b.mu.Unlock()
		q.pump(time.Now())
	})
}

// send makes one call and gives its place free.
func (q *credentialQueue) send(p Provider, c *Credential, items []*item) {
	start := time.Now()
	refused := q.b.caller.call(q.key, p, c, items, newSplitting(len(items)))
	took := time.Since(start)
	q.b.mu.Lock()
	defer q.b.mu.Unlock()
	q.inFlight--
	q.putBack(refused)
	q.b.lately[q.key] = q.b.lately[q.key].after(items, took)
	q.pump(time.Now())
}

// experience is what calls of a credential have been like.
type experience struct {
	took   time.Duration // moving average
	shared int           // digests of calls that several operations shared; fades
}

// after is the experience with one more call.
func (e experience) after(items []*item, took time.Duration) experience {
	if e.took == 0 {
		e.took = took
	}
	e.took = (7*e.took + took) / 8
	if len(items) < e.shared { // a call of more left at once: it does not say that nobody else came
		e.shared = e.shared * 3 / 4
	}
	for _, it := range items {
		if it.ref.Operation != items[0].ref.Operation {
			e.shared = max(e.shared, len(items))
			break
		}
	}
	return e
}

// limit returns how many calls may be in flight. It returns 0 while the credential is read again,
// and 1 while nothing shows yet that the service signs with its certificate.
func (q *credentialQueue) limit(now time.Time) int {
	switch {
	case q.b.caller.renewals.underWay(q.key):
		return 0
	case !q.b.caller.proofs.proven(q.key, now):
		return 1
	}
	return q.b.caller.throttle.limit(q.key, max(1, q.credential.InFlight))
}

// returnThrottled returns all items to their operations when the credential's back-off is longer
// than an operation waits between two tries. Nothing was sent. The operation reports that a retry
// is planned, and when.
func (q *credentialQueue) returnThrottled(now time.Time) {
	rest, reason := q.b.caller.throttle.remaining(q.key, now)
	if rest <= q.b.cfg.Backoff || q.lanes.n == 0 {
		return
	}
	reason.Unknown, reason.RetryAfter = false, rest
	for _, it := range q.lanes.take(q.lanes.n) {
		it.err = &reason
		it.done()
	}
}

// putBack returns items to the front of the queue that the service refused only because there were
// too many requests. They do not use up a try of their operations.
func (q *credentialQueue) putBack(items []*item) {
	waiting := items[:0]
	for _, it := range items {
		if it.withdrawn {
			it.err = errStopping()
			it.done()
			continue
		}
		waiting = append(waiting, it)
	}
	q.lanes.putBack(waiting)
}
