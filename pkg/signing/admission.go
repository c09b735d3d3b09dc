package signing

import "time"

// busyRetryAfter is the Retry-After of a refused client. A few batches are signed in that time.
const busyRetryAfter = 5 * time.Second

// admission decides which requests the operation queue accepts, and counts the documents in it. An
// eighth of the queue is reserved for client services that have less than that in it, so that the
// backlog of one client service does not keep others out. operationQueue.mu guards it.
type admission struct {
	max      int // documents
	open     bool
	queued   int            // documents that were reserved and not released
	byClient map[string]int // part of queued, by client service
}

// check returns KindBusy if there is no room for n more documents of a client service.
func (a *admission) check(client string, n int) error {
	reserved := a.max / 8 // one request of the largest documented size, at the default
	switch {
	case !a.open:
		return Errorf(KindBusy, "the service is starting or stopping").Retryable(busyRetryAfter)
	case a.queued == 0: // accept even a request larger than the whole queue: the API has checked its size
		return nil
	case a.queued+n > a.max:
		return Errorf(KindBusy, "the queue is full").Retryable(busyRetryAfter)
	case a.queued+n > a.max-reserved && a.byClient[client]+n > reserved:
		return Errorf(KindBusy, "the rest of the queue is reserved for client services with fewer documents in it").
			Retryable(busyRetryAfter)
	}
	return nil
}

// count adds n to the documents that a client service has in the queue; n may be negative.
func (a *admission) count(client string, n int) {
	a.queued += n
	if a.byClient[client] += n; a.byClient[client] == 0 {
		delete(a.byClient, client)
	}
}
