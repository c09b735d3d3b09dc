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

// Config is what a Service is made of. Zero values of the settings are replaced by the defaults
// named beside them.
type Config struct {
	Store   Store
	Formats map[SignatureType]Format
	// Providers gives the provider that signs for a client service. It is asked for every operation;
	// equal credentials must be behind equal Credential.Name values. An error fails the operation's
	// documents (KindConfiguration) or is retried if it says so.
	Providers func(clientService string) (Provider, error)
	// TimestampReady returns an error with Retry while no timestamp authority is expected to give a
	// token: then no signature is spent on documents that need one. It may ask an authority. Nil = it
	// is not asked.
	TimestampReady func(ctx context.Context) error
	Log            logr.Logger
	Observer       Observer

	// MaxQueuedDocuments bounds the documents accepted and not yet ended; an eighth is for client
	// services that have less than that in it. 0 = 20,000: eight requests of the largest documented
	// size.
	MaxQueuedDocuments int
	// Tries is how many times a try that failed for the remote side's reasons is repeated, Backoff
	// apart. 0 = 3; Backoff 0 = one minute, as the vendor advises.
	Tries   int
	Backoff time.Duration
	// Deadline is how long after its acceptance an operation's last try begins, restarts included. 0 =
	// 24 hours (the documented lock time).
	Deadline time.Duration
	// UnknownOutcome says what happens to documents whose signatures may exist but were lost. Empty =
	// retry.
	UnknownOutcome UnknownPolicy
	// Random gives numbers from 0 up to 1, with which pauses are drawn out by up to a fifth. Nil =
	// math/rand/v2.
	Random func() float64
	// Grace is how long running operations may go on once the service is told to stop. 0 = 20 s,
	// inside Kubernetes' default of 30.
	Grace time.Duration
	Batch BatchConfig
}

// UnknownPolicy is what to do after an unknown outcome.
type UnknownPolicy string

const (
	UnknownRetry UnknownPolicy = "retry" // sign again: a signature may be spent twice, and is counted as unknown
	UnknownFail  UnknownPolicy = "fail"  // give the document up: nothing is spent twice without a person's decision
)

// Observer hears of what happens, for metrics. Nil functions are skipped. They are called from many
// goroutines and must not block.
type Observer struct {
	Opened         func() // what an earlier process left is queued again, and new operations are accepted
	OperationEnded func(clientService string, status Status)
	DocumentEnded  func(kind Kind, signed bool)
	// CredentialRead is how the credential of a client service was read, at every try of an operation
	// of its; err is nil or says why not.
	CredentialRead func(clientService string, c *Credential, err *Error)
	// returned, refused, unknown
	CallEnded func(c *Credential, id string, digests int, took time.Duration, outcome string)
}

// Stats is a moment's state, for gauges.
type Stats struct {
	QueuedDocuments  int           // accepted, not ended
	ActiveOperations int           // being worked on
	OldestQueued     time.Duration // age of the oldest operation that has not ended; 0 = none
	UnstoredValues   int           // signature values that are kept in memory because they cannot be stored
}

// Service is the one pipeline behind every door: sync and async requests and hot folders differ
// only in who waits. Make it with New, run it with Start. All methods are safe for concurrent use.
type Service struct {
	cfg     Config
	queue   *queue
	batch   *batcher
	caller  *caller
	settler *settler
	pending *pendingAnswers
	cpu     chan struct{} // slots for work that keeps a core busy
	net     chan struct{} // slots for embedding that waits for a timestamp authority

	unstored atomic.Int64 // bytes of sections that are finished and not stored

	stopped chan struct{} // closed when the grace period of a stop is over, or all has ended before
	halt    func()        // closes it, once

	mu      sync.Mutex
	waiters map[ID]chan struct{} // closed when the operation has ended
}

// remoteEmbeds is how many documents may wait for timestamps and revocation data at a time: enough
// to hide a round trip of 100 ms behind the next signing call, few enough for a timestamp
// authority's manners.
const remoteEmbeds = 16

// New returns a service that accepts nothing until Start runs.
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

// Admit says whether a client service's new request may be read at all: KindBusy with RetryAfter
// when the queue is full or the service is not running. Doors call it before they read a body.
func (s *Service) Admit(clientService string) error { return s.queue.admit(clientService, 1) }

// NewUpload opens a place for the documents of one request; see Upload.
func (s *Service) NewUpload(ctx context.Context) (Upload, error) { return s.cfg.Store.NewUpload(ctx) }

// Submission is one complete request, its documents spooled.
type Submission struct {
	ClientService  string
	Request        Request
	Contents       []Content // of Request.Documents, place by place
	IdempotencyKey string    // empty = none
	// Callback is told of the end where Request names no other URL. It is no part of what makes a
	// repetition the same request.
	Callback string
	// Waiting is set where a client waits for the result (sync): such operations go before others and
	// are batched sooner.
	Waiting bool
}

// Submit accepts an operation: it is durable when Submit returns, and ends with a result or a
// reason whatever happens. The upload is taken over, or discarded when there is an error or when a
// repeated Idempotency-Key is answered with the operation it made before (replayed). Errors:
// KindReferenceUsed, KindKeyReused, KindBusy, KindStorage.
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
		// Two requests with one key may have raced: the loser is the winner's replay.
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

// replay finds the operation that sub's Idempotency-Key made before.
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

// fingerprint digests what was asked for: the parsed fields and the documents' digests, but nothing
// that differs between two sendings of one request (names of spooled files).
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

// Wait returns the operation once it has ended, or as it is when ctx is done or the grace period of
// a stop is over: nobody waits for a result that only the next process will make. It says nothing
// about whose operation it is.
func (s *Service) Wait(ctx context.Context, id ID) (Operation, error) {
	s.mu.Lock()
	ended, ok := s.waiters[id]
	if !ok {
		ended = make(chan struct{})
		s.waiters[id] = ended
	}
	s.mu.Unlock()

	op, err := s.cfg.Store.Operation(context.WithoutCancel(ctx), id) // a wait of no time has an answer too
	if op.Status.Ended() || KindOf(err) == KindNotFound {
		s.wake(id) // nobody else will
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

// wake tells everybody who waits for the operation.
func (s *Service) wake(id ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended, ok := s.waiters[id]; ok {
		close(ended)
		delete(s.waiters, id)
	}
}

// Operation returns a client service's operation; KindNotFound also for another's, so that nobody
// learns that it exists.
func (s *Service) Operation(ctx context.Context, clientService string, id ID) (Operation, error) {
	op, err := s.cfg.Store.Operation(ctx, id)
	if err == nil && op.ClientService != clientService {
		return Operation{}, Errorf(KindNotFound, "no operation with id %s", id)
	}
	return op, err
}

// Remove forgets a client service's operation that has ended, with its documents and results.
// KindNotFound as Operation says it, KindNotEnded, KindStorage.
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

// Fetched records that an operation's results were given to its owner in full.
func (s *Service) Fetched(ctx context.Context, id ID) {
	if err := s.cfg.Store.Fetched(ctx, id); err != nil {
		s.cfg.Log.Error(err, "could not record that results were fetched, they are kept longer", "operation", id)
	}
}

// FindByReference returns a client service's operations with that external reference, newest first.
func (s *Service) FindByReference(ctx context.Context, clientService, reference string) ([]Operation, error) {
	return s.cfg.Store.FindByReference(ctx, clientService, reference)
}

// FindByDocumentReference returns the client service's newest operation with such a document;
// KindNotFound.
func (s *Service) FindByDocumentReference(ctx context.Context, clientService, reference string) (ID, error) {
	return s.cfg.Store.FindByDocumentReference(ctx, clientService, reference)
}

// FindByKey returns the operation that a client service made with an Idempotency-Key; KindNotFound.
func (s *Service) FindByKey(ctx context.Context, clientService, key string) (ID, error) {
	op, err := s.cfg.Store.FindByKey(ctx, clientService, key)
	return op.ID, err
}

// Documents returns up to limit documents of an operation from index on. Ask Operation first whose
// it is.
func (s *Service) Documents(ctx context.Context, id ID, from, limit int) ([]Document, error) {
	return s.cfg.Store.Documents(ctx, id, from, limit)
}

// Stats returns the state of the moment.
func (s *Service) Stats() Stats {
	st := s.queue.stats(time.Now())
	st.UnstoredValues = int(s.caller.unstored.Load())
	return st
}
