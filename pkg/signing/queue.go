package signing

import (
	"context"
	"sync"
	"time"
)

// busyRetryAfter is the Retry-After of a refused client. A few batches are signed in that time.
const busyRetryAfter = 5 * time.Second

// entry is an operation in the queue.
type entry struct {
	id            ID
	clientService string
	documents     int
	waiting       bool
	since         time.Time // accepted
}

// queue holds the operations that were accepted and have not ended. It is bounded in documents. An
// eighth of it is reserved for client services that have less than that in it, so that the backlog
// of one client service does not keep others out. Operations with a waiting client have a lane of
// their own, so that they never wait behind a large batch. It is safe for concurrent use.
type queue struct {
	mu       sync.Mutex
	max      int
	open     bool
	queued   int                // documents that were reserved and not released
	byClient map[string]int     // part of queued, by client service
	coming   int                // operations for which room was reserved, and that are not yet pushed or released
	lanes    [2]lane            // 0: a client waits, 1: no client waits
	since    map[ID]time.Time   // acceptance time of all operations that have not ended
	timers   map[ID]*time.Timer // of operations that wait for their next try
	changed  chan struct{}      // capacity 1: something may be ready to run
}

func newQueue(maxDocuments int) *queue {
	return &queue{
		max:      maxDocuments,
		byClient: make(map[string]int),
		lanes:    [2]lane{newLane(), newLane()},
		since:    make(map[ID]time.Time),
		timers:   make(map[ID]*time.Timer),
		changed:  make(chan struct{}, 1),
	}
}

// admit returns KindBusy if there is no room for n more documents of a client service.
func (q *queue) admit(client string, n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.admitLocked(client, n)
}

func (q *queue) admitLocked(client string, n int) error {
	kept := q.max / 8 // one request of the largest documented size, at the default
	switch {
	case !q.open:
		return Errorf(KindBusy, "the service is starting or stopping").Retryable(busyRetryAfter)
	case q.queued == 0: // accept even a request larger than the whole queue: the API has checked its size
		return nil
	case q.queued+n > q.max:
		return Errorf(KindBusy, "the queue is full").Retryable(busyRetryAfter)
	case q.queued+n > q.max-kept && q.byClient[client]+n > kept:
		return Errorf(KindBusy, "the queue is full but for client services with less in it").Retryable(busyRetryAfter)
	}
	return nil
}

// reserve reserves room for n documents of a client service. KindBusy if there is none.
func (q *queue) reserve(client string, n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.admitLocked(client, n); err != nil {
		return err
	}
	q.count(client, n)
	q.coming++
	return nil
}

// release gives back reserved room of an operation that was not stored.
func (q *queue) release(client string, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count(client, -n)
	q.coming--
	q.signal()
}

// count adds n to the documents that a client service has in the queue; n may be negative. The
// caller holds mu.
func (q *queue) count(client string, n int) {
	q.queued += n
	if q.byClient[client] += n; q.byClient[client] == 0 {
		delete(q.byClient, client)
	}
}

// push adds an operation for which room was reserved.
func (q *queue) push(e entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.since[e.id] = e.since
	q.coming--
	q.pushLocked(e)
}

// restore adds an operation that was found at the start. It ignores the bound, because the
// operation was accepted before.
func (q *queue) restore(e entry, after time.Duration) {
	q.mu.Lock()
	q.count(e.clientService, e.documents)
	q.since[e.id] = e.since
	q.mu.Unlock()
	q.later(e, after)
}

func (q *queue) pushLocked(e entry) {
	q.lane(e).push(e)
	q.signal()
}

func (q *queue) lane(e entry) *lane {
	if e.waiting {
		return &q.lanes[0]
	}
	return &q.lanes[1]
}

// later puts an operation back into its lane after a pause. From then on it counts as an operation
// that nobody waits for.
func (q *queue) later(e entry, after time.Duration) {
	e.waiting = false
	q.mu.Lock()
	defer q.mu.Unlock()
	if after <= 0 {
		q.pushLocked(e)
		return
	}
	q.timers[e.id] = time.AfterFunc(after, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.timers, e.id)
		q.pushLocked(e)
	})
}

func (q *queue) signal() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// next waits for an operation that may run and returns it. It returns false when ctx is done.
func (q *queue) next(ctx context.Context) (entry, bool) {
	for {
		if ctx.Err() != nil {
			return entry{}, false
		}
		if e, ok, _ := q.take(len(q.lanes)); ok {
			return e, true
		}
		select {
		case <-ctx.Done():
			return entry{}, false
		case <-q.changed:
		}
	}
}

// nextWaiting returns an operation that a client waits for. It returns false when there is none and
// none is being stored, or when ctx is done. The queue must be closed.
func (q *queue) nextWaiting(ctx context.Context) (entry, bool) {
	for {
		e, ok, coming := q.take(1)
		if ok || coming == 0 {
			return e, ok
		}
		select {
		case <-ctx.Done():
			return entry{}, false
		case <-q.changed:
		}
	}
}

// take removes and returns the next operation of the first lanes. coming is how many more may come.
func (q *queue) take(lanes int) (e entry, ok bool, coming int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range lanes {
		if e, ok := q.lanes[i].take(); ok {
			return e, true, q.coming
		}
	}
	return entry{}, false, q.coming + q.lanes[0].waiting()
}

// done says that work on an operation taken by next is over. ended says that the operation does not
// come back.
func (q *queue) done(e entry, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lane(e).done(e)
	if ended {
		q.count(e.clientService, -e.documents)
		delete(q.since, e.id)
	}
	q.signal()
}

// setOpen sets whether the queue accepts operations. When it is closed, planned tries are not
// started any more.
func (q *queue) setOpen(open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = open
	if !open {
		for _, t := range q.timers {
			t.Stop()
		}
	}
}

func (q *queue) stats(now time.Time) Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	st := Stats{QueuedDocuments: q.queued, ActiveOperations: q.lanes[0].running + q.lanes[1].running}
	for _, since := range q.since {
		st.OldestQueued = max(st.OldestQueued, now.Sub(since))
	}
	return st
}
