package signing

import (
	"context"
	"errors"
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

// try is one try of an operation. It takes every document that has not ended as far as possible.
type try struct {
	s          *Service
	op         Operation
	waiting    bool
	provider   Provider
	credential *Credential  // guarded by mu while chunks run; nil = it cannot be used
	unread     *Error       // why the credential cannot be used
	settle     func() error // finds an end for calls that have none; works once in a try

	mu    sync.Mutex
	worst *Error         // why documents are left; nil = none is left. A fault worth a retry replaces one that is not.
	why   map[int]*Error // why each document is left, by its index
	disk  error          // first fault of our own store
}

// connect finds the provider and its credential. If it fails, documents that already have their
// signature value are still embedded.
func (t *try) connect(ctx context.Context) {
	// The time is for several requests. The provider bounds each of them.
	ctx, cancel := context.WithTimeout(ctx, t.s.cfg.Batch.CallTimeout)
	defer cancel()
	var c *Credential
	p, err := t.s.cfg.Providers(t.op.ClientService)
	if err == nil {
		t.provider = p
		c, err = usable(ctx, p)
	}
	var fault *Error
	if err != nil {
		fault = AsError(err)
		t.unread = fault
		t.trouble(fault)
	} else {
		t.credential = c
	}
	if f := t.s.cfg.Observer.CredentialRead; f != nil && ctx.Err() == nil {
		f(t.op.ClientService, c, fault)
	}
}

// trouble records a fault that leaves documents unfinished, and which documents these are. It
// copies err, because other operations of the same call hold it too.
func (t *try) trouble(err *Error, of ...Document) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range of {
		t.why[d.Index] = err
	}
	if err.Kind == KindStorage {
		if t.disk == nil {
			t.disk = err
		}
		return
	}
	if t.worst == nil || err.Retry && !t.worst.Retry {
		e := *err
		t.worst = &e
	} else if err.Retry {
		t.worst.RetryAfter = max(t.worst.RetryAfter, err.RetryAfter)
	}
}

// documents works on all documents, several chunks at a time. It returns errors of the store.
func (t *try) documents(ctx context.Context) error {
	var chunks sync.WaitGroup
	slots := make(chan struct{}, chunksAtOnce)
	for from := 0; from < t.op.DocumentCount && ctx.Err() == nil; from += chunkDocuments {
		slots <- struct{}{}
		docs, err := t.s.cfg.Store.Documents(ctx, t.op.ID, from, chunkDocuments)
		if err != nil {
			chunks.Wait()
			return err
		}
		chunks.Go(func() {
			defer func() { <-slots }()
			t.chunk(ctx, docs)
		})
	}
	chunks.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.disk
}

// chunk takes the documents of one chunk through every step.
func (t *try) chunk(ctx context.Context, docs []Document) {
	var unsigned, valued []Document
	for _, d := range t.settled(ctx, docs) {
		switch d.State {
		case DocumentReceived, DocumentPrepared:
			// Prepare the document even if it was prepared before, because the certificate may have been
			// renewed since.
			unsigned = append(unsigned, d)
		case DocumentValued:
			valued = append(valued, d)
		case DocumentSent:
			t.trouble(t.unanswered(d), d)
		}
	}
	valued = append(valued, t.value(ctx, unsigned)...)
	t.embed(ctx, valued)
}

// settled returns docs as they are after every call has an end. An earlier try may have left a call
// whose end could not be recorded.
func (t *try) settled(ctx context.Context, docs []Document) []Document {
	if !slices.ContainsFunc(docs, func(d Document) bool { return d.State == DocumentSent }) {
		return docs
	}
	err := t.settle()
	if err == nil {
		docs, err = t.s.cfg.Store.Documents(ctx, t.op.ID, docs[0].Index, len(docs))
	}
	if err != nil {
		t.trouble(storageError(err))
		return nil
	}
	return docs
}

// unanswered returns the reason why a document is still in the state sent.
func (t *try) unanswered(d Document) *Error {
	if e := t.s.pending.reason(d.Ref); e != nil {
		return e
	}
	return storageError(fmt.Errorf("document %d waits for the end of a call that is not known", d.Index))
}

// preparedDoc is a document that is ready to be sent to the provider.
type preparedDoc struct {
	Document
	digest []byte
}

// prepare computes and stores what must be signed. It fails documents that cannot be signed.
func (t *try) prepare(ctx context.Context, c *Credential, docs []Document) []preparedDoc {
	prepared := make([]Prepared, len(docs))
	errs := make([]error, len(docs))
	t.each(ctx, t.s.cpu, len(docs), func(i int) { prepared[i], errs[i] = t.prepareOne(ctx, c, docs[i]) })

	var out []preparedDoc
	var save []PreparedDocument
	for i, d := range docs {
		if errs[i] != nil {
			continue
		}
		out = append(out, preparedDoc{Document: d, digest: prepared[i].Digest})
		save = append(save, PreparedDocument{Ref: d.Ref, Prepared: prepared[i]})
	}
	t.failAll(ctx, docs, errs)
	if len(save) == 0 {
		return nil
	}
	if err := t.s.cfg.Store.SavePrepared(ctx, save); err != nil {
		t.trouble(storageError(err))
		return nil
	}
	return out
}

func (t *try) prepareOne(ctx context.Context, c *Credential, d Document) (p Prepared, err error) {
	defer recovered(&err)
	format, in, err := t.open(ctx, d)
	if err != nil {
		return p, err
	}
	defer in.File.Close()
	p, err = format.Prepare(ctx, in, c)
	return p, readFault(in.File, err)
}

// open returns the document's format and input; the caller closes in.File.
func (t *try) open(ctx context.Context, d Document) (Format, Input, error) {
	format, ok := t.s.cfg.Formats[d.Signature.Type]
	if !ok {
		return nil, Input{}, Errorf(KindUnsupported, "signatureType %s is not supported", d.Signature.Type)
	}
	file, err := t.s.cfg.Store.OpenFile(ctx, d.Operation, d.Content)
	if err != nil {
		return nil, Input{}, storageError(err)
	}
	in := Input{File: &watchedFile{File: file}, Midstate: d.Content.Midstate, Signature: d.Signature, Time: t.op.Created}
	if v := d.Signature.Visible; v != nil && v.Image != nil {
		in.OpenImage = func() (File, error) { return t.s.cfg.Store.OpenFile(ctx, d.Operation, *v.Image) }
	}
	return format, in, nil
}

// sign passes the digests to the batcher and waits for all results. valued are the documents whose
// signature value is stored. With again, renewed are the documents that must be prepared for a
// renewed certificate.
func (t *try) sign(ctx context.Context, c *Credential, docs []preparedDoc, again bool) (valued, renewed []Document) {
	if len(docs) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	items := make([]*item, len(docs))
	for i, d := range docs {
		items[i] = &item{ref: d.Ref, digest: d.digest, clientService: t.op.ClientService, waiting: t.waiting}
	}
	t.s.batch.sign(ctx, t.provider, c, items)
	all := make([]Document, len(docs))
	errs := make([]error, len(docs))
	for i, it := range items {
		all[i] = docs[i].Document
		switch {
		case it.err == nil:
			valued = append(valued, docs[i].Document)
		case again && errors.Is(it.err, errNewCertificate) && AsError(it.err).Retry:
			renewed = append(renewed, docs[i].Document)
		default:
			errs[i] = it.err
		}
	}
	t.failAll(ctx, all, errs)
	return valued, renewed
}
