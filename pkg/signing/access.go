package signing

import (
	"context"
	"errors"
)

// access finds, reads and removes stored operations. It is safe for concurrent use.
type access struct{ cfg *Config }

// Operation returns an operation of a client service. It returns KindNotFound also for operations
// of others, so that a client service does not learn that they exist.
func (a access) Operation(ctx context.Context, clientService string, id ID) (Operation, error) {
	op, err := a.cfg.Store.Operation(ctx, id)
	if err == nil && op.ClientService != clientService {
		return Operation{}, Errorf(KindNotFound, "no operation with id %s", id)
	}
	return op, err
}

// Remove deletes an operation of a client service that has ended, with its documents and results.
// Errors: KindNotFound as in Operation, KindNotEnded, KindStorage.
func (a access) Remove(ctx context.Context, clientService string, id ID) error {
	if _, err := a.Operation(ctx, clientService, id); err != nil {
		return err
	}
	err := a.cfg.Store.Remove(ctx, id)
	if errors.Is(err, ErrConflict) {
		return Errorf(KindNotEnded, "operation %s has not ended", id)
	}
	if err == nil {
		a.cfg.Log.Info("operation removed", "operation", id, "clientService", clientService)
	}
	return err
}

// Fetched records that the owner has received all results of an operation. It logs errors and does
// not return them.
func (a access) Fetched(ctx context.Context, id ID) {
	if err := a.cfg.Store.Fetched(ctx, id); err != nil {
		a.cfg.Log.Error(err, "could not record that results were fetched, they are kept longer", "operation", id)
	}
}

// FindByReference returns the operations of a client service with that external reference, the
// newest first.
func (a access) FindByReference(ctx context.Context, clientService, reference string) ([]Operation, error) {
	return a.cfg.Store.FindByReference(ctx, clientService, reference)
}

// FindByDocumentReference returns the newest operation of a client service that has a document with
// that external reference. KindNotFound if there is none.
func (a access) FindByDocumentReference(ctx context.Context, clientService, reference string) (ID, error) {
	return a.cfg.Store.FindByDocumentReference(ctx, clientService, reference)
}

// FindByKey returns the operation that a client service made with an Idempotency-Key. KindNotFound
// if there is none.
func (a access) FindByKey(ctx context.Context, clientService, key string) (ID, error) {
	op, err := a.cfg.Store.FindByKey(ctx, clientService, key)
	return op.ID, err
}

// Documents returns up to limit documents of an operation, starting with index from. It does not
// check whose operation it is: call Operation first.
func (a access) Documents(ctx context.Context, id ID, from, limit int) ([]Document, error) {
	return a.cfg.Store.Documents(ctx, id, from, limit)
}
