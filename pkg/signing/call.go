package signing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// maxRenewals is how often a call is repeated at once because a token or activation data had ended:
// both may have, one after the other. Each repetition is a call of its own in the store and in the
// counters.
const maxRenewals = 2

// call makes one call and ends each of its items, but those that it returns: they were refused for
// the rate alone, and get another turn. It runs on its own context: what may have been paid for is
// waited for, whoever hung up.
func (b *batcher) call(key queueKey, p Provider, c *Credential, items []*item, s *splitting) (refused []*item) {
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.Batch.CallTimeout)
	defer cancel()
	start := time.Now()
	err := b.attempt(ctx, p, c, items)
	for range maxRenewals {
		if !errors.Is(err, ErrRenewed) || AsError(err).Unknown {
			break
		}
		err = b.attempt(ctx, p, c, items)
	}
	b.proofs.record(key, err)
	b.throttle.record(key, c, start, err)
	halves := s.halves(err, items)
	if halves == nil {
		return b.end(key, items, err)
	}
	for _, half := range halves {
		switch {
		case s.reason != nil:
			b.end(key, half, s.reason)
		case len(refused) > 0:
			refused = append(refused, half...)
		default:
			refused = b.call(key, p, c, half, s)
		}
	}
	return refused
}

// end ends items with the error of their call, or returns them if they are to have another turn.
// Their operations do not come again before the credential may be used: that would cost them a try,
// and make no call.
func (b *batcher) end(key queueKey, items []*item, err error) (refused []*item) {
	if e := AsError(err); e != nil && e.Retry {
		rest, _ := b.throttle.remaining(key, time.Now())
		if errors.Is(e, ErrTooMany) && !e.Unknown && rest <= b.cfg.Backoff {
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

// splitting is a call that was refused and is made in parts.
type splitting struct {
	limit, refused int
	signed         bool
	reason         error // why no more parts are tried
}

// newSplitting allows for one bad digest among n, found in halves, and a few refusals more.
func newSplitting(n int) *splitting { return &splitting{limit: bits.Len(uint(n)) + 3} }

// halves says whether a call that was definitely refused is worth another try in halves, so that
// one bad digest does not fail its neighbours. Never after an unknown outcome, and not when the
// refusal was about us (credentials, account, too many requests): halves would only be refused
// again, and a wrong PIN counted twice. Nor when all parts so far were refused: then it is not the
// digests.
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
func (b *batcher) attempt(ctx context.Context, p Provider, c *Credential, items []*item) error {
	if err := b.fit(ctx, p, c); err != nil {
		return err
	}
	call := Call{ID: newCallID(), Digests: make([][]byte, len(items))}
	refs := make([]Ref, len(items))
	for i, it := range items {
		refs[i], call.Digests[i] = it.ref, it.digest
	}
	b.setLive(call.ID, true)
	defer b.setLive(call.ID, false)
	// From here a signature may exist: on disk before the provider is asked.
	record := CallRecord{ID: call.ID, Credential: c.Name, Certificate: c.Certificate().SerialNumber.Text(16), Refs: refs}
	if err := b.cfg.Store.BeginCall(ctx, record); err != nil {
		return storageError(err)
	}
	var noted string
	kept := false
	call.Note = func(ctx context.Context, handle string) error {
		noted = handle
		err := b.cfg.Store.NoteCall(ctx, call.ID, handle)
		kept = err == nil
		return err
	}
	start := time.Now()
	values, err := signRecovered(ctx, p, call)
	if r, ok := p.(Resumer); ok && noted != "" && AsError(err) != nil && AsError(err).Unknown {
		var open bool
		values, err, open = b.fetch(r, call, noted, err)
		if open && kept {
			b.observe(c, call, time.Since(start), string(OutcomeUnknown))
			return b.await(call.ID, refs, AsError(err))
		}
	}
	return b.conclude(madeCall{call: call, refs: refs, provider: p, credential: c, began: start}, values, err)
}

const (
	// fetchTime is how long a lost answer is asked for under its handle before that is left to the
	// operation's next try: a service restarts in that time, and the credential's other calls wait no
	// longer for the place of this one.
	fetchTime  = 3 * time.Minute
	fetchTries = 7
	fetchPause = time.Second // before the first try; each later pause is twice the one before
)

// fetch asks for the answer of a call whose outcome is unknown; lost is why. What was paid for is
// not given up at the first fault. open = the answer may still come, and err is what was said last.
func (b *batcher) fetch(r Resumer, call Call, handle string, lost error) (values [][]byte, err error, open bool) {
	b.cfg.Log.Info("answer was lost and is asked for again", "call", call.ID, "reason", lost.Error())
	all, cancel := context.WithTimeout(context.Background(), fetchTime)
	defer cancel()
	pause, err := fetchPause, lost
	for try := 0; try < fetchTries && all.Err() == nil; try++ {
		wait := max(pause, AsError(err).RetryAfter)
		if end, _ := all.Deadline(); time.Until(end) < wait {
			break // it would be asked sooner than it wants
		}
		time.Sleep(wait)
		pause *= 2
		ctx, cancel := context.WithTimeout(all, b.cfg.Batch.CallTimeout)
		values, err = resumeRecovered(ctx, r, call, handle)
		cancel()
		if err == nil {
			return values, nil, false
		}
		if !mayCome(err) { // the service says that it never will
			if !errors.Is(err, ErrBadAnswer) {
				return nil, lost, false
			}
			e := *AsError(err)
			e.Unknown = true // there are signatures, of no use to anybody
			return nil, &e, false
		}
	}
	if errors.Is(err, ErrNothingYet) {
		return nil, lost, false
	}
	return nil, err, true
}

// mayCome reports whether an error of Resumer leaves hope for the answer.
func mayCome(err error) bool {
	e := AsError(err)
	return !errors.Is(err, ErrBadAnswer) && (e.Unknown || e.Retry)
}

// signRecovered is Provider.Sign whose panic is an unknown outcome, and so is an error that is none
// of the contract's: it does not say that nothing was signed.
func signRecovered(ctx context.Context, p Provider, call Call) (values [][]byte, err error) {
	defer panicUnknown(&err)
	values, err = p.Sign(ctx, call)
	var known *Error
	if err != nil && !errors.As(err, &known) {
		err = &Error{Kind: KindProvider, Unknown: true, Err: err}
	}
	return values, err
}

// resumeRecovered is Resumer.Resume whose panic says that nobody knows: the process that makes it
// must not die of it at every start.
func resumeRecovered(ctx context.Context, r Resumer, call Call, handle string) (values [][]byte, err error) {
	defer panicUnknown(&err)
	return r.Resume(ctx, call, handle)
}

func panicUnknown(err *error) {
	if r := recover(); r != nil {
		*err = &Error{Kind: KindProvider, Unknown: true, Err: fmt.Errorf("panic: %v", r)}
	}
}

// madeCall is a call that was sent.
type madeCall struct {
	call       Call
	refs       []Ref
	provider   Provider
	credential *Credential
	began      time.Time
}

// conclude checks what came back and stores it, or stores that nothing usable did.
func (b *batcher) conclude(m madeCall, values [][]byte, err error) error {
	call, c, took := m.call, m.credential, time.Since(m.began)
	if err == nil {
		if err = checkValues(c, call.Digests, values); err == nil {
			b.observe(c, call, took, "returned")
			return b.keepValues(call, values)
		}
		b.cfg.Log.Error(err, "provider gave an answer that does not fit the call", "call", call.ID, "credential", c.Name)
		err = badAnswer(err)
	}
	e := AsError(err)
	outcome := OutcomeRefused
	if e.Unknown {
		outcome = OutcomeUnknown
	}
	b.observe(c, call, took, string(outcome))
	b.cfg.Log.Info(
		"call failed",
		"call",
		call.ID,
		"credential",
		c.Name,
		"digests",
		len(call.Digests),
		"outcome",
		string(outcome),
		"reason",
		e.Error(),
	)
	end := b.afterFailure(m.provider, c, m.began, e)
	failed := e.Unknown && !end.Retry
	if failed {
		if serr := b.persist(func(ctx context.Context) error { return b.failSent(ctx, m.refs, end) }); serr != nil {
			return storageError(serr)
		}
	}
	if serr := b.persist(
		func(ctx context.Context) error { return b.cfg.Store.AbandonCall(ctx, call.ID, outcome) },
	); serr != nil {
		return storageError(serr)
	}
	if failed {
		return &failedAlready{end}
	}
	return end
}

// failSent fails documents that must not be sent again, which is done before their call has its
// end: whatever happens in between, and however long other calls of their operations take, nothing
// is paid for twice.
func (b *batcher) failSent(ctx context.Context, refs []Ref, why *Error) error {
	results := make([]DocumentResult, len(refs))
	for i, ref := range refs {
		results[i] = DocumentResult{Ref: ref, Failure: &Failure{Kind: why.Kind, Detail: why.Detail}}
	}
	if err := b.cfg.Store.FinishDocuments(ctx, results); err != nil {
		return err
	}
	b.cfg.Log.Info("documents failed, their signatures may exist", "documents", len(refs), "reason", why.Error())
	if f := b.cfg.Observer.DocumentEnded; f != nil {
		for range refs {
			f(why.Kind, false)
		}
	}
	return nil
}

// failedAlready is why documents have failed, which is stored already.
type failedAlready struct{ why *Error }

func (f *failedAlready) Error() string { return f.why.Error() }

func (f *failedAlready) Unwrap() error { return f.why }

const badAnswerDetail = "the signing service gave an invalid answer"

func badAnswer(why error) error {
	return &Error{Kind: KindProvider, Detail: badAnswerDetail, Unknown: true, Err: fmt.Errorf("%w: %w", ErrBadAnswer, why)}
}

// policy is what an error means for the documents of a call.
func (b *batcher) policy(e *Error) *Error {
	if !e.Unknown {
		return e
	}
	out := *e
	out.Retry = b.cfg.UnknownOutcome == UnknownRetry && !errors.Is(e, ErrBadAnswer)
	return &out
}

const (
	// persistTries and persistPause give a disk that is full for a moment time to recover before the
	// end of a call that brought no values is left to endLeft or to the next start: half a minute in
	// all.
	persistTries = 6
	persistPause = time.Second
)

// persist repeats a write that must not be lost.
func (b *batcher) persist(write func(context.Context) error) error {
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

func (b *batcher) observe(c *Credential, call Call, took time.Duration, outcome string) {
	if f := b.cfg.Observer.CallEnded; f != nil {
		f(c, call.ID, len(call.Digests), took, outcome)
	}
}

func (b *batcher) setLive(call string, live bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if live {
		b.live[call] = true
	} else {
		delete(b.live, call)
	}
}

// newCallID is 128 random bits: unique over all instances and restarts without asking anybody.
func newCallID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return hex.EncodeToString(id[:])
}
