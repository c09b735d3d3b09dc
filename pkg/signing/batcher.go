package signing

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// BatchConfig says when digests that wait for a credential are sent as one call.
type BatchConfig struct {
	// Quiet is how long no digest may have arrived before a call that is not full is sent to an idle
	// credential. 0 = 5 ms: requests that were sent together arrive within that time, and nobody
	// notices it beside a remote signature of 100 ms and more.
	//
	// The time is at most a tenth of what the credential's recent calls have taken, so that there is
	// no long wait for a fast local key. Clients that have just shared a call mostly come back
	// together with their next request. Until as many digests wait as in that call, the time is a
	// third of what recent calls have taken, and at most twenty times Quiet. A digest that arrives
	// while a call is in flight waits for the end of that call, so too short a time costs the time of
	// a whole call.
	Quiet time.Duration
	// MaxWaitSync and MaxWaitAsync limit how long the oldest digest waits while other calls of the
	// credential are in flight and its own call is not full. 0 = 500 ms and 1 s.
	MaxWaitSync, MaxWaitAsync time.Duration
	// CallTimeout limits one call. 0 = 2 minutes: services that ask a person or poll an HSM take tens
	// of seconds. After that time no answer is expected, and the outcome is unknown.
	CallTimeout time.Duration
}

func (c *BatchConfig) setDefaults() {
	setDefault(&c.Quiet, 5*time.Millisecond)
	setDefault(&c.MaxWaitSync, 500*time.Millisecond)
	setDefault(&c.MaxWaitAsync, time.Second)
	setDefault(&c.CallTimeout, 2*time.Minute)
}

// item is one digest that waits for its signature value.
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

// batcher queues digests and merges the digests of independent operations into calls. It is safe
// for concurrent use.
type batcher struct {
	cfg    *Config
	caller *caller

	mu     sync.Mutex
	queues map[queueKey]*credentialQueue
	lately map[queueKey]experience // one for each credential used since the start
}

// queueKey identifies a credential with its certificate. A renewed certificate makes another key,
// because the digests were made for the old certificate.
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
	for _, it := range q.lanes.remove(items) {
		it.err = errStopping()
		it.done()
	}
	q.pump(time.Now())
}

func errStopping() error { return Errorf(KindBusy, "the service is stopping").Retryable(0) }

// credentialQueue holds the items that wait for one credential. batcher.mu guards all of it.
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

// pump sends the calls that may start now, and sets the timer for the next one.
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

// send makes one call and then gives up its place in flight.
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

// experience describes the recent calls of a credential.
type experience struct {
	took   time.Duration // moving average
	shared int           // digests in calls that several operations shared; decays
}

// after returns the experience with one more call.
func (e experience) after(items []*item, took time.Duration) experience {
	if e.took == 0 {
		e.took = took
	}
	e.took = (7*e.took + took) / 8
	if len(items) < e.shared { // a larger call is sent at once, so it does not show that nobody else came
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
