package signing

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"github.com/go-logr/logr"
)

// Config holds the dependencies and the settings of a Service. A setting with the zero value gets
// the default that is named beside it.
type Config struct {
	Store   Store
	Formats map[SignatureType]Format
	// Providers returns the provider that signs for a client service. It is called at every attempt at
	// an operation. Equal values of Credential.Name must stand for equal credentials. An error fails
	// the documents of the operation (KindConfiguration), or is retried if it says so.
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
	// Tries is how many times an operation is retried after an attempt that failed on the remote side.
	// 0 = 3. Backoff is the time between two attempts. 0 = one minute, as the vendor advises.
	Tries   int
	Backoff time.Duration
	// Deadline limits how long after its acceptance an operation's last attempt may begin. Restarts do
	// not extend it. 0 = 24 hours (the documented lock time).
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

// setDefaults replaces the zero values of settings by their defaults.
func (c *Config) setDefaults() {
	c.MaxQueuedDocuments = cmp.Or(c.MaxQueuedDocuments, 20_000)
	c.Tries = cmp.Or(c.Tries, 3)
	c.Backoff = cmp.Or(c.Backoff, time.Minute)
	c.Deadline = cmp.Or(c.Deadline, 24*time.Hour)
	c.UnknownOutcome = cmp.Or(c.UnknownOutcome, UnknownRetry)
	c.Grace = cmp.Or(c.Grace, 20*time.Second)
	if c.Random == nil {
		c.Random = rand.Float64
	}
	c.Batch.setDefaults()
}

// withJitter returns d plus up to a fifth of it, so that what failed together is not retried
// together.
func (c *Config) withJitter(d time.Duration) time.Duration {
	return d + time.Duration(c.Random()*float64(d)/5)
}

// BatchConfig says when digests that wait for a credential are sent as one call.
type BatchConfig struct {
	// Quiet is how long no digest may have arrived before a call that is not full is sent to an idle
	// credential. 0 = 5 ms: requests that were sent together arrive within that time, and the
	// time is short compared with a remote signature of 100 ms and more.
	//
	// The time is at most a tenth of what the credential's recent calls have taken, so that there is
	// no long wait for a fast local key. Clients that have just shared a call mostly send
	// their next requests together. Until as many digests wait as in that call, the time is a
	// third of what recent calls have taken, and at most twenty times Quiet. A digest that arrives
	// while a call is in flight waits for the end of that call, so too short a time costs the time of
	// a whole call.
	Quiet time.Duration
	// MaxWaitSync and MaxWaitAsync limit how long the oldest digest waits while other calls of the
	// credential are in flight and its own call is not full. 0 = 500 ms and 1 s.
	MaxWaitSync, MaxWaitAsync time.Duration
	// CallTimeout limits one call. 0 = 2 minutes: services that ask a person or poll an HSM take tens
	// of seconds. After that time no answer is expected, and the outcome is unknown.
	CallTimeout time.Duration
}

func (c *BatchConfig) setDefaults() {
	c.Quiet = cmp.Or(c.Quiet, 5*time.Millisecond)
	c.MaxWaitSync = cmp.Or(c.MaxWaitSync, 500*time.Millisecond)
	c.MaxWaitAsync = cmp.Or(c.MaxWaitAsync, time.Second)
	c.CallTimeout = cmp.Or(c.CallTimeout, 2*time.Minute)
}

// Observer receives events, for metrics. Nil functions are skipped. They are called from many
// goroutines and must not block.
type Observer struct {
	Opened         func() // operations of an earlier process are queued again, and new ones are accepted
	OperationEnded func(clientService string, status Status)
	DocumentEnded  func(kind Kind, signed bool)
	DocumentSigned func(t SignatureType)
	// CredentialRead reports how the credential of a client service was read. It is called at every
	// attempt at an operation. err is nil or says why the credential cannot be used.
	CredentialRead func(clientService string, c *Credential, err *Error)
	// CallEnded reports the outcome of a call: returned, refused or unknown.
	CallEnded func(c *Credential, id string, digests int, took time.Duration, outcome string)
}

// documentsEnded reports the results of documents.
func (o *Observer) documentsEnded(ended []DocumentResult) {
	for _, r := range ended {
		kind, signed := KindInternal, r.Failure == nil
		if !signed {
			kind = r.Failure.Kind
		}
		if o.DocumentEnded != nil {
			o.DocumentEnded(kind, signed)
		}
		if signed && o.DocumentSigned != nil {
			o.DocumentSigned(r.Type)
		}
	}
}
