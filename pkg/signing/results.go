package signing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
)

// each calls f(0) to f(n-1). Each call holds a slot. After ctx is done, it starts no more calls. It
// returns when all started calls have returned.
func (t *try) each(ctx context.Context, slots chan struct{}, n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			wg.Wait()
			return
		}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}

// recovered turns a panic during the work on a document into an internal error, so that one hostile
// document does not affect the others.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = &Error{Err: fmt.Errorf("panic: %v\n%s", r, debug.Stack())}
	}
}

// storageError returns the *Error in the chain of err. If there is none, the fault is the store's
// own, and it returns a KindStorage error that may be retried.
func storageError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return (&Error{Kind: KindStorage, Err: err}).Retryable(0)
}

// failAll fails the documents whose error is permanent, and records the other errors as trouble.
func (t *try) failAll(ctx context.Context, docs []Document, errs []error) {
	var failed []DocumentResult
	for i, err := range errs {
		var stored *failedAlready
		if err == nil || errors.As(err, &stored) {
			continue
		}
		if ctx.Err() != nil { // the service is stopping: the document is not at fault
			t.trouble(Errorf(KindBusy, "").Retryable(0))
			return
		}
		e := AsError(err)
		if e.Retry || e.Kind == KindStorage {
			t.trouble(e, docs[i])
			continue
		}
		t.s.cfg.Log.Info("document failed", "operation", t.op.ID, "document", docs[i].Index, "reason", e.Error())
		failed = append(failed, DocumentResult{Ref: docs[i].Ref, Failure: &Failure{Kind: e.Kind, Detail: e.Detail}})
	}
	t.finish(ctx, failed)
}

// finish stores results and reports them to the Observer.
func (t *try) finish(ctx context.Context, results []DocumentResult) {
	if len(results) == 0 {
		return
	}
	if err := t.s.cfg.Store.FinishDocuments(ctx, results); err != nil {
		t.trouble((&Error{Kind: KindStorage, Err: err}).Retryable(0))
		return
	}
	observe := t.s.cfg.Observer.DocumentEnded
	if observe == nil {
		return
	}
	for _, r := range results {
		if r.Failure != nil {
			observe(r.Failure.Kind, false)
		} else {
			observe(KindInternal, true)
		}
	}
}

// giveUp fails every document that has not ended, with the reason that its last try recorded. Calls
// whose answers were still expected end too, and their outcome stays unknown.
func (t *try) giveUp(ctx context.Context) error {
	sent := false
	err := t.pages(ctx, func(docs []Document) error {
		var failed []DocumentResult
		for _, d := range docs {
			sent = sent || d.State == DocumentSent
			if !d.State.Ended() {
				why := cmp.Or(t.why[d.Index], t.worst)
				failed = append(failed, DocumentResult{Ref: d.Ref, Failure: &Failure{Kind: why.Kind, Detail: why.Detail}})
			}
		}
		if len(failed) > 0 {
			t.s.cfg.Log.Info("documents given up", "operation", t.op.ID, "documents", len(failed), "reason", t.worst.Error())
		}
		t.finish(ctx, failed)
		return t.disk
	})
	if err == nil && sent {
		err = t.s.settler.settle(ctx, t.concerned, false)
	}
	return err
}

// concerned reports whether a call contains documents of this operation.
func (t *try) concerned(call CallRecord) bool {
	return slices.ContainsFunc(call.Refs, func(r Ref) bool { return r.Operation == t.op.ID })
}

// anySigned reports whether at least one document was signed. It returns an error if a document has
// not ended.
func (t *try) anySigned(ctx context.Context) (signed bool, err error) {
	err = t.pages(ctx, func(docs []Document) error {
		for _, d := range docs {
			if !d.State.Ended() {
				return fmt.Errorf("document %d is %s: %w", d.Index, d.State, ErrConflict)
			}
			signed = signed || d.State == DocumentSigned
		}
		return nil
	})
	return signed, err
}

// pages passes all documents of the operation to f, one chunk at a time.
func (t *try) pages(ctx context.Context, f func([]Document) error) error {
	for from := 0; from < t.op.DocumentCount; from += chunkDocuments {
		docs, err := t.s.cfg.Store.Documents(ctx, t.op.ID, from, chunkDocuments)
		if err != nil {
			return err
		}
		if err := f(docs); err != nil {
			return err
		}
	}
	return nil
}
