// Package fresh caches a value that comes from a remote service, and asks for it again when the
// value is stale.
package fresh

import (
	"context"
	"sync"
	"time"
)

// Config says where a value comes from and how long it is fresh.
type Config[T any] struct {
	// Ask gets the value. One call runs at a time, on the context of the caller that found the value
	// stale.
	Ask func(context.Context) (T, error)
	// For is how long a value is fresh after a successful Ask.
	For time.Duration
	// StillGood reports whether a stale value of this age may be used. err is the error of Ask, or nil
	// while another caller is asking. It must not block. Nil = a stale value is never used.
	StillGood func(old T, age time.Duration, err error) bool
	// Pause is the time until Ask is retried while a stale value is used.
	Pause time.Duration
}

// Value is a cached value. It is safe for concurrent use.
type Value[T any] struct {
	cfg  Config[T]
	busy chan struct{} // holds one element while a caller asks

	mu           sync.Mutex
	value        T
	asked        time.Time // zero = there is no value
	staleAt      time.Time // when the value becomes stale
	staleAllowed bool      // a stale value may be used while another caller asks
	failures     int       // how many times Ask failed and no value could be used
	failure      error     // the last such error
	asks         int       // how many times Ask was called
	last         error     // the error of the last Ask, even if a stale value was used
}

// New returns an empty Value. The first Get asks.
func New[T any](cfg Config[T]) *Value[T] {
	return &Value[T]{cfg: cfg, busy: make(chan struct{}, 1)}
}

// Get returns the value. The error is that of Ask, or that of ctx if it ended while another caller
// was asking. Callers that wait for the Ask of another caller share its error. Otherwise, if the
// service does not answer, the callers would wait one after the other, each for one time-out.
//
// While one caller asks, the others use the stale value if it is still good and was not forgotten.
// So a service that hangs stops one caller and not all.
func (v *Value[T]) Get(ctx context.Context) (T, error) { return v.get(ctx, v.meanwhile) }

// Newest is Get for a caller that cannot accept the cached value: it waits for the caller that is
// asking. If ask is true, Newest asks even if the value is fresh.
func (v *Value[T]) Newest(ctx context.Context, ask bool) (T, error) {
	if ask {
		v.mu.Lock()
		v.staleAt = time.Time{}
		v.mu.Unlock()
	}
	return v.get(ctx, func() (none T, ok bool) { return none, false })
}

// Renew asks now, or waits for an Ask that begins after the call, and returns its result. Unlike
// Get it returns the error of Ask even if the stale value may still be used.
func (v *Value[T]) Renew(ctx context.Context) (none T, err error) {
	v.mu.Lock()
	before := v.asks
	v.mu.Unlock()
	select {
	case v.busy <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	defer func() { <-v.busy }()
	v.mu.Lock()
	asks, last, value := v.asks, v.last, v.value
	v.mu.Unlock()
	if asks > before { // another caller has asked since
		return value, last
	}
	if value, err = v.ask(ctx); err != nil {
		return none, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return value, v.last
}

func (v *Value[T]) get(ctx context.Context, meanwhile func() (T, bool)) (T, error) {
	value, ok, failures := v.cached()
	if ok {
		return value, nil
	}
	var none T
	select {
	case v.busy <- struct{}{}:
	default:
		if value, ok := meanwhile(); ok {
			return value, nil
		}
		select {
		case v.busy <- struct{}{}:
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
	defer func() { <-v.busy }()
	if value, ok, now := v.cached(); ok { // another caller was faster
		return value, nil
	} else if now != failures {
		return none, v.failure // only the holder of busy changes it
	}
	return v.ask(ctx)
}

// ask calls Ask and keeps the result. The caller must hold busy.
func (v *Value[T]) ask(ctx context.Context) (none T, err error) {
	v.mu.Lock()
	v.asks++
	v.mu.Unlock()
	value, err := v.cfg.Ask(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = err
	now := time.Now()
	switch {
	case err == nil:
		v.value, v.asked, v.staleAt, v.staleAllowed = value, now, now.Add(v.cfg.For), true
	case !v.asked.IsZero() && v.cfg.StillGood != nil && v.cfg.StillGood(v.value, now.Sub(v.asked), err):
		v.staleAt, v.staleAllowed = now.Add(v.cfg.Pause), true
	default:
		if ctx.Err() == nil { // otherwise only this caller has given up
			v.failures, v.failure, v.staleAllowed = v.failures+1, err, false
		}
		return none, err
	}
	return v.value, nil
}

// cached returns the value, whether it is fresh, and how many times Ask failed without a value that
// could be used.
func (v *Value[T]) cached() (value T, ok bool, failures int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.value, !v.asked.IsZero() && time.Now().Before(v.staleAt), v.failures
}

// meanwhile returns the stale value if it may be used while another caller asks.
func (v *Value[T]) meanwhile() (value T, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.value, v.staleAllowed && v.cfg.StillGood != nil && v.cfg.StillGood(v.value, time.Since(v.asked), nil)
}

// Forget makes the next Get ask, and other callers wait for it. The old value remains for the case
// that Ask fails.
func (v *Value[T]) Forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.staleAt, v.staleAllowed = time.Time{}, false
}
