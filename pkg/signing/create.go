package signing

import (
	"context"
	"time"
)

// create calls Store.Create and finds out what an error left. If the operation was stored although
// the store reported an error, it is accepted and create returns no error.
func (s *Service) create(ctx context.Context, up Upload, made NewOperation) (Operation, error) {
	op, err := s.cfg.Store.Create(ctx, up, made)
	if err == nil || KindOf(err) == KindReferenceUsed || KindOf(err) == KindKeyReused {
		return op, err
	}
	op, found, lookErr := s.find(context.WithoutCancel(ctx), made)
	switch {
	case found:
		s.cfg.Log.Info("operation was stored although the store reported an error", "operation", op.ID, "reason", err.Error())
		return op, nil
	case lookErr != nil:
		s.findLater(made)
	}
	return Operation{}, err
}

// find looks for the operation that a failed Create may have stored. Among the operations with the
// same reference it is the one with the same time of creation.
func (s *Service) find(ctx context.Context, made NewOperation) (op Operation, found bool, err error) {
	ops, err := s.cfg.Store.FindByReference(ctx, made.ClientService, made.Request.ExternalReference)
	for _, op := range ops {
		if op.Fingerprint == made.Fingerprint && op.Created.Equal(made.Created) {
			return op, true, nil
		}
	}
	return Operation{}, false, err
}

// findLater repeats find until the store can be read, and then queues the operation if it exists.
// The next start would queue it too.
func (s *Service) findLater(made NewOperation) {
	made.Request.Documents, made.Contents = nil, nil
	time.AfterFunc(s.cfg.Backoff, func() {
		select {
		case <-s.stopped:
			return
		default:
		}
		op, found, err := s.find(context.Background(), made)
		switch {
		case err != nil:
			s.findLater(made)
		case found:
			s.cfg.Log.Info("operation was stored although the store reported an error", "operation", op.ID)
			s.queue.restore(entryOf(op), 0)
		}
	})
}
