package signing

import (
	"cmp"
	"context"
	"errors"
	"sync"
)

// results stores the results of the documents of one attempt, and collects why the other documents
// are left unfinished. It is safe for concurrent use.
type results struct {
	cfg       *Config
	operation ID

	mu    sync.Mutex
	worst *Error         // why documents are left; nil = none is left. A fault worth a retry replaces one that is not.
	why   map[int]*Error // why each document is left, by its index
	disk  error          // first fault of our own store
}

// leave records a fault that leaves documents unfinished, and which documents these are. It copies
// fault, because other operations of the same call share it.
func (r *results) leave(fault *Error, docs ...Document) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range docs {
		r.why[d.Index] = fault
	}
	if fault.Kind == KindStorage {
		if r.disk == nil {
			r.disk = fault
		}
		return
	}
	if r.worst == nil || fault.Retry && !r.worst.Retry {
		e := *fault
		r.worst = &e
	} else if fault.Retry {
		r.worst.RetryAfter = max(r.worst.RetryAfter, fault.RetryAfter)
	}
}

// worstFault returns the fault that decides about the operation; nil = no document is left.
func (r *results) worstFault() *Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.worst
}

// reason returns why a document is left.
func (r *results) reason(d Document) *Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return cmp.Or(r.why[d.Index], r.worst)
}

// storageFault returns the first fault of our own store.
func (r *results) storageFault() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.disk
}

// failAll fails the documents whose error is permanent, and leaves those with another error.
// errs[i] belongs to docs[i].
func (r *results) failAll(ctx context.Context, docs []Document, errs []error) {
	var failed []DocumentResult
	for i, err := range errs {
		var stored *failedAlready
		if err == nil || errors.As(err, &stored) {
			continue
		}
		if ctx.Err() != nil { // the service is stopping: the document is not at fault
			r.leave(Errorf(KindBusy, "").Retryable(0))
			return
		}
		e := AsError(err)
		if e.Retry || e.Kind == KindStorage {
			r.leave(e, docs[i])
			continue
		}
		r.cfg.Log.Info("document failed", "operation", r.operation, "document", docs[i].Index, "reason", e.Error())
		failed = append(failed, failure(docs[i].Ref, e))
	}
	r.store(ctx, failed)
}

// failure returns the result of a document that failed because of e.
func failure(ref Ref, e *Error) DocumentResult {
	return DocumentResult{Ref: ref, Failure: &Failure{Kind: e.Kind, Detail: e.Detail}}
}

// store stores the results of documents and reports them to the Observer.
func (r *results) store(ctx context.Context, ended []DocumentResult) {
	if len(ended) == 0 {
		return
	}
	if err := r.cfg.Store.FinishDocuments(ctx, ended); err != nil {
		r.leave((&Error{Kind: KindStorage, Err: err}).Retryable(0))
		return
	}
	r.cfg.Observer.documentsEnded(ended)
}
