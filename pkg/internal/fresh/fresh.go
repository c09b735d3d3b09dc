// Package fresh keeps a value that is asked for elsewhere, and asks anew in time.
package fresh

import (
	"context"
	"sync"
	"time"
)

// Config says where a value comes from and how long it is good.
type Config[T any] struct {
	// Ask gets the value. One call is under way at a time, on the context of whoever found the old value too old.
	Ask func(context.Context) (T, error)
	// For is how long a value is used without asking.
	For time.Duration
	// StillGood says whether old, so many ago, may be used although Ask failed with err. Nil = never.
	StillGood func(old T, age time.Duration, err error) bool
	// Pause is the time before Ask is tried again while an old value is used.
	Pause time.Duration
}

// Value is a kept value. It is safe for concurrent use.
type Value[T any] struct {
	cfg  Config[T]
	busy chan struct{} // holds one value while somebody asks

	mu    sync.Mutex
	value T
	asked time.Time // zero = there is no value
	again time.Time // when to ask next
	fails int       // how often there was no answer
	fault error     // of the last time
}

// New returns an empty Value; the first Get asks.
func New[T any](cfg Config[T]) *Value[T] {
	return &Value[T]{cfg: cfg, busy: make(chan struct{}, 1)}
}

// Get returns the value. The error is Ask's, or that of ctx when it ended while somebody else asked. Who waited for somebody else's
// question shares its failure: a service that does not answer would else keep a crowd waiting one after the other, for its time-out each.
func (v *Value[T]) Get(ctx context.Context) (T, error) {
	value, ok, fails := v.kept()
	if ok {
		return value, nil
	}
	var none T
	select {
	case v.busy <- struct{}{}:
		defer func() { <-v.busy }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	if value, ok, now := v.kept(); ok { // somebody was faster
		return value, nil
	} else if now != fails {
		return none, v.fault // which the holder of busy alone changes
	}
	value, err := v.cfg.Ask(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	switch {
	case err == nil:
		v.value, v.asked, v.again = value, now, now.Add(v.cfg.For)
	case !v.asked.IsZero() && v.cfg.StillGood != nil && v.cfg.StillGood(v.value, now.Sub(v.asked), err):
		v.again = now.Add(v.cfg.Pause)
	default:
		if ctx.Err() == nil { // or it is this caller's own trouble
			v.fails, v.fault = v.fails+1, err
		}
		return none, err
	}
	return v.value, nil
}

// kept returns the value if it is good, and how often there has been none.
func (v *Value[T]) kept() (value T, ok bool, fails int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.value, !v.asked.IsZero() && time.Now().Before(v.again), v.fails
}

// Forget lets the next Get ask; the old value remains for the case that this fails.
func (v *Value[T]) Forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.again = time.Time{}
}
