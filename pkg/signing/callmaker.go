package signing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync/atomic"
	"time"
)

// maxExpiredRepeats is how often a call is repeated at once because an access token or activation
// data had expired (ErrRenewed). Both may have expired, and the service reports one after the
// other. Each repetition is a call of its own in the store and in the counters.
const maxExpiredRepeats = 2

// callMaker makes calls to providers: it records each call, makes it, checks the answer and records
// the end. It is safe for concurrent use.
type callMaker struct {
	cfg           *Config
	throttle      *throttle
	live          *liveCalls
	pending       *pendingAnswers
	resumer       resumer
	renewals      *renewalDetector
	verifications *verifications

	unstored atomic.Int64    // signature values in memory that could not be stored yet
	stopped  <-chan struct{} // closed when the process stops and no value can be stored any more
}

func newCallMaker(cfg *Config, live *liveCalls, pending *pendingAnswers, stopped <-chan struct{}) *callMaker {
	return &callMaker{
		cfg:           cfg,
		throttle:      newThrottle(cfg),
		live:          live,
		pending:       pending,
		resumer:       resumer{log: cfg.Log, timeout: cfg.Batch.CallTimeout},
		renewals:      newRenewalDetector(cfg),
		verifications: newVerifications(),
		stopped:       stopped,
	}
}

// batch is what one call is made for.
type batch struct {
	key        credentialKey
	provider   Provider
	credential *Credential
	items      []*item
}

// sign makes one call and finishes its items. It repeats the call at once after an expired token,
// and in halves after a refusal that one bad digest may have caused. It returns the items that the
// service refused only because there were too many requests, so that they are queued again. The
// call has a context of its own, because signatures that may have been paid for are waited for,
// even when the client closes the connection.
func (m *callMaker) sign(b batch, s *splitting) (refused []*item) {
	ctx, cancel := context.WithTimeout(context.Background(), m.cfg.Batch.CallTimeout)
	defer cancel()
	start := time.Now()
	err := m.callOnce(ctx, b)
	for range maxExpiredRepeats {
		if !errors.Is(err, ErrRenewed) || AsError(err).Unknown {
			break
		}
		err = m.callOnce(ctx, b)
	}
	m.verifications.record(b.key, err)
	m.throttle.record(b.key, b.credential, start, err)
	halves := s.halves(err, b.items)
	if halves == nil {
		return m.finish(b.key, b.items, err)
	}
	for _, half := range halves {
		switch {
		case s.reason != nil:
			m.finish(b.key, half, s.reason)
		case len(refused) > 0:
			refused = append(refused, half...)
		default:
			refused = m.sign(batch{b.key, b.provider, b.credential, half}, s)
		}
	}
	return refused
}

// finish gives items the error of their call, or returns them if they are to be queued again. The
// error asks for a retry after the end of the credential's back-off. An earlier retry would use up
// an attempt of the operation and make no call.
func (m *callMaker) finish(key credentialKey, items []*item, err error) (refused []*item) {
	if e := AsError(err); e != nil && e.Retry {
		rest, _ := m.throttle.remaining(key, time.Now())
		if errors.Is(e, ErrTooMany) && !e.Unknown && rest <= m.cfg.Backoff {
			return items
		}
		if rest > e.RetryAfter {
			later := *e
			later.RetryAfter = rest
			err = &later
		}
	}
	for _, it := range items {
		it.err = err
		it.done()
	}
	return nil
}

// callOnce records the call, makes it, checks the answer and records its end.
func (m *callMaker) callOnce(ctx context.Context, b batch) error {
	p, c := b.provider, b.credential
	if err := m.renewals.check(ctx, p, c); err != nil {
		return err
	}
	call := Call{ID: newCallID(), Digests: make([][]byte, len(b.items))}
	refs := make([]Ref, len(b.items))
	for i, it := range b.items {
		refs[i], call.Digests[i] = it.ref, it.digest
	}
	m.live.add(call.ID)
	defer m.live.remove(call.ID)
	// From here on a signature may exist, so the record is on disk before the provider is asked. (Free
	// signatures need not be on disk, only in order.)
	serial := c.Certificate().SerialNumber.Text(16)
	record := CallRecord{ID: call.ID, Credential: c.Name, Certificate: serial, Refs: refs, Free: c.Free}
	if err := m.cfg.Store.BeginCall(ctx, record); err != nil {
		return storageError(err)
	}
	var noted string
	stored := false
	call.Note = func(ctx context.Context, handle string) error {
		noted = handle
		err := m.cfg.Store.NoteCall(ctx, call.ID, handle)
		stored = err == nil
		return err
	}
	start := time.Now()
	values, err := signSafely(ctx, p, call)
	if r, ok := p.(Resumer); ok && noted != "" && AsError(err) != nil && AsError(err).Unknown {
		var pending bool
		values, pending, err = m.resumer.resumeWithRetries(r, call, noted, err)
		if pending && stored {
			m.observe(c, call, time.Since(start), string(OutcomeUnknown))
			return m.pending.add(call.ID, refs, AsError(err))
		}
	}
	return m.conclude(sentCall{call: call, refs: refs, provider: p, credential: c, began: start}, values, err)
}

// signSafely calls Provider.Sign. A panic is an unknown outcome. So is an error that is not an
// *Error, because it does not say that nothing was signed.
func signSafely(ctx context.Context, p Provider, call Call) (values [][]byte, err error) {
	defer panicToUnknown(&err)
	values, err = p.Sign(ctx, call)
	var known *Error
	if err != nil && !errors.As(err, &known) {
		err = &Error{Kind: KindProvider, Unknown: true, Err: err}
	}
	return values, err
}

// sentCall is a call that was sent to its provider.
type sentCall struct {
	call       Call
	refs       []Ref
	provider   Provider
	credential *Credential
	began      time.Time
}

func (m *callMaker) observe(c *Credential, call Call, took time.Duration, outcome string) {
	if f := m.cfg.Observer.CallEnded; f != nil {
		f(c, call.ID, len(call.Digests), took, outcome)
	}
}

// newCallID returns 128 random bits, which are unique over all instances and restarts without
// coordination.
func newCallID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return hex.EncodeToString(id[:])
}
