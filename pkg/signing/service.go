package signing

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// Service processes sync requests, async requests and hot folders in the same way. They differ only
// in who waits for the result. Create it with New, and run it with Start. All methods are safe for
// concurrent use.
//
// The exported methods of the embedded types are methods of Service: intake accepts requests, and
// access finds, reads and removes stored operations.
type Service struct {
	intake
	access

	cfg     Config
	queue   *operationQueue
	waiters *waiters
	worker  *worker
	calls   *callMaker
	settler *settler
	ending  ending

	stopped chan struct{} // closed when the grace period of a stop has ended, or when everything has ended before
	halt    func()        // closes stopped; later calls do nothing
}

// New returns a Service. It accepts no request until Start runs.
func New(cfg Config) *Service {
	cfg.setDefaults()
	stopped := make(chan struct{})
	s := &Service{
		cfg:     cfg,
		queue:   newOperationQueue(cfg.MaxQueuedDocuments),
		waiters: newWaiters(),
		stopped: stopped,
		halt:    sync.OnceFunc(func() { close(stopped) }),
	}
	live, pending := newLiveCalls(), newPendingAnswers(cfg.Log, cfg.Backoff)
	s.settler = newSettler(&s.cfg, live, pending)
	s.calls = newCallMaker(&s.cfg, live, pending, stopped)
	cpu := make(slots, runtime.GOMAXPROCS(0))
	s.worker = &worker{
		cfg:     &s.cfg,
		queue:   s.queue,
		waiters: s.waiters,
		batcher: newBatcher(&s.cfg, s.calls),
		settler: s.settler,
		pending: pending,
		early:   newEarlySigner(&s.cfg, cpu),
		cpu:     cpu,
		network: make(slots, remoteEmbeds),
	}
	s.intake = intake{cfg: &s.cfg, queue: s.queue, early: s.worker.early, stopped: stopped}
	s.access = access{cfg: &s.cfg}
	s.ending.time = s.cfg.Grace
	return s
}

// Start opens the service, restores the operations of an earlier process, and works until ctx is
// done. Then it accepts no more operations. It gives Config.Grace to running operations and to
// those that a client waits for, and returns. The next Start continues what has not ended by
// then. After Finish it gives time to all operations, and leaves none. A Service can be started
// only once.
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
		running.Go(func() { s.worker.run(work, e) })
	}
	s.queue.setOpen(false)
	s.ending.begin(stop)
	for { // operations that a client waits for are still started, and after Finish all
		e, ok := s.queue.nextAtStop(work)
		if !ok {
			break
		}
		running.Go(func() { s.worker.run(work, e) })
	}
	ended := make(chan struct{})
	go func() {
		running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-work.Done(): // calls to providers go on, because signatures may be spent already
	}
	if why := s.ending.end(); why != nil {
		s.failRest(context.WithoutCancel(ctx), why)
	}
	s.halt()
	<-ended
	return nil
}

// Wait returns the operation when it has ended. When ctx is done, or the grace period of a stop has
// ended, it returns the operation as it is, because then only the next process can end it. It does
// not check whose operation it is.
func (s *Service) Wait(ctx context.Context, id ID) (Operation, error) {
	ended := s.waiters.wait(id)
	op, err := s.cfg.Store.Operation(context.WithoutCancel(ctx), id) // ctx may be done already
	if op.Status.Ended() || KindOf(err) == KindNotFound {
		s.waiters.wake(id) // the worker does not do it, because the operation ended before
	}
	if err != nil || op.Status.Ended() {
		return op, err
	}
	select {
	case <-ended:
	case <-s.stopped:
	case <-ctx.Done():
	}
	return s.cfg.Store.Operation(context.WithoutCancel(ctx), id)
}

// Stats is a snapshot of the state, for gauges.
type Stats struct {
	QueuedDocuments  int           // documents that are accepted and have not ended
	ActiveOperations int           // operations that are being worked on
	OldestQueued     time.Duration // age of the oldest operation that has not ended; 0 = none
	UnstoredValues   int           // signature values that are kept in memory because they cannot be stored
}

// Stats returns a snapshot of the current state.
func (s *Service) Stats() Stats {
	st := s.queue.stats(time.Now())
	st.UnstoredValues = int(s.calls.unstored.Load())
	return st
}
