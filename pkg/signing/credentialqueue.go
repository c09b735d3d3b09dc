package signing

import "time"

// credentialQueue holds the items that wait for one credential. batcher.mu guards all of it.
type credentialQueue struct {
	b          *batcher
	key        credentialKey
	provider   Provider
	credential *Credential
	items      itemQueue
	inFlight   int
	lastAdded  time.Time
	timer      *time.Timer
}

func (q *credentialQueue) add(items []*item, now time.Time) {
	q.items.add(items)
	q.lastAdded = now
	q.startCalls(now)
}

// startCalls sends the calls that may start now, and sets the timer for the next one.
func (q *credentialQueue) startCalls(now time.Time) {
	q.returnThrottled(now)
	for q.items.size() > 0 && q.inFlight < q.limit(now) {
		wait := q.delay(now)
		if wait > 0 {
			q.startCallsAfter(wait)
			return
		}
		q.inFlight++
		go q.send(batch{q.key, q.provider, q.credential, q.items.take(max(1, q.credential.MaxBatch))})
	}
	if q.items.size() == 0 && q.inFlight == 0 && q.b.queues[q.key] == q {
		delete(q.b.queues, q.key)
	}
}

// delay returns how long the next call has to wait, for the end of a back-off or for more digests.
// It returns 0 when the call may start now.
func (q *credentialQueue) delay(now time.Time) time.Duration {
	rest, _ := q.b.calls.throttle.remaining(q.key, now)
	return max(rest, q.mergeDelay(now))
}

// mergeDelay returns how long the next call has to wait for more digests.
func (q *credentialQueue) mergeDelay(now time.Time) time.Duration {
	cfg := q.b.cfg.Batch
	if q.items.size() >= q.credential.MaxBatch {
		return 0
	}
	wait := q.items.oldest(false).Add(cfg.MaxWaitAsync).Sub(now)
	if sync := q.items.oldest(true); !sync.IsZero() {
		wait = min(wait, sync.Add(cfg.MaxWaitSync).Sub(now))
	}
	if q.inFlight == 0 {
		if q.credential.Free {
			return 0 // a call costs no round trip that is worth sharing
		}
		quiet := cfg.Quiet
		if recent := q.b.history[q.key]; q.items.size() < recent.shared {
			quiet = min(20*quiet, recent.took/3)
		} else if recent.took > 0 {
			quiet = min(quiet, recent.took/10)
		}
		wait = min(wait, q.lastAdded.Add(quiet).Sub(now))
	}
	return max(0, wait)
}

func (q *credentialQueue) startCallsAfter(d time.Duration) {
	if q.timer != nil {
		q.timer.Stop()
	}
	q.timer = time.AfterFunc(d, func() {
		q.b.mu.Lock()
		defer q.b.mu.Unlock()
		q.startCalls(time.Now())
	})
}

// send makes one call and then gives up its place in flight.
func (q *credentialQueue) send(b batch) {
	start := time.Now()
	refused := q.b.calls.sign(b, newSplitting(len(b.items)))
	took := time.Since(start)
	q.b.mu.Lock()
	defer q.b.mu.Unlock()
	q.inFlight--
	q.putBack(refused)
	q.b.history[q.key] = q.b.history[q.key].with(b.items, took)
	q.startCalls(time.Now())
}

// limit returns how many calls may be in flight. It returns 0 while the credential is read again,
// and 1 while no recent signature value shows that the service signs with its certificate.
func (q *credentialQueue) limit(now time.Time) int {
	switch {
	case q.b.calls.renewals.refreshing(q.key):
		return 0
	case !q.b.calls.verifications.verified(q.key, now):
		return 1
	}
	return q.b.calls.throttle.limit(q.key, max(1, q.credential.InFlight))
}

// returnThrottled returns all items to their operations when the credential's back-off is longer
// than an operation waits between two attempts. Nothing was sent. The operation reports that a
// retry is planned, and when.
func (q *credentialQueue) returnThrottled(now time.Time) {
	rest, reason := q.b.calls.throttle.remaining(q.key, now)
	if rest <= q.b.cfg.Backoff || q.items.size() == 0 {
		return
	}
	reason.Unknown, reason.RetryAfter = false, rest
	for _, it := range q.items.take(q.items.size()) {
		it.err = &reason
		it.done()
	}
}

// putBack puts items back to the front of the queue. The service refused them only because there
// were too many requests, so they do not use up an attempt of their operations.
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
	q.items.putBack(waiting)
}

// callHistory describes the recent calls of a credential.
type callHistory struct {
	took   time.Duration // moving average
	shared int           // digests in calls that several operations shared; decays
}

// with returns the history with one more call.
func (h callHistory) with(items []*item, took time.Duration) callHistory {
	if h.took == 0 {
		h.took = took
	}
	h.took = (7*h.took + took) / 8
	if len(items) < h.shared { // fewer clients than expected came together
		h.shared = h.shared * 3 / 4
	}
	for _, it := range items {
		if it.ref.Operation != items[0].ref.Operation {
			h.shared = max(h.shared, len(items))
			break
		}
	}
	return h
}
