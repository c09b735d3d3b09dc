package signing

import (
	"context"
	"fmt"
	"time"
)

// restorePause is the time between two attempts to restore the operations while our own disk fails.
// A person repairs a disk that is full or read-only, and until then the process
// serves what it can read. A process that ended would serve nothing.
const restorePause = 5 * time.Second

// restoreWithRetries repeats restore until it succeeds. It returns false if ctx ended before.
func (s *Service) restoreWithRetries(ctx, work context.Context) bool {
	for {
		err := s.restore(work)
		if err == nil {
			return true
		}
		s.cfg.Log.Error(err, "could not restore the operations of an earlier process yet")
		select {
		case <-ctx.Done():
			return false
		case <-time.After(restorePause):
		}
	}
}

// restore takes up the work of an earlier process: it settles the calls that have no recorded end,
// and queues every operation that has not ended. It leaves the calls whose answers the provider can
// give again to their operations, so that the start does not wait for providers.
func (s *Service) restore(ctx context.Context) error {
	if err := s.settler.settle(ctx, func(CallRecord) bool { return true }, false); err != nil {
		return fmt.Errorf("settle calls: %w", err)
	}
	ids, err := s.cfg.Store.Unfinished(ctx)
	if err != nil {
		return fmt.Errorf("list unfinished operations: %w", err)
	}
	ops := make([]Operation, len(ids)) // read all of them first, so that a fault in the middle queues none twice
	for i, id := range ids {
		if ops[i], err = s.cfg.Store.Operation(ctx, id); err != nil {
			return fmt.Errorf("read operation %s: %w", id, err)
		}
	}
	for _, op := range ops {
		s.cfg.Log.Info("operation restored", "operation", op.ID, "externalReference", op.ExternalReference,
			"status", string(op.Status))
		after := min(time.Until(op.NextTry), s.cfg.Deadline) // a longer time means that the clock was ahead
		s.queue.restore(entryOf(op), after)
	}
	return nil
}
