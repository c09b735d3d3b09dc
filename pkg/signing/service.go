package signing

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// Config holds the dependencies and the settings of a Service. A setting with the zero value gets
// the default that is named beside it.
type Config struct {
	Store   Store
	Formats map[SignatureType]Format
	// Providers returns the provider that signs for a client service. It is called at every try of an
	// operation. Equal values of Credential.Name must stand for equal credentials. An error fails the
	// documents of the operation (KindConfiguration), or is retried if it says so.
	Providers func(clientService string) (Provider, error)
	// TimestampReady returns an error with Retry set while no timestamp authority is expected to give
	// a token. Then no signature is spent on documents that need one. It may ask an authority. Nil =
	// the service does not check this.
	TimestampReady func(ctx context.Context) error
	Log            logr.Logger
	Observer       Observer

	// MaxQueuedDocuments limits the documents that are accepted and have not ended. An eighth of it is
	// reserved for client services that have less than that in the queue. 0 = 20,000: eight requests
	// of the largest documented size.
	MaxQueuedDocuments int
	// Tries is how many times an operation is retried after a try that failed on the remote side. 0 =
	// 3. Backoff is the time between two tries. 0 = one minute, as the vendor advises.
	Tries   int
	Backoff time.Duration
	// Deadline limits how long after its acceptance an operation's last try may begin. Restarts do not
	// extend it. 0 = 24 hours (the documented lock time).
	Deadline time.Duration
	// UnknownOutcome says what happens to documents whose signatures may exist but were lost. Empty =
	// UnknownRetry.
	UnknownOutcome UnknownPolicy
	// Random returns numbers from 0 up to 1. They extend pauses by up to a fifth. Nil = math/rand/v2.
	Random func() float64
	// Grace is how long running operations may continue after the service is told to stop. 0 = 20 s,
	// which is less than the 30 s that Kubernetes gives by default.
	Grace time.Duration
	Batch BatchConfig
}

// UnknownPolicy says what happens to documents after an unknown outcome.
type UnknownPolicy string

const (
	UnknownRetry UnknownPolicy = "retry" // sign again: a signature may be spent twice, and is counted as unknown
	UnknownFail  UnknownPolicy = "fail"  // fail the document: nothing is spent twice without a person's decision
)

// Observer receives events, for metrics. Nil functions are skipped. They are called from many
// goroutines and must not block.
type Observer struct {
	Opened         func() // operations of an earlier process are queued again, and new ones are accepted
	OperationEnded func(clientService string, status Status)
	DocumentEnded  func(kind Kind, signed bool)
	// CredentialRead reports how the credential of a client service was read. It is called at every
	// try of an operation. err is nil or says why the credential cannot be used.
	CredentialRead func(clientService string, c *Credential, err *Error)
	// CallEnded reports the outcome of a call: returned, refused or unknown.
	CallEnded func(c *Credential, id string, digests int, took time.Duration, outcome string)
}

// Stats is a snapshot of the state, for gauges.
type Stats struct {
	QueuedDocuments  int           // documents that are accepted and have not ended
	ActiveOperations int           // operations that are being worked on
	OldestQueued     time.Duration // age of the oldest operation that has not ended; 0 = none
	UnstoredValues   int           // signature values that are kept in memory because they cannot be stored
}

// Service processes sync requests, async requests and hot folders in the same way. They differ only
// in who waits for the result. Create it with New, and run it with Start. All methods are safe for
// concurrent use.
type Service struct {
	cfg     Config
	queue   *queue
	batch   *batcher
	caller  *caller
	settler *settler
	pending *pendingAnswers
	cpu     chan struct{} // slots for work that keeps a core busy
	net     chan struct{} // slots for embedding that waits for a timestamp authority

	unstored atomic.Int64 // bytes of sections that are finished and not stored yet

	stopped chan struct{} // closed when the grace period of a stop has ended, or when everything has ended before
	halt    func()        // closes stopped; later calls do nothing

	mu      sync.Mutex
	waiters map[ID]chan struct{} // closed when the operation has ended
}

// remoteEmbeds is how many documents may wait for timestamps and revocation data at the same time.
// They are enough to hide a round trip of 100 ms behind the next signing call, and few enough not
// to overload a timestamp authority.
const remoteEmbeds = 16

// New returns a Service. It accepts no request until Start runs.
func New(cfg Config) *Service {
	setDefault(&cfg.MaxQueuedDocuments, 20_000)
	setDefault(&cfg.Tries, 3)
	setDefault(&cfg.Backoff, time.Minute)
	setDefault(&cfg.Deadline, 24*time.Hour)
	setDefault(&cfg.UnknownOutcome, UnknownRetry)
	setDefault(&cfg.Grace, 20*time.Second)
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	cfg.Batch.setDefaults()
	stopped := make(chan struct{})
	s := &Service{
		cfg:     cfg,
		queue:   newQueue(cfg.MaxQueuedDocuments),
		cpu:     make(chan struct{}, runtime.GOMAXPROCS(0)),
		net:     make(chan struct{}, remoteEmbeds),
		stopped: stopped,
		halt:    sync.OnceFunc(func() { close(stopped) }),
		waiters: make(map[ID]chan struct{}),
	}
	live := newLiveCalls()
	s.pending = newPendingAnswers(s.cfg.Log, s.cfg.Backoff)
	s.settler = newSettler(&s.cfg, live, s.pending)
	s.caller = newCaller(&s.cfg, live, s.pending, stopped)
	s.batch = newBatcher(&s.cfg, s.caller)
	return s
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Admit reports whether a new request of a client service may be read. KindBusy with RetryAfter if
// the queue is full or the service is not running. Call it before the body of the request is read.
func (s *Service) Admit(clientService string) error { return s.queue.admit(clientService, 1) }

// NewUpload starts an upload for the documents of one request; see Upload.
func (s *Service) NewUpload(ctx context.Context) (Upload, error) { return s.cfg.Store.NewUpload(ctx) }

// Submission is one complete request whose documents are spooled.
type Submission struct {
	ClientService  string
	Request        Request
	Contents       []Content // of Request.Documents, in the same order
	IdempotencyKey string    // empty = none
	// Callback is the URL that is notified of the end if Request names no other URL. It does not count
	// when a repeated request is compared with the first one.
	Callback string
	// Waiting is set if a client waits for the result (sync). Such operations go before others and are
	// batched sooner.
	Waiting bool
}

// Submit accepts an operation. The operation is durable when Submit returns without error, and it
// always ends with a result or a reason. If the Idempotency-Key was used before with the same
// request, Submit returns the operation of that request, and replayed is true. Submit takes the
// upload over, or discards it after an error or a replay. Errors: KindReferenceUsed, KindKeyReused,
// KindBusy, KindStorage.
func (s *Service) Submit(ctx context.Context, up Upload, sub Submission) (op Operation, replayed bool, err error) {
	defer up.Discard()
	print := fingerprint(sub)
	if op, ok, err := s.replay(ctx, sub, print); ok || err != nil {
		return op, ok, err
	}
	n := len(sub.Request.Documents)
	if err := s.queue.reserve(sub.ClientService, n); err != nil {
		return Operation{}, false, err
	}
	made := NewOperation{
		ClientService:  sub.ClientService,
		Request:        sub.Request,
		Contents:       sub.Contents,
		Callback:       cmp.Or(sub.Request.Callback, sub.Callback),
		IdempotencyKey: sub.IdempotencyKey,
		Fingerprint:    print,
		Created:        time.Now(),
	}
	if op, err = s.create(ctx, up, made); err != nil {
		s.queue.release(sub.ClientService, n)
		// Two requests with one key may have raced. The loser returns the operation of the winner.
		if again, ok, rerr := s.replay(ctx, sub, print); ok || rerr != nil {
			return again, ok, rerr
		}
		return Operation{}, false, err
	}
	s.cfg.Log.Info("operation accepted", "operation", op.ID, "clientService", op.ClientService,
		"externalReference", op.ExternalReference, "documents", n)
	s.queue.push(entry{id: op.ID, clientService: op.ClientService, documents: n, waiting: sub.Waiting, since: op.Created})
	return op, false, nil
}

// replay finds the operation that was made before with the Idempotency-Key of sub. KindKeyReused if
// that was another request.
func (s *Service) replay(ctx context.Context, sub Submission, print [32]byte) (Operation, bool, error) {
	if sub.IdempotencyKey == "" {
		return Operation{}, false, nil
	}
	op, err := s.cfg.Store.FindByKey(ctx, sub.ClientService, sub.IdempotencyKey)
	switch {
	case KindOf(err) == KindNotFound:
		return Operation{}, false, nil
	case err != nil:
		return Operation{}, false, err
	case op.Fingerprint != print:
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

// Wait returns the operation when it has ended. When ctx is done, or the grace period of a stop has
// ended, it returns the operation as it is, because then only the next process can end it. It does
// not check whose operation it is.
func (s *Service) Wait(ctx context.Context, id ID) (Operation, error) {
	s.mu.Lock()
	ended, ok := s.waiters[id]
	if !ok {
		ended = make(chan struct{})
		s.waiters[id] = ended
	}
	s.mu.Unlock()

	op, err := s.cfg.Store.Operation(context.WithoutCancel(ctx), id) // ctx may be done already
	if op.Status.Ended() || KindOf(err) == KindNotFound {
		s.wake(id) // nobody else will do it
	}
	if err != nil || op.Status.Ended() {
		return op, err
	}
	select {
	case <-ended:
	case <-s.stopped:
	case <-ctx.Done():
	}
	return s.cfg.Store.Operation(context.WithoutCancel(ctx), id)
}

// wake notifies everybody who waits for the operation.
func (s *Service) wake(id ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended, ok := s.waiters[id]; ok {
		close(ended)
		delete(s.waiters, id)
	}
}

// Operation returns an operation of a client service. It returns KindNotFound also for operations
// of others, so that nobody learns that they exist.
func (s *Service) Operation(ctx context.Context, clientService string, id ID) (Operation, error) {
	op, err := s.cfg.Store.Operation(ctx, id)
	if err == nil && op.ClientService != clientService {
		return Operation{}, Errorf(KindNotFound, "no operation with id %s", id)
	}
	return op, err
}

// Remove deletes an operation of a client service that has ended, with its documents and results.
// Errors: KindNotFound as in Operation, KindNotEnded, KindStorage.
func (s *Service) Remove(ctx context.Context, clientService string, id ID) error {
	if _, err := s.Operation(ctx, clientService, id); err != nil {
		return err
	}
	err := s.cfg.Store.Remove(ctx, id)
	if errors.Is(err, ErrConflict) {
		return Errorf(KindNotEnded, "operation %s has not ended", id)
	}
	if err == nil {
		s.cfg.Log.Info("operation removed", "operation", id, "clientService", clientService)
	}
	return err
}

// Fetched records that the owner has received all results of an operation. It logs errors and does
// not return them.
func (s *Service) Fetched(ctx context.Context, id ID) {
	if err := s.cfg.Store.Fetched(ctx, id); err != nil {
		s.cfg.Log.Error(err, "could not record that results were fetched, they are kept longer", "operation", id)
	}
}

// FindByReference returns the operations of a client service with that external reference, the
// newest first.
func (s *Service) FindByReference(ctx context.Context, clientService, reference string) ([]Operation, error) {
	return s.cfg.Store.FindByReference(ctx, clientService, reference)
}

// FindByDocumentReference returns the newest operation of a client service that has a document with
// that external reference. KindNotFound if there is none.
func (s *Service) FindByDocumentReference(ctx context.Context, clientService, reference string) (ID, error) {
	return s.cfg.Store.FindByDocumentReference(ctx, clientService, reference)
}

// FindByKey returns the operation that a client service made with an Idempotency-Key. KindNotFound
// if there is none.
func (s *Service) FindByKey(ctx context.Context, clientService, key string) (ID, error) {
	op, err := s.cfg.Store.FindByKey(ctx, clientService, key)
	return op.ID, err
}

// Documents returns up to limit documents of an operation, starting with index from. It does not
// check whose operation it is: call Operation first.
func (s *Service) Documents(ctx context.Context, id ID, from, limit int) ([]Document, error) {
	return s.cfg.Store.Documents(ctx, id, from, limit)
}

// Stats returns a snapshot of the current state.
func (s *Service) Stats() Stats {
	st := s.queue.stats(time.Now())
	st.UnstoredValues = int(s.caller.unstored.Load())
	return st
}
