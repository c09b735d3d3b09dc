package signing

import (
	"context"
	"time"
)

// create is Store.Create that knows what an error left: an operation that is stored all the same is
// accepted, and no error.
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

// find looks for the operation that a failed Create may have stored. Of all with its reference it
// is the one of that very moment.
func (s *Service) find(ctx context.Context, made NewOperation) (op Operation, found bool, err error) {
	ops, err := s.cfg.Store.FindByReference(ctx, made.ClientService, made.Request.ExternalReference)
	for _, op := range ops {
		if op.Fingerprint == made.Fingerprint && op.Created.Equal(made.Created) {
			return op, true, nil
		}
	}
	return Operation{}, false, err
}

// findLater looks again until it can be read whether the operation is there, and then queues it.
// The next start does so too.
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
