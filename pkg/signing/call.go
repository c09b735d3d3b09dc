package signing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// call makes one call and ends each of its items. It runs on its own context: what may have been paid for is waited for, whoever hung up.
func (b *batcher) call(p Provider, c *Credential, items []*item) {
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.Batch.CallTimeout)
	defer cancel()
	err := b.attempt(ctx, p, c, items)
	if halves := split(err, items); halves != nil {
		for _, half := range halves {
			b.call(p, c, half)
		}
		return
	}
	for _, it := range items {
		it.err = err
		it.done()
	}
}

// split says whether a call that was definitely refused is worth another try in halves, so that one bad digest does not fail its
// neighbours. Never after an unknown outcome, and not when the refusal was about us (credentials, account, too many requests):
// halves would only be refused again, and a wrong PIN counted twice.
func split(err error, items []*item) [][]*item {
	var e *Error
	if len(items) < 2 || !errors.As(err, &e) || e.Kind != KindProvider || e.Unknown || e.Retry {
		return nil
	}
	return [][]*item{items[:len(items)/2], items[len(items)/2:]}
}

// attempt records the call, makes it, checks the answer and records its end.
func (b *batcher) attempt(ctx context.Context, p Provider, c *Credential, items []*item) error {
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
	call.Note = func(ctx context.Context, handle string) error {
		noted = handle
		return b.cfg.Store.NoteCall(ctx, call.ID, handle)
	}
	start := time.Now()
	values, err := signRecovered(ctx, p, call)
	if r, ok := p.(Resumer); ok && noted != "" && AsError(err) != nil && AsError(err).Unknown {
		values, err = b.fetch(r, call, noted, err)
	}
	return b.conclude(call, c, values, err, time.Since(start))
}

const (
	// fetchTime is how long a lost answer is asked for under its handle before it counts as unknown: a service restarts in that time,
	// and the credential's other calls wait no longer for the place of this one.
	fetchTime  = 3 * time.Minute
	fetchTries = 7
	fetchPause = time.Second // before the first try; each later pause is twice the one before
)

// fetch asks for the answer of a call whose outcome is unknown; lost is why. What was paid for is not given up at the first fault.
func (b *batcher) fetch(r Resumer, call Call, handle string, lost error) ([][]byte, error) {
	b.cfg.Log.Info("answer was lost and is asked for again", "call", call.ID, "reason", lost.Error())
	all, cancel := context.WithTimeout(context.Background(), fetchTime)
	defer cancel()
	pause := fetchPause
	for try := 0; try < fetchTries && all.Err() == nil; try++ {
		time.Sleep(pause)
		pause *= 2
		ctx, cancel := context.WithTimeout(all, b.cfg.Batch.CallTimeout)
		values, err := r.Resume(ctx, call, handle)
		cancel()
		if err == nil {
			return values, nil
		}
		if e := AsError(err); !e.Unknown && !e.Retry {
			break // the service says that it never will
		}
	}
	return nil, lost
}

// signRecovered is Provider.Sign whose panic is an unknown outcome, and so is an error that is none of the contract's: it does not
// say that nothing was signed.
func signRecovered(ctx context.Context, p Provider, call Call) (values [][]byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Kind: KindProvider, Unknown: true, Err: fmt.Errorf("panic: %v", r)}
		}
	}()
	values, err = p.Sign(ctx, call)
	var known *Error
	if err != nil && !errors.As(err, &known) {
		err = &Error{Kind: KindProvider, Unknown: true, Err: err}
	}
	return values, err
}

// conclude checks what came back and stores it, or stores that nothing usable did.
func (b *batcher) conclude(call Call, c *Credential, values [][]byte, err error, took time.Duration) error {
	if err == nil {
		if err = checkValues(c, call.Digests, values); err == nil {
			b.observe(c, call, took, "returned")
			return b.keepValues(call, values)
		}
		b.cfg.Log.Error(err, "provider gave an answer that does not fit the call", "call", call.ID, "credential", c.Name)
		err = (&Error{Kind: KindProvider, Detail: "the signing service gave an invalid answer", Unknown: true, Err: fmt.Errorf("%w: %w", ErrBadAnswer, err)})
	}
	e := AsError(err)
	outcome := OutcomeRefused
	if e.Unknown {
		outcome = OutcomeUnknown
	}
	b.observe(c, call, took, string(outcome))
	b.cfg.Log.Info("call failed", "call", call.ID, "credential", c.Name, "digests", len(call.Digests), "outcome", string(outcome), "reason", e.Error())
	if serr := b.persist(func(ctx context.Context) error { return b.cfg.Store.AbandonCall(ctx, call.ID, outcome) }); serr != nil {
		return storageError(serr)
	}
	return b.policy(e)
}

// policy is what an error means for the documents of a call.
func (b *batcher) policy(e *Error) error {
	if !e.Unknown {
		return e
	}
	out := *e
	out.Retry = b.cfg.UnknownOutcome == UnknownRetry && !errors.Is(e, ErrBadAnswer)
	return &out
}

// keepValues stores signature values before anything uses them.
func (b *batcher) keepValues(call Call, values [][]byte) error {
	if err := b.persist(func(ctx context.Context) error { return b.cfg.Store.EndCall(ctx, call.ID, values) }); err != nil {
		b.cfg.Log.Error(err, "signature values could not be stored", "call", call.ID, "digests", len(values))
		return storageError(err)
	}
	return nil
}

const (
	// persistTries and persistPause give a disk that is full for a moment time to recover before values that were paid for are
	// given up: half a minute in all. After that they count as unknown.
	persistTries = 6
	persistPause = time.Second
)

// persist repeats a write that must not be lost.
func (b *batcher) persist(write func(context.Context) error) error {
	pause := persistPause
	for try := 1; ; try++ {
		err := write(context.Background())
		// A conflict means that an earlier try was stored although it was reported as failed.
		if err == nil || errors.Is(err, ErrConflict) && try > 1 {
			return nil
		}
		if try == persistTries {
			return err
		}
		time.Sleep(pause)
		pause *= 2
	}
}

func (b *batcher) observe(c *Credential, call Call, took time.Duration, outcome string) {
	if f := b.cfg.Observer.CallEnded; f != nil {
		f(c, len(call.Digests), took, outcome)
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
