package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

const (
	// chunkDocuments is how many documents take each step together: one transaction a step, and few
	// enough that a chunk's prepared values (about 8 KB each) stay small in memory.
	chunkDocuments = 64
	// chunksAtOnce is how many chunks of one operation are under way: while some wait for the
	// provider, others are prepared and embedded. With 64 documents each it fills several calls of the
	// usual multisign (100) in flight.
	chunksAtOnce = 8
)

// try is one try of an operation: it takes every document that has not ended as far as it goes.
type try struct {
	s          *Service
	op         Operation
	waiting    bool
	provider   Provider
	credential *Credential  // guarded by mu once chunks run; nil = it cannot be used
	unread     *Error       // why it cannot be used
	settle     func() error // finds ends for calls that have none; once a try

	mu    sync.Mutex
	worst *Error         // why documents are left; nil = none is. A fault worth a retry wins over one that is not.
	why   map[int]*Error // why each is, by its index
	disk  error          // the first fault of our own store
}

// connect finds the provider and its credential. Without them documents that have their signature
// value are embedded all the same.
func (t *try) connect(ctx context.Context) {
	// several questions, each of them bounded by the provider
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

// trouble notes a fault that leaves documents unended, and of which. It copies err: others of the
// same call hold it too.
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

// documents works on all documents, several chunks at a time. The error is the store's.
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

// chunk takes some documents through every step.
func (t *try) chunk(ctx context.Context, docs []Document) {
	var unsigned, valued []Document
	for _, d := range t.settled(ctx, docs) {
		switch d.State {
		case DocumentReceived, DocumentPrepared:
			// Prepared anew even if it was before: the certificate may have been renewed since.
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

// settled returns docs as they are once every call has an end: an earlier try may have left one
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

// unanswered is why a document is sent still.
func (t *try) unanswered(d Document) *Error {
	if e := t.s.pending.reason(d.Ref); e != nil {
		return e
	}
	return storageError(fmt.Errorf("document %d waits for the end of a call that is not known", d.Index))
}

// preparedDoc is a document on its way to the provider.
type preparedDoc struct {
	Document
	digest []byte
}

// prepare computes and stores what has to be signed, and fails documents that cannot be.
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

// sign hands the digests to the batcher and waits for all. It returns the documents whose signature
// value is stored, and with again those that have to be prepared for a renewed certificate.
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
