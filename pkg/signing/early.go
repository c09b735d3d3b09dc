package signing

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// maxEarlyDocuments is how many documents a request may have that are signed early. It is a chunk
	// of an attempt, so their prepared values and sections take as much memory as those of a chunk.
	maxEarlyDocuments = chunkDocuments
	// allEarlyDocuments is how many documents of all requests may be signed early at a time. With
	// 30 KB of prepared value and section each they take 4 MB.
	allEarlyDocuments = 2 * maxEarlyDocuments
	// earlyCredentialTimeout bounds how long a request waits for a credential before its documents are
	// durable. The credential was free at the last attempt, so it is in memory, unless the
	// configuration has changed since.
	earlyCredentialTimeout = 100 * time.Millisecond
	// earlyTimeout bounds how long the documents are signed before the worker takes over. The request
	// is not accepted before. A token that hangs would otherwise hold it back for ever. Large
	// documents on a busy machine take some seconds.
	earlyTimeout = 30 * time.Second
)

// earlySigner signs the documents of requests whose clients wait, while the store makes these
// documents durable. It does so only with credentials whose signatures are free, because it records
// no call before it asks the provider: after a crash the client has no answer, the request is not
// stored, and the repeated request is signed again. Whatever it cannot do at once it leaves to the
// worker. It is safe for concurrent use.
type earlySigner struct {
	cfg *Config
	cpu slots // shared with the worker

	mu        sync.Mutex
	documents int             // that are being signed
	free      map[string]bool // whether the credential of a client service was free at its last attempt
}

func newEarlySigner(cfg *Config, cpu slots) *earlySigner {
	return &earlySigner{cfg: cfg, cpu: cpu, free: make(map[string]bool)}
}

// saw notes the credential of an attempt. nil = it cannot be used.
func (e *earlySigner) saw(clientService string, c *Credential) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c != nil && c.Free {
		e.free[clientService] = true
	} else {
		delete(e.free, clientService)
	}
}

// suits reports whether the documents of a request may be signed early. Levels above B-B wait for a
// timestamp authority, and a request is not accepted before its documents are signed.
func (e *earlySigner) suits(sub Submission) bool {
	docs := sub.Request.Documents
	if !sub.Waiting || len(docs) > maxEarlyDocuments {
		return false
	}
	for i := range docs {
		if docs[i].Signature.Level != LevelB {
			return false
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.free[sub.ClientService]
}

// take reserves room for n documents. give returns it.
func (e *earlySigner) take(n int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.documents+n > allEarlyDocuments {
		return false
	}
	e.documents += n
	return true
}

func (e *earlySigner) give(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.documents -= n
}

// sign returns the results of all documents of a request. It is NewOperation.SignEarly. It returns
// nil if anything is not as usual. The worker then does the work from the beginning and finds out
// what is wrong.
func (e *earlySigner) sign(ctx context.Context, op Operation, docs []Document) (signed []DocumentResult) {
	if !e.take(len(docs)) {
		return nil
	}
	defer e.give(len(docs))
	signed, err := e.signAll(ctx, op, docs)
	if err != nil {
		e.cfg.Log.V(1).Info("documents were not signed early", "operation", op.ID, "reason", err.Error())
		return nil
	}
	return signed
}

func (e *earlySigner) signAll(ctx context.Context, op Operation, docs []Document) (signed []DocumentResult, err error) {
	defer panicToError(&err)
	ctx, cancelAll := context.WithTimeout(ctx, earlyTimeout)
	defer cancelAll()
	connection := &connection{cfg: e.cfg, clientService: op.ClientService}
	opening, cancel := context.WithTimeout(ctx, earlyCredentialTimeout)
	fault := connection.open(opening)
	cancel()
	c, _ := connection.current()
	e.saw(op.ClientService, c)
	switch {
	case fault != nil:
		return nil, fault
	case !c.Free:
		return nil, fmt.Errorf("signatures of %s are not free", c.Name)
	}
	inputs := inputs{cfg: e.cfg, created: op.Created}
	preparer := &preparer{cfg: e.cfg, inputs: inputs}
	prepared := make([]Prepared, len(docs))
	err = e.each(ctx, len(docs), func(i int) (err error) {
		prepared[i], err = preparer.prepareOne(ctx, c, docs[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	values, record, err := e.values(ctx, earlyCalls{connection.provider, c, op, docs, prepared})
	if err != nil {
		return nil, err
	}
	// The record of the calls need not be on disk before the documents are embedded, only before they
	// are stored.
	var recording sync.WaitGroup
	var recordErr error
	recording.Go(func() { recordErr = record(ctx) })
	embedder := &embedder{cfg: e.cfg, inputs: inputs}
	signed = make([]DocumentResult, len(docs))
	err = e.each(ctx, len(docs), func(i int) (err error) {
		signed[i], err = embedder.embedPrepared(ctx, docs[i], prepared[i], values[i])
		return err
	})
	recording.Wait()
	if err == nil {
		err = recordErr
	}
	return signed, err
}

// each calls f for 0 to n-1 with slots of the CPU, and returns one of the errors.
func (e *earlySigner) each(ctx context.Context, n int, f func(i int) error) error {
	errs := make([]error, n)
	e.cpu.each(ctx, n, func(i int) { errs[i] = f(i) })
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// earlyCalls is what the calls of one request are made for.
type earlyCalls struct {
	provider   Provider
	credential *Credential
	op         Operation
	docs       []Document
	prepared   []Prepared
}

// values asks the provider for the signature values of all documents and checks them. record
// stores the record of the calls.
func (e *earlySigner) values(
	ctx context.Context, of earlyCalls,
) (values [][]byte, record func(context.Context) error, err error) {
	c := of.credential
	var calls []FreeCall
	for from := 0; from < len(of.docs); from += c.MaxBatch {
		to := min(from+c.MaxBatch, len(of.docs))
		call := Call{ID: newCallID()}
		for _, p := range of.prepared[from:to] {
			call.Digests = append(call.Digests, p.Digest)
		}
		began := time.Now()
		some, err := signSafely(ctx, of.provider, call)
		if err == nil {
			err = checkValues(c, call.Digests, some)
		}
		if err != nil {
			return nil, nil, err
		}
		if f := e.cfg.Observer.CallEnded; f != nil {
			f(c, call.ID, len(call.Digests), time.Since(began), "returned")
		}
		values = append(values, some...)
		calls = append(calls, FreeCall{
			ID: call.ID, Credential: c.Name, Certificate: c.Certificate().SerialNumber.Text(16),
			Operation: of.op, Documents: of.docs[from:to],
		})
	}
	return values, func(ctx context.Context) error { return e.cfg.Store.RecordFreeCalls(ctx, calls) }, nil
}
