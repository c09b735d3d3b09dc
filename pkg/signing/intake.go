package signing

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"
)

// intake accepts requests: it makes them durable and queues them. It is safe for concurrent use.
type intake struct {
	cfg     *Config
	queue   *operationQueue
	early   *earlySigner
	stopped <-chan struct{} // closed when this process works on no operation any more
}

// Admit reports whether a new request of a client service may be read. KindBusy with RetryAfter if
// the queue is full or the service is not running. Call it before the body of the request is read.
func (in *intake) Admit(clientService string) error { return in.queue.admit(clientService, 1) }

// NewUpload starts an upload for the documents of one request; see Upload.
func (in *intake) NewUpload(ctx context.Context) (Upload, error) { return in.cfg.Store.NewUpload(ctx) }

// Submission is one complete request whose documents are spooled.
type Submission struct {
	ClientService  string
	Request        Request
	Contents       []Content // of Request.Documents, in the same order
	IdempotencyKey string    // empty = none
	// Repeated says that an operation with the IdempotencyKey existed when the request began. If it
	// has been removed since, Submit creates no other one, because another instance may have to. The
	// error is KindBusy.
	Repeated bool
	// Callback is the URL that is notified of the end if Request names no other URL. It does not count
	// when a repeated request is compared with the first one.
	Callback string
	// Waiting is set if a client waits for the result (sync). Such operations go before others and are
	// batched sooner.
	Waiting bool
}

// removedRetry is when a request may be sent again whose first operation was removed meanwhile.
const removedRetry = time.Second

// Submit accepts an operation. The operation is durable when Submit returns without error, and it
// always ends with a result or a reason. If the Idempotency-Key was used before with the same
// request, Submit returns the operation of that request, and replayed is true. Submit takes the
// upload over, or discards it after an error or a replay. Errors: KindReferenceUsed, KindKeyReused,
// KindBusy, KindStorage. An error with Unknown says that the operation may have been stored.
func (in *intake) Submit(ctx context.Context, up Upload, sub Submission) (op Operation, replayed bool, err error) {
	defer up.Discard()
	hash := fingerprint(sub)
	if op, ok, err := in.replay(ctx, sub, hash); ok || err != nil {
		return op, ok, err
	}
	if sub.Repeated {
		return Operation{}, false, Errorf(KindBusy, "the operation of this Idempotency-Key was removed a moment ago").
			Retryable(removedRetry)
	}
	n := len(sub.Request.Documents)
	if err := in.queue.reserve(sub.ClientService, n); err != nil {
		return Operation{}, false, err
	}
	made := NewOperation{
		ClientService:  sub.ClientService,
		Request:        sub.Request,
		Contents:       sub.Contents,
		Callback:       cmp.Or(sub.Request.Callback, sub.Callback),
		IdempotencyKey: sub.IdempotencyKey,
		Fingerprint:    hash,
		Created:        time.Now(),
	}
	var early []DocumentResult
	if in.early.suits(sub) {
		made.SignEarly = func(ctx context.Context, op Operation, docs []Document) []DocumentResult {
			early = in.early.sign(ctx, op, docs)
			return early
		}
	}
	if op, err = in.create(ctx, up, made); err != nil {
		in.queue.release(sub.ClientService, n)
		// Two requests with one key may have raced. The loser returns the operation of the winner.
		if again, ok, rerr := in.replay(ctx, sub, hash); ok || rerr != nil {
			return again, ok, rerr
		}
		return Operation{}, false, err
	}
	in.cfg.Log.Info("operation accepted", "operation", op.ID, "clientService", op.ClientService,
		"externalReference", op.ExternalReference, "documents", n)
	if op.Status.Ended() { // its documents were signed early
		in.queue.release(sub.ClientService, n)
		in.cfg.Observer.documentsEnded(early)
		reportEnd(in.cfg, op)
		return op, false, nil
	}
	in.queue.push(entry{id: op.ID, clientService: op.ClientService, documents: n, waiting: sub.Waiting, since: op.Created})
	return op, false, nil
}

// replay finds the operation that was made before with the Idempotency-Key of sub. KindKeyReused if
// that was another request.
func (in *intake) replay(ctx context.Context, sub Submission, hash [32]byte) (Operation, bool, error) {
	if sub.IdempotencyKey == "" {
		return Operation{}, false, nil
	}
	op, err := in.cfg.Store.FindByKey(ctx, sub.ClientService, sub.IdempotencyKey)
	switch {
	case KindOf(err) == KindNotFound:
		return Operation{}, false, nil
	case err != nil:
		return Operation{}, false, err
	case op.Fingerprint != hash:
		return Operation{}, false, Errorf(KindKeyReused, "Idempotency-Key was used before with another request")
	}
	return op, true, nil
}

// fingerprint hashes what the client asked for: the parsed fields and the digests of the documents.
// It leaves out what differs between two sendings of one request (names of spooled files).
func fingerprint(sub Submission) [32]byte {
	h := sha256.New()
	enc := json.NewEncoder(h)
	docs := sub.Request.Documents
	head := sub.Request
	head.Documents = nil
	_ = enc.Encode(head) // strings, numbers and a hash.Hash: neither can fail
	for i, d := range docs {
		if v := d.Signature.Visible; v != nil && v.Image != nil {
			visible := *v
			visible.Image = &Content{Size: v.Image.Size, SHA256: v.Image.SHA256}
			d.Signature.Visible = &visible
		}
		_ = enc.Encode(d)
		h.Write(sub.Contents[i].SHA256[:])
	}
	return [32]byte(h.Sum(nil))
}

// create calls Store.Create and finds out what an error left. If the operation was stored although
// the store reported an error, it is accepted and create returns no error.
func (in *intake) create(ctx context.Context, up Upload, made NewOperation) (Operation, error) {
	op, err := in.cfg.Store.Create(ctx, up, made)
	if err == nil || KindOf(err) == KindReferenceUsed || KindOf(err) == KindKeyReused {
		return op, err
	}
	op, found, lookErr := in.findStored(context.WithoutCancel(ctx), made)
	switch {
	case found:
		in.cfg.Log.Info("operation was stored although the store reported an error",
			"operation", op.ID, "reason", err.Error())
		return op, nil
	case lookErr != nil:
		in.findStoredLater(made)
	case KindOf(err) == KindBusy:
		return Operation{}, err // the store had no room, and stored nothing
	}
	return Operation{}, maybeStored(err)
}

// maybeStored returns err with Unknown.
func maybeStored(err error) error {
	e := *AsError(err)
	e.Unknown = true
	return &e
}

// findStored looks for the operation that a failed Create may have stored. Among the operations
// with the same reference it is the one with the same time of creation.
func (in *intake) findStored(ctx context.Context, made NewOperation) (op Operation, found bool, err error) {
	ops, err := in.cfg.Store.FindByReference(ctx, made.ClientService, made.Request.ExternalReference)
	for _, op := range ops {
		if op.Fingerprint == made.Fingerprint && op.Created.Equal(made.Created) {
			return op, true, nil
		}
	}
	return Operation{}, false, err
}

// findStoredLater repeats findStored until the store can be read, and then queues the operation if
// it exists. The next start would queue it too.
func (in *intake) findStoredLater(made NewOperation) {
	made.Request.Documents, made.Contents = nil, nil
	time.AfterFunc(in.cfg.Backoff, func() {
		select {
		case <-in.stopped:
			return
		default:
		}
		op, found, err := in.findStored(context.Background(), made)
		switch {
		case err != nil:
			in.findStoredLater(made)
		case found:
			in.cfg.Log.Info("operation was stored although the store reported an error", "operation", op.ID)
			in.queue.restore(entryOf(op), 0)
		}
	})
}
