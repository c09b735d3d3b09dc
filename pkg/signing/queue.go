package signing

import (
	"context"
	"sync"
	"time"
)

// busyRetryAfter is what a refused client is told: a few batches have been signed by then.
const busyRetryAfter = 5 * time.Second

// entry is an operation in the queue.
type entry struct {
	id            ID
	clientService string
	documents     int
	waiting       bool
	since         time.Time // accepted
}

// queue holds what was accepted and has not ended, bounded in documents. An eighth is for client
// services that hold less than that: the backlog of one keeps nobody out. Operations with a waiting
// client have a lane of their own, so that they never stand behind a night's batch.
type queue struct {
	mu      sync.Mutex
	max     int
	open    bool
	queued  int                // documents reserved and not released
	held    map[string]int     // of them, by client service
	coming  int                // operations for which room was reserved and that are neither pushed nor released
	lanes   [2]lane            // 0: somebody waits, 1: nobody does
	since   map[ID]time.Time   // of all that have not ended
	timers  map[ID]*time.Timer // of those that wait for their next try
	changed chan struct{}      // capacity 1: something may be ready to run
}

func newQueue(maxDocuments int) *queue {
	return &queue{
		max:     maxDocuments,
		held:    make(map[string]int),
		lanes:   [2]lane{newLane(), newLane()},
		since:   make(map[ID]time.Time),
		timers:  make(map[ID]*time.Timer),
		changed: make(chan struct{}, 1),
	}
}

// admit reports KindBusy when n more documents of a client service have no room.
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
	case q.queued == 0: // a request that is larger than the whole queue is let in: its own limits have judged it
		return nil
	case q.queued+n > q.max:
		return Errorf(KindBusy, "the queue is full").Retryable(busyRetryAfter)
	case q.queued+n > q.max-kept && q.held[client]+n > kept:
		return Errorf(KindBusy, "the queue is full but for client services with less in it").Retryable(busyRetryAfter)
	}
	return nil
}

// reserve takes room for n documents.
func (q *queue) reserve(client string, n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.admitLocked(client, n); err != nil {
		return err
	}
	q.hold(client, n)
	q.coming++
	return nil
}

// release gives reserved room back.
func (q *queue) release(client string, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hold(client, -n)
	q.coming--
	q.signal()
}

// hold counts documents that a client service has in the queue, or has no more.
func (q *queue) hold(client string, n int) {
	q.queued += n
	if q.held[client] += n; q.held[client] == 0 {
		delete(q.held, client)
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

// restore adds an operation found at start, beyond any bound: it was accepted once.
func (q *queue) restore(e entry, after time.Duration) {
	q.mu.Lock()
	q.hold(e.clientService, e.documents)
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

// later puts an operation back into its lane after a while. By then nobody waits for it any more.
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

// next returns an operation to run; false when ctx is done.
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

// nextWaiting returns an operation that a client waits for; false when there is none and none is
// being stored any more, or ctx is done. The queue must be closed.
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

// take removes the next operation of the first so many lanes, and tells how many are coming.
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

// done says that an operation taken by next is not being worked on any more; ended, that it will
// not come back.
func (q *queue) done(e entry, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lane(e).done(e)
	if ended {
		q.hold(e.clientService, -e.documents)
		delete(q.since, e.id)
	}
	q.signal()
}

// setOpen lets operations in, or no more.
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
