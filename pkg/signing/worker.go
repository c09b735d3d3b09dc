package signing

import (
	"context"
	"sync"
	"time"
)

// Start opens the service, resumes the operations of an earlier process, and works until ctx is
// done. Then it accepts no more operations. It gives Config.Grace to running operations and to
// those that a client waits for, and returns. The next Start resumes from disk what has not ended
// by then. A Service can be started only once.
func (s *Service) Start(ctx context.Context) error {
	defer s.halt()
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if !s.restoreWithRetries(ctx, work) {
		return nil
	}
	s.queue.setOpen(true)
	if f := s.cfg.Observer.Opened; f != nil {
		f()
	}
	var running sync.WaitGroup
	running.Go(func() { s.settler.run(ctx) })
	for {
		e, ok := s.queue.next(ctx)
		if !ok {
			break
		}
		running.Go(func() { s.run(work, e) })
	}
	s.queue.setOpen(false)
	cut := time.AfterFunc(s.cfg.Grace, func() { stop(); s.halt() })
	defer cut.Stop()
	for { // operations that a client waits for are still started
		e, ok := s.queue.nextWaiting(work)
		if !ok {
			break
		}
		running.Go(func() { s.run(work, e) })
	}
	running.Wait()
	return nil
}

// entryOf returns the queue entry of an operation that nobody waits for.
func entryOf(op Operation) entry {
	return entry{id: op.ID, clientService: op.ClientService, documents: op.DocumentCount, since: op.Created}
}

// run makes one try of an operation and decides what comes next.
func (s *Service) run(ctx context.Context, e entry) {
	op, ended, after := s.try(ctx, e)
	switch {
	case ended:
		s.queue.done(e, true)
		s.wake(e.id)
	case ctx.Err() != nil: // the service is stopping: the next start continues
		s.queue.done(e, false)
	default:
		s.queue.done(e, false)
		s.cfg.Log.Info("operation will be tried again", "operation", e.id, "externalReference", op.ExternalReference,
			"tries", op.Tries, "after", after.String())
		s.queue.later(e, after)
	}
}

// try works once on every document that has not ended, and stores the new status of the operation.
// If the operation has not ended, after is how long to wait before the next try.
func (s *Service) try(ctx context.Context, e entry) (op Operation, ended bool, after time.Duration) {
	op, err := s.cfg.Store.Operation(ctx, e.id)
	if err != nil {
		return s.storageTrouble(op, e, err)
	}
	if op.Status.Ended() {
		return op, true, 0
	}
	t := &try{s: s, op: op, waiting: e.waiting, why: make(map[int]*Error)}
	t.settle = sync.OnceValue(func() error { return s.settler.settle(ctx, t.concerned, true) })
	t.connect(ctx)
	if err := t.documents(ctx); err != nil {
		return s.storageTrouble(op, e, err)
	}
	if ctx.Err() != nil { // the service is stopping: the next start concludes
		return op, false, 0
	}
	return s.conclude(ctx, t, e)
}

// storageTrouble postpones an operation because our own disk failed. That does not count as a try,
// because the fault is not the operation's.
func (s *Service) storageTrouble(op Operation, e entry, err error) (Operation, bool, time.Duration) {
	if KindOf(err) == KindNotFound {
		return op, true, 0 // removed by retention or by a person: nothing is left to do
	}
	s.cfg.Log.Error(err, "could not work on operation because of a storage error", "operation", e.id)
	return op, false, s.cfg.Backoff
}

// conclude ends the operation, or plans its next try.
func (s *Service) conclude(ctx context.Context, t *try, e entry) (Operation, bool, time.Duration) {
	op := t.op
	if t.worst != nil {
		left := s.cfg.Deadline - time.Since(op.Created)
		last := !t.worst.Retry || op.Tries >= s.cfg.Tries || left <= 0
		if !last {
			// The last try is at the deadline, not after it.
			after := min(left, s.cfg.withJitter(max(s.cfg.Backoff, t.worst.RetryAfter)))
			change := StatusChange{Status: StatusRetrying, Tries: op.Tries + 1, NextTry: time.Now().Add(after)}
			if err := s.cfg.Store.SetStatus(ctx, op.ID, op.Status, change); err != nil {
				return s.storageTrouble(op, e, err)
			}
			op.Tries++
			return op, false, after
		}
		if err := t.giveUp(ctx); err != nil {
			return s.storageTrouble(op, e, err)
		}
	}
	return s.end(ctx, t, e)
}

// end stores the final status.
func (s *Service) end(ctx context.Context, t *try, e entry) (Operation, bool, time.Duration) {
	op := t.op
	signed, err := t.anySigned(ctx)
	if err != nil {
		return s.storageTrouble(op, e, err)
	}
	change := StatusChange{Status: StatusFailed, Tries: op.Tries, Ended: time.Now()}
	if signed {
		change.Status = StatusExecuted
	}
	if err := s.cfg.Store.SetStatus(ctx, op.ID, op.Status, change); err != nil {
		return s.storageTrouble(op, e, err)
	}
	op.Status, op.Ended = change.Status, change.Ended
	s.cfg.Log.Info("operation ended", "operation", op.ID, "clientService", op.ClientService,
		"externalReference", op.ExternalReference, "status", string(op.Status),
		"took", op.Ended.Sub(op.Created).String())
	if f := s.cfg.Observer.OperationEnded; f != nil {
		f(op.ClientService, op.Status)
	}
	return op, true, 0
}
