package signing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync/atomic"
	"time"
)

// maxRenewals is how often a call is repeated at once because a token or activation data had
// expired. Both may have expired, and they are noticed one after the other. Each repetition is a
// call of its own in the store and in the counters.
const maxRenewals = 2

// caller makes calls to providers: it records each call, makes it, checks the answer and records
// the end. It is safe for concurrent use.
type caller struct {
	cfg      *Config
	throttle *throttle
	live     *liveCalls
	pending  *pendingAnswers
	resumer  resumer
	renewals *renewals
	proofs   *proofs

	unstored atomic.Int64    // signature values in memory that could not be stored yet
	stopped  <-chan struct{} // closed when nobody can wait any longer for them to be stored
}

func newCaller(cfg *Config, live *liveCalls, pending *pendingAnswers, stopped <-chan struct{}) *caller {
	return &caller{
		cfg:      cfg,
		throttle: newThrottle(cfg),
		live:     live,
		pending:  pending,
		resumer:  resumer{log: cfg.Log, timeout: cfg.Batch.CallTimeout},
		renewals: newRenewals(cfg),
		proofs:   newProofs(),
		stopped:  stopped,
	}
}

// call makes one call and finishes its items. It returns the items that the service refused only
// because there were too many requests: they are queued again. The call has a context of its own,
// because signatures that may have been paid for are waited for, even when the client hangs up.
func (m *caller) call(key credentialKey, p Provider, c *Credential, items []*item, s *splitting) (refused []*item) {
	ctx, cancel := context.WithTimeout(context.Background(), m.cfg.Batch.CallTimeout)
	defer cancel()
	start := time.Now()
	err := m.attempt(ctx, p, c, items)
	for range maxRenewals {
		if !errors.Is(err, ErrRenewed) || AsError(err).Unknown {
			break
		}
		err = m.attempt(ctx, p, c, items)
	}
	m.proofs.record(key, err)
	m.throttle.record(key, c, start, err)
	halves := s.halves(err, items)
	if halves == nil {
		return m.finish(key, items, err)
	}
	for _, half := range halves {
		switch {
		case s.reason != nil:
			m.finish(key, half, s.reason)
		case len(refused) > 0:
			refused = append(refused, half...)
		default:
			refused = m.call(key, p, c, half, s)
		}
	}
	return refused
}

// finish gives items the error of their call, or returns them if they are to be queued again. The
// error asks for a retry after the end of the credential's back-off. An earlier retry would use up
// a try and make no call.
func (m *caller) finish(key credentialKey, items []*item, err error) (refused []*item) {
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

// attempt records the call, makes it, checks the answer and records its end.
func (m *caller) attempt(ctx context.Context, p Provider, c *Credential, items []*item) error {
	if err := m.renewals.check(ctx, p, c); err != nil {
		return err
	}
	call := Call{ID: newCallID(), Digests: make([][]byte, len(items))}
	refs := make([]Ref, len(items))
	for i, it := range items {
		refs[i], call.Digests[i] = it.ref, it.digest
	}
	m.live.add(call.ID)
	defer m.live.remove(call.ID)
	// From here on a signature may exist, so the record is on disk before the provider is asked.
	record := CallRecord{ID: call.ID, Credential: c.Name, Certificate: c.Certificate().SerialNumber.Text(16), Refs: refs}
	if err := m.cfg.Store.BeginCall(ctx, record); err != nil {
		return storageError(err)
	}
	var noted string
	kept := false
	call.Note = func(ctx context.Context, handle string) error {
		noted = handle
		err := m.cfg.Store.NoteCall(ctx, call.ID, handle)
		kept = err == nil
		return err
	}
	start := time.Now()
	values, err := signSafely(ctx, p, call)
	if r, ok := p.(Resumer); ok && noted != "" && AsError(err) != nil && AsError(err).Unknown {
		var open bool
		values, err, open = m.resumer.resumeWithRetries(r, call, noted, err)
		if open && kept {
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

func (m *caller) observe(c *Credential, call Call, took time.Duration, outcome string) {
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
