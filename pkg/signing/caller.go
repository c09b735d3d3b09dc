package signing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
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
func (m *caller) call(key queueKey, p Provider, c *Credential, items []*item, s *splitting) (refused []*item) {
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
func (m *caller) finish(key queueKey, items []*item, err error) (refused []*item) {
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

// splitting is the state of a call that was refused and is repeated in parts.
type splitting struct {
	limit, refused int
	signed         bool
	reason         error // why no more parts are tried; nil = more may be
}

// newSplitting allows as many refusals as it takes to find one bad digest among n by halving, and a
// few more.
func newSplitting(n int) *splitting { return &splitting{limit: bits.Len(uint(n)) + 3} }

// halves returns the halves of a call that was definitely refused, so that one bad digest does not
// fail its neighbours. It returns nil if the halves are not worth a call each. That is so after an
// unknown outcome. It is so if the refusal was about the proxy (credentials, account, too many
// requests), because the halves would be refused too, and a wrong PIN would be counted twice. It is
// also so if all parts so far were refused, because then the digests are not the cause.
func (s *splitting) halves(err error, items []*item) [][]*item {
	s.signed = s.signed || err == nil
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindProvider || e.Unknown || e.Retry {
		return nil
	}
	if s.refused++; s.refused >= s.limit && !s.signed {
		s.reason = err
	}
	if len(items) < 2 || s.reason != nil {
		return nil
	}
	return [][]*item{items[:len(items)/2], items[len(items)/2:]}
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

// conclude checks the answer of a call and stores the values, or stores that no usable values came.
func (m *caller) conclude(sent sentCall, values [][]byte, err error) error {
	call, c, took := sent.call, sent.credential, time.Since(sent.began)
	if err == nil {
		if err = checkValues(c, call.Digests, values); err == nil {
			m.observe(c, call, took, "returned")
			return m.keepValues(call, values)
		}
		m.cfg.Log.Error(err, "provider gave an answer that does not fit the call", "call", call.ID, "credential", c.Name)
		err = badAnswer(err)
	}
	e := AsError(err)
	outcome := OutcomeRefused
	if e.Unknown {
		outcome = OutcomeUnknown
	}
	m.observe(c, call, took, string(outcome))
	m.cfg.Log.Info("call failed", "call", call.ID, "credential", c.Name, "digests", len(call.Digests),
		"outcome", string(outcome), "reason", e.Error())
	end := m.renewals.afterFailure(sent.provider, c, sent.began, e)
	failed := e.Unknown && !end.Retry
	if failed {
		if serr := m.persist(func(ctx context.Context) error { return failSent(ctx, m.cfg, sent.refs, end) }); serr != nil {
			return storageError(serr)
		}
	}
	abandon := func(ctx context.Context) error { return m.cfg.Store.AbandonCall(ctx, call.ID, outcome) }
	if serr := m.persist(abandon); serr != nil {
		return storageError(serr)
	}
	if failed {
		return &failedAlready{end}
	}
	return end
}

// failSent fails documents that must not be sent again. It is called before the end of their call
// is recorded, so that no signature is paid for twice, whatever happens in between and however long
// other calls of their operations take.
func failSent(ctx context.Context, cfg *Config, refs []Ref, why *Error) error {
	results := make([]DocumentResult, len(refs))
	for i, ref := range refs {
		results[i] = DocumentResult{Ref: ref, Failure: &Failure{Kind: why.Kind, Detail: why.Detail}}
	}
	if err := cfg.Store.FinishDocuments(ctx, results); err != nil {
		return err
	}
	cfg.Log.Info("documents failed, their signatures may exist", "documents", len(refs), "reason", why.Error())
	if f := cfg.Observer.DocumentEnded; f != nil {
		for range refs {
			f(why.Kind, false)
		}
	}
	return nil
}

// failedAlready is the error of documents whose failure is already stored.
type failedAlready struct{ why *Error }

func (f *failedAlready) Error() string { return f.why.Error() }

func (f *failedAlready) Unwrap() error { return f.why }

const badAnswerDetail = "the signing service gave an invalid answer"

func badAnswer(why error) error {
	return &Error{Kind: KindProvider, Detail: badAnswerDetail, Unknown: true, Err: fmt.Errorf("%w: %w", ErrBadAnswer, why)}
}

const (
	// persistTries and persistPause give a full disk half a minute in all to recover. After that, the
	// end of a call that brought no values is left to settler.run or to the next start.
	persistTries = 6
	persistPause = time.Second
)

// persist repeats a write that must not be lost. It returns the error of the last try.
func (m *caller) persist(write func(context.Context) error) error {
	pause := persistPause
	for try := 1; ; try++ {
		err := write(context.Background())
		// A conflict after another fault means that the earlier try was stored although it was reported
		// as failed.
		if err == nil || errors.Is(err, ErrConflict) && try > 1 {
			return nil
		}
		if try == persistTries || errors.Is(err, ErrConflict) {
			return err
		}
		time.Sleep(pause)
		pause *= 2
	}
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
