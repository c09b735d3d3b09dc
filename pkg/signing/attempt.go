package signing

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

const (
	// chunkDocuments is how many documents take each step together. Each step is one transaction. The
	// chunk is small enough that its prepared values (about 8 KB each) take little memory.
	chunkDocuments = 64
	// chunksAtOnce is how many chunks of one operation are worked on at the same time. While some wait
	// for the provider, others are prepared and embedded. With 64 documents each they fill several
	// calls of the usual size (multisign of 100).
	chunksAtOnce = 8
)

// attempt is one attempt at an operation. It takes every document that has not ended as far as
// possible.
type attempt struct {
	cfg      *Config
	op       Operation
	settler  *settler
	pending  *pendingAnswers
	results  *results
	signer   *signer
	embedder *embedder
	// settleOnce settles the calls that contain documents of the operation. It works once in an
	// attempt, and returns that error afterwards.
	settleOnce func() error
}

// run reads the credential and works on all documents, several chunks at a time. If the credential
// cannot be used, documents that already have their signature value are still embedded. run returns
// errors of the store.
func (a *attempt) run(ctx context.Context) error {
	if fault := a.signer.connection.open(ctx); fault != nil {
		a.results.leave(fault)
	}
	var chunks sync.WaitGroup
	places := make(chan struct{}, chunksAtOnce)
	for from := 0; from < a.op.DocumentCount && ctx.Err() == nil; from += chunkDocuments {
		places <- struct{}{}
		docs, err := a.cfg.Store.Documents(ctx, a.op.ID, from, chunkDocuments)
		if err != nil {
			chunks.Wait()
			return err
		}
		chunks.Go(func() {
			defer func() { <-places }()
			a.chunk(ctx, docs)
		})
	}
	chunks.Wait()
	return a.results.storageFault()
}

// chunk takes the documents of one chunk through every step.
func (a *attempt) chunk(ctx context.Context, docs []Document) {
	var unsigned, valued []Document
	for _, d := range a.settled(ctx, docs) {
		switch d.State {
		case DocumentReceived, DocumentPrepared:
			// Prepare the document even if it was prepared before, because the certificate may have been
			// renewed since.
			unsigned = append(unsigned, d)
		case DocumentValued:
			valued = append(valued, d)
		case DocumentSent:
			a.results.leave(a.unanswered(d), d)
		}
	}
	valued = append(valued, a.signer.sign(ctx, unsigned)...)
	a.embedder.embed(ctx, valued)
}

// settled returns docs as they are after every call has an end. An earlier attempt may have left a
// call whose end could not be recorded.
func (a *attempt) settled(ctx context.Context, docs []Document) []Document {
	if !slices.ContainsFunc(docs, func(d Document) bool { return d.State == DocumentSent }) {
		return docs
	}
	err := a.settleOnce()
	if err == nil {
		docs, err = a.cfg.Store.Documents(ctx, a.op.ID, docs[0].Index, len(docs))
	}
	if err != nil {
		a.results.leave(storageError(err))
		return nil
	}
	return docs
}

// unanswered returns the reason why a document is still in the state sent.
func (a *attempt) unanswered(d Document) *Error {
	if e := a.pending.reason(d.Ref); e != nil {
		return e
	}
	return storageError(fmt.Errorf("document %d is in a call whose end is not known", d.Index))
}

// isPartOf reports whether a call contains documents of this operation.
func (a *attempt) isPartOf(call CallRecord) bool {
	return slices.ContainsFunc(call.Refs, func(r Ref) bool { return r.Operation == a.op.ID })
}

// giveUp fails every document that has not ended, with the reason that this attempt recorded. Calls
// whose answers were still expected end too, and their outcome stays unknown.
func (a *attempt) giveUp(ctx context.Context) error {
	sent := false
	err := a.pages(ctx, func(docs []Document) error {
		var failed []DocumentResult
		for _, d := range docs {
			sent = sent || d.State == DocumentSent
			if !d.State.Ended() {
				failed = append(failed, failure(d.Ref, a.results.reason(d)))
			}
		}
		if len(failed) > 0 {
			a.cfg.Log.Info("documents given up", "operation", a.op.ID, "documents", len(failed),
				"reason", a.results.worstFault().Error())
		}
		a.results.store(ctx, failed)
		return a.results.storageFault()
	})
	if err == nil && sent {
		err = a.settler.settle(ctx, a.isPartOf, false)
	}
	return err
}

// anySigned reports whether at least one document was signed. It returns an error if a document has
// not ended.
func (a *attempt) anySigned(ctx context.Context) (signed bool, err error) {
	err = a.pages(ctx, func(docs []Document) error {
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
func (a *attempt) pages(ctx context.Context, f func([]Document) error) error {
	for from := 0; from < a.op.DocumentCount; from += chunkDocuments {
		docs, err := a.cfg.Store.Documents(ctx, a.op.ID, from, chunkDocuments)
		if err != nil {
			return err
		}
		if err := f(docs); err != nil {
			return err
		}
	}
	return nil
}
