package signing

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// remoteEmbeds is how many documents may wait for timestamps and revocation data at the same time.
// They are enough to hide a round trip of 100 ms behind the next signing call, and few enough not
// to overload a timestamp authority.
const remoteEmbeds = 16

// worker processes the operations that were taken from the queue. It is safe for concurrent use.
type worker struct {
	cfg     *Config
	queue   *operationQueue
	waiters *waiters
	batcher *batcher
	settler *settler
	pending *pendingAnswers
	early   *earlySigner

	cpu      slots        // for work that keeps a core busy
	network  slots        // for embedding that waits for a timestamp authority
	unstored atomic.Int64 // bytes of sections that are finished and not stored yet
}

// run makes one attempt at an operation and decides what comes next.
func (w *worker) run(ctx context.Context, e entry) {
	op, ended, after := w.attempt(ctx, e)
	switch {
	case ended:
		w.queue.finish(e, true)
		w.waiters.wake(e.id)
	case ctx.Err() != nil: // the service is stopping: the next start continues
		w.queue.finish(e, false)
	default:
		w.queue.finish(e, false)
		w.cfg.Log.Info("operation will be retried", "operation", e.id, "externalReference", op.ExternalReference,
			"tries", op.Tries, "after", after.String())
		w.queue.retryAfter(e, after)
	}
}

// attempt works once on every document that has not ended, and stores the new status of the
// operation. If the operation has not ended, after is how long to wait before the next attempt.
func (w *worker) attempt(ctx context.Context, e entry) (op Operation, ended bool, after time.Duration) {
	op, err := w.cfg.Store.Operation(ctx, e.id)
	if err != nil {
		return w.postpone(op, e, err)
	}
	if op.Status.Ended() {
		return op, true, 0
	}
	a := w.newAttempt(ctx, op, e.waiting)
	err = a.run(ctx)
	credential, _ := a.signer.connection.current()
	w.early.saw(op.ClientService, credential)
	if err != nil {
		return w.postpone(op, e, err)
	}
	if ctx.Err() != nil { // the service is stopping: the next start concludes
		return op, false, 0
	}
	return w.conclude(ctx, a, e)
}

// newAttempt returns the next attempt at an operation.
func (w *worker) newAttempt(ctx context.Context, op Operation, waiting bool) *attempt {
	results := &results{cfg: w.cfg, operation: op.ID, why: make(map[int]*Error)}
	inputs := inputs{cfg: w.cfg, created: op.Created}
	a := &attempt{
		cfg:     w.cfg,
		op:      op,
		settler: w.settler,
		pending: w.pending,
		results: results,
		signer: &signer{
			cfg:        w.cfg,
			op:         op,
			waiting:    waiting,
			connection: &connection{cfg: w.cfg, clientService: op.ClientService},
			preparer:   &preparer{cfg: w.cfg, inputs: inputs, cpu: w.cpu, results: results},
			batcher:    w.batcher,
			results:    results,
		},
		embedder: &embedder{
			cfg: w.cfg, inputs: inputs, cpu: w.cpu, network: w.network, unstored: &w.unstored, results: results,
		},
	}
	a.settleOnce = sync.OnceValue(func() error { return w.settler.settle(ctx, a.isPartOf, true) })
	return a
}

// postpone delays an operation because our own disk failed. That does not count as an attempt,
// because the fault is not the operation's.
func (w *worker) postpone(op Operation, e entry, err error) (Operation, bool, time.Duration) {
	if KindOf(err) == KindNotFound {
		return op, true, 0 // removed by retention or by a person: nothing is left to do
	}
	w.cfg.Log.Error(err, "could not work on operation because of a storage error", "operation", e.id)
	return op, false, w.cfg.Backoff
}

// conclude ends the operation, or plans its next attempt.
func (w *worker) conclude(ctx context.Context, a *attempt, e entry) (Operation, bool, time.Duration) {
	op := a.op
	worst := a.results.worstFault()
	if worst == nil {
		return w.end(ctx, a, e)
	}
	left := w.cfg.Deadline - time.Since(op.Created)
	if !worst.Retry || op.Tries >= w.cfg.Tries || left <= 0 {
		if err := a.giveUp(ctx); err != nil {
			return w.postpone(op, e, err)
		}
		return w.end(ctx, a, e)
	}
	// The last attempt is at the deadline, not after it.
	after := min(left, w.cfg.withJitter(max(w.cfg.Backoff, worst.RetryAfter)))
	change := StatusChange{Status: StatusRetrying, Tries: op.Tries + 1, NextTry: time.Now().Add(after)}
	if err := w.cfg.Store.SetStatus(ctx, op.ID, op.Status, change); err != nil {
		return w.postpone(op, e, err)
	}
	op.Tries++
	return op, false, after
}

// end stores the final status.
func (w *worker) end(ctx context.Context, a *attempt, e entry) (Operation, bool, time.Duration) {
	op := a.op
	signed, err := a.anySigned(ctx)
	if err != nil {
		return w.postpone(op, e, err)
	}
	change := StatusChange{Status: StatusFailed, Tries: op.Tries, Ended: time.Now()}
	if signed {
		change.Status = StatusExecuted
	}
	if err := w.cfg.Store.SetStatus(ctx, op.ID, op.Status, change); err != nil {
		return w.postpone(op, e, err)
	}
	op.Status, op.Ended = change.Status, change.Ended
	reportEnd(w.cfg, op)
	return op, true, 0
}

// reportEnd logs the end of an operation and tells the Observer.
func reportEnd(cfg *Config, op Operation) {
	cfg.Log.Info("operation ended", "operation", op.ID, "clientService", op.ClientService,
		"externalReference", op.ExternalReference, "status", string(op.Status),
		"took", op.Ended.Sub(op.Created).String())
	if f := cfg.Observer.OperationEnded; f != nil {
		f(op.ClientService, op.Status)
	}
}
