package signing

import (
	"context"
	"slices"
	"sync"
	"time"
)

// ending says how the operations end that have not ended when the service is told to stop. The
// usual stop leaves them to the next start. Finish asks for more. Safe for concurrent use.
type ending struct {
	mu    sync.Mutex
	time  time.Duration // how long they may take after the stop
	timer *time.Timer   // nil until the stop
	why   *Error        // why operations fail that have not ended by then; nil = the next start continues
}

// begin starts the time after which cut is called.
func (e *ending) begin(cut func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.timer = time.AfterFunc(e.time, cut)
}

// end stops the time, and returns why the operations that have not ended must fail. Nil = they need
// not fail.
func (e *ending) end() *Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.timer.Stop()
	return e.why
}

// finish gives the operations more time, from now on if the stop has begun, and makes the others
// fail afterwards.
func (e *ending) finish(time time.Duration, why *Error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.time, e.why = time, why
	if e.timer != nil {
		e.timer.Reset(time)
	}
}

// Finish is for a process that will not be started again: there is no next start that continues
// what has not ended. When Start stops, it works on all accepted operations and not only on the
// running ones, for at most limit in place of Config.Grace. Operations that have not ended by then
// fail with why. Call it before the context of Start is done, or soon afterwards: after Start has
// returned it does nothing.
func (s *Service) Finish(limit time.Duration, why *Error) {
	s.ending.finish(limit, why)
	s.queue.finishAll()
}

const (
	// failTries is how often failRest tries to end an operation.
	failTries = 3
	// lastEmbedTime bounds the time in which failRest embeds signature values. Without timestamps it
	// takes milliseconds. A timestamp authority that does not answer must not hold up the end.
	lastEmbedTime = 10 * time.Second
)

// failRest ends all operations that have not ended. Documents whose signature values exist are
// still embedded, because the signatures are paid for. The others fail with why. An operation that
// cannot be ended because of a storage error is left as it is.
func (s *Service) failRest(ctx context.Context, why *Error) {
	ids, err := s.cfg.Store.Unfinished(ctx)
	if err != nil {
		s.cfg.Log.Error(err, "could not list the operations that must end before this process")
		return
	}
	limited, cancel := context.WithTimeout(ctx, lastEmbedTime)
	defer cancel()
	for _, id := range ids {
		s.worker.embedRest(limited, id)
		// An attempt that waits for a call may end the operation at the same time. Then the second look
		// finds that it has ended.
		for range failTries {
			if e, ended := s.worker.fail(ctx, id, why); ended {
				s.queue.drop(e)
				s.waiters.wake(id)
				break
			}
		}
	}
}

// embedRest embeds the documents of an operation whose signature values exist. It ignores errors,
// because fail follows.
func (w *worker) embedRest(ctx context.Context, id ID) {
	op, err := w.cfg.Store.Operation(ctx, id)
	if err != nil {
		return
	}
	a := w.newAttempt(ctx, op, false)
	_ = a.pages(ctx, func(docs []Document) error {
		a.embedder.embed(ctx, slices.DeleteFunc(docs, func(d Document) bool { return d.State != DocumentValued }))
		return nil
	})
}

// fail ends an operation, and reports whether it has ended. Its documents that have not ended fail
// with why. If a call has sent them, its answer is counted and not used.
func (w *worker) fail(ctx context.Context, id ID, why *Error) (e entry, ended bool) {
	op, err := w.cfg.Store.Operation(ctx, id)
	if e = entryOf(op); err == nil && op.Status.Ended() {
		return e, true // by the attempt that was running
	}
	a := w.newAttempt(ctx, op, false)
	a.results.leave(why)
	if err == nil {
		err = a.giveUp(ctx)
	}
	if err != nil {
		_, ended, _ = w.postpone(op, entry{id: id}, err)
		return e, ended
	}
	_, ended, _ = w.end(ctx, a, e)
	return e, ended
}
