package signing

import (
	"context"
	"sync"
	"time"
)

// entry is an operation in the queue.
type entry struct {
	id            ID
	clientService string
	documents     int
	waiting       bool      // a client waits for the result
	since         time.Time // when the operation was accepted
}

// entryOf returns the queue entry of an operation that no client waits for.
func entryOf(op Operation) entry {
	return entry{id: op.ID, clientService: op.ClientService, documents: op.DocumentCount, since: op.Created}
}

// operationQueue holds the operations that were accepted and have not ended. It is bounded in
// documents. It is safe for concurrent use.
type operationQueue struct {
	mu        sync.Mutex
	admission admission
	ready     readyOperations
	reserved  int              // operations for which room was reserved, and that are not yet pushed or released
	since     map[ID]time.Time // acceptance time of all operations that have not ended
	changed   signal           // something may be ready to run
	finishing bool             // after Service.Finish: a stop waits for all operations
}

func newOperationQueue(maxDocuments int) *operationQueue {
	return &operationQueue{
		admission: admission{max: maxDocuments, byClient: make(map[string]int)},
		since:     make(map[ID]time.Time),
		changed:   make(signal, 1),
	}
}

// signal wakes one goroutine that receives from it. Its capacity is 1.
type signal chan struct{}

// send wakes a receiver now, or the next one.
func (s signal) send() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// admit returns KindBusy if there is no room for n more documents of a client service.
func (q *operationQueue) admit(client string, n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.admission.check(client, n)
}

// reserve reserves room for an operation of n documents of a client service. KindBusy if there is
// none. The caller must call push or release.
func (q *operationQueue) reserve(client string, n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.admission.check(client, n); err != nil {
		return err
	}
	q.admission.count(client, n)
	q.reserved++
	return nil
}

// release gives back the reserved room of an operation that was not stored.
func (q *operationQueue) release(client string, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.admission.count(client, -n)
	q.reserved--
	q.changed.send()
}

// push adds an operation for which room was reserved.
func (q *operationQueue) push(e entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.since[e.id] = e.since
	q.reserved--
	q.makeReady(e)
}

// restore adds an operation of an earlier process. It ignores the bound, because the operation was
// accepted before.
func (q *operationQueue) restore(e entry, after time.Duration) {
	q.mu.Lock()
	q.admission.count(e.clientService, e.documents)
	q.since[e.id] = e.since
	q.mu.Unlock()
	q.retryAfter(e, after)
}

// retryAfter makes an operation ready again after a pause. From then on it counts as an operation
// that no client waits for.
func (q *operationQueue) retryAfter(e entry, after time.Duration) {
	e.waiting = false
	ready := func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.makeReady(e)
	}
	if after <= 0 {
		ready()
		return
	}
	time.AfterFunc(after, ready)
}

// makeReady adds an operation to those that may be started now. The caller holds mu.
func (q *operationQueue) makeReady(e entry) {
	q.ready.classOf(e).push(e)
	q.changed.send()
}

// next waits for an operation that may run and returns it. It returns false when ctx is done.
func (q *operationQueue) next(ctx context.Context) (entry, bool) {
	for {
		if ctx.Err() != nil {
			return entry{}, false
		}
		q.mu.Lock()
		e, ok := q.ready.take()
		q.mu.Unlock()
		if ok {
			return e, true
		}
		select {
		case <-ctx.Done():
			return entry{}, false
		case <-q.changed:
		}
	}
}

// nextAtStop returns an operation that must be started although the service stops: one that a
// client waits for, and after finishAll any. It returns false when there will be none, or when ctx
// is done. The queue must be closed.
func (q *operationQueue) nextAtStop(ctx context.Context) (entry, bool) {
	for {
		q.mu.Lock()
		e, ok := q.takeAtStop()
		over := q.reserved == 0 && q.ready.running() == 0
		if q.finishing {
			over = q.reserved == 0 && len(q.since) == 0
		}
		q.mu.Unlock()
		if ok || over {
			return e, ok
		}
		select {
		case <-ctx.Done():
			return entry{}, false
		case <-q.changed:
		}
	}
}

// takeAtStop is take for nextAtStop. The caller holds mu.
func (q *operationQueue) takeAtStop() (entry, bool) {
	if q.finishing {
		return q.ready.take()
	}
	return q.ready.withClient.take()
}

// finishAll makes nextAtStop return all operations.
func (q *operationQueue) finishAll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.finishing = true
	q.changed.send()
}

// drop removes an operation that has ended although nobody was working on it.
func (q *operationQueue) drop(e entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, queued := q.since[e.id]; queued {
		q.admission.count(e.clientService, -e.documents)
		delete(q.since, e.id)
	}
}

// finish says that work on an operation that next or nextAtStop returned is over. ended says that
// the operation does not come back.
func (q *operationQueue) finish(e entry, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ready.classOf(e).finish(e)
	if ended {
		q.admission.count(e.clientService, -e.documents)
		delete(q.since, e.id)
	}
	q.changed.send()
}

// setOpen sets whether the queue accepts operations.
func (q *operationQueue) setOpen(open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.admission.open = open
}

func (q *operationQueue) stats(now time.Time) Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	st := Stats{QueuedDocuments: q.admission.queued, ActiveOperations: q.ready.running()}
	for _, since := range q.since {
		st.OldestQueued = max(st.OldestQueued, now.Sub(since))
	}
	return st
}
